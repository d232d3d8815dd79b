"""Hosts, guests that leave one of them, and what a plan says of each."""

from __future__ import annotations

from typing import Any

from quantix_api.host_labels import HOST_LABEL
from quantix_api.host_plan import HostPlan
from quantix_operator.scheduling.model import GIB, Guest, HostView
from quantix_operator.whatif.model import Leaver

PAGES = "2Mi"


def hosts(*gib: int) -> tuple[HostView, ...]:
    """h1 and so on, each with so much ordinary memory, and as much in huge pages."""
    return tuple(
        HostView(
            f"h{number}",
            16_000,
            size * GIB,
            {HOST_LABEL: f"h{number}"},
            huge_bytes={PAGES: size * GIB},
            pools=frozenset({"local"}),
        )
        for number, size in enumerate(gib, 1)
    )


def guest(name: str, gib: int = 2, **different: Any) -> Guest:
    usual: dict[str, Any] = {"vcpus": 1, "memory_bytes": gib * GIB}
    return Guest(uid=f"uid-{name}", namespace="default", name=name, **(usual | different))


def leaver(name: str, gib: int = 2, **different: Any) -> Leaver:
    ours = {key: different.pop(key) for key in list(different) if key in Leaver.__dataclass_fields__}
    return Leaver(guest(name, gib, **different), **ours)


def where(plan: HostPlan) -> dict[str, str | None]:
    return {move.name: move.to for move in plan.moves}


def stays(plan: HostPlan) -> dict[str, str]:
    return {item.name: item.reason for item in plan.misfits}
