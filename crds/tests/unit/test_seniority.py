"""Which pool is meant where none is named: one answer for operator and hosts."""

from __future__ import annotations

from typing import Any

import pytest

from quantix_api import StoragePool
from quantix_api.seniority import default_pool

_OLD, _NEW = "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"


def pool(name: str, created: str | None, *, default: bool = True, **metadata: Any) -> StoragePool:
    about = {"name": name, "uid": f"uid-{name}", "creationTimestamp": created, **metadata}
    return StoragePool.model_validate(
        {"metadata": about, "spec": {"dir": {"path": "/x"}, "default": default}}
    )


@pytest.mark.parametrize(
    ("pools", "meant"),
    [
        ((), None),
        ((pool("a", _OLD, default=False),), None),
        ((pool("a", _NEW), pool("b", _OLD)), "b"),
        ((pool("a", _OLD), pool("b", _OLD)), "a"),
        ((pool("a", _OLD, uid="z"), pool("b", _OLD, uid="y")), "b"),
        ((pool("a", _OLD, deletionTimestamp=_NEW), pool("b", _NEW)), "b"),
        ((pool("a", _OLD, deletionTimestamp=_NEW),), None),
    ],
)
def test_the_oldest_default_that_stays_is_meant(pools: tuple[StoragePool, ...], meant: str | None) -> None:
    for order in (pools, pools[::-1]):
        found = default_pool(order)
        assert (found.metadata.name if found else None) == meant
