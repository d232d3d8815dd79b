"""Small devices that every domain has: random numbers, panic notifier; and a TPM where asked."""

from __future__ import annotations

from quantix_hostd.domainxml.element import Element, element
from quantix_hostd.domainxml.pcie import BuiltinPort, behind
from quantix_hostd.domainxml.spec import DomainSpec


def configure_rng(spec: DomainSpec) -> list[Element]:
    """No rate limit: it would starve early boot."""
    return [
        element(
            "rng",
            {"model": "virtio"},
            element("backend", {"model": "random"}, text="/dev/urandom"),
            element("alias", {"name": "ua-qx_rng"}),
            behind(BuiltinPort.RNG),
        )
    ]


def configure_panic(spec: DomainSpec) -> list[Element]:
    """Without it a panicking guest looks as if it were running."""
    return [element("panic", {"model": "isa"})]


def configure_tpm(spec: DomainSpec) -> list[Element]:
    if not spec.tpm:
        return []
    backend = element("backend", {"type": "emulator", "version": "2.0", "persistent_state": "yes"})
    return [element("tpm", {"model": "tpm-crb"}, backend, element("alias", {"name": "ua-qx_tpm"}))]
