"""A domain that goes while it is looked at is one that is not there, and no error."""

from __future__ import annotations

from typing import Any

import libvirt

from quantix_hostd.clients.libvirt_calls import snapshot_of, summaries


class Domain:
    """Called `name`; one that `goes` answers nothing but its name."""

    def __init__(self, name: str, *, goes: bool) -> None:
        self._name, self._goes = name, goes

    def name(self) -> str:
        return self._name

    def __getattr__(self, asked: str) -> Any:
        if self._goes:
            error = libvirt.libvirtError("Domain not found")
            error.err = (libvirt.VIR_ERR_NO_DOMAIN, 10, "Domain not found", 2, "", None, None, -1, -1)
            raise error
        answers: dict[str, Any] = {"state": (1, 1), "UUIDString": "an uuid", "isActive": True}
        return lambda *_: answers.get(asked, "<domain/>")


class Connection:
    def __init__(self, *domains: Domain) -> None:
        self._domains = domains

    def listAllDomains(self) -> list[Domain]:
        return list(self._domains)

    def lookupByName(self, name: str) -> Domain:
        return next(domain for domain in self._domains if domain.name() == name)


def test_what_goes_meanwhile_is_not_listed_and_not_found() -> None:
    connection = Connection(Domain("qx-1", goes=True), Domain("other", goes=False))
    assert [found.name for found in summaries(connection)] == ["other"]
    assert snapshot_of(connection, "qx-1") is None
    assert snapshot_of(connection, "other") is not None
