"""What hostd said beside its Ready goes before the operator's Ready comes."""

from __future__ import annotations

from typing import Any, cast

import pytest

from quantix_api.resources import MANAGER_HOSTD, MANAGER_OPERATOR, VIRTUAL_MACHINES
from quantix_client.api import ApiClient
from quantix_operator.cache import Cache
from quantix_operator.status_writer import StatusWriter, stale_conditions


def condition(kind: str, reason: str) -> dict[str, Any]:
    return {"type": kind, "status": "True", "reason": reason}


def live(*types: str, manager: str = MANAGER_HOSTD, version: int = 7) -> dict[str, Any]:
    """A VM with these conditions, all owned by one manager."""
    owned: dict[str, Any] = {
        f'k:{{"type":"{kind}"}}': {".": {}, "f:type": {}, "f:status": {}} for kind in types
    }
    entry = {
        "manager": manager,
        "operation": "Apply",
        "subresource": "status",
        "fieldsV1": {"f:status": {"f:conditions": owned}},
    }
    metadata = {"name": "web-1", "namespace": "default", "resourceVersion": str(version), "uid": "uid-1"}
    return {
        "metadata": metadata | {"managedFields": [entry]},
        "status": {"conditions": [condition(kind, "GuestShutdown") for kind in types]},
    }


class RecordingApi:
    """Notes what it is asked to write, and answers with the next version."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []

    async def patch(self, _resource: Any, name: str, patch: dict[str, Any], *_: Any, **how: Any) -> Any:
        assert (name, how) == ("web-1", {"subresource": "status"})
        self.calls.append(("patch", patch))
        return live("Ready", version=8)

    async def apply(self, _resource: Any, body: dict[str, Any], **_: Any) -> Any:
        self.calls.append(("apply", body))
        return live("Ready", manager=MANAGER_OPERATOR, version=9)


WAITING = {"conditions": [condition("Ready", "NotEnoughMemory"), condition("Reconciling", "NotEnoughMemory")]}

CASES: dict[str, tuple[dict[str, Any], dict[str, Any], tuple[str, ...]]] = {
    "hostd called it stalled, and it waits": (live("Ready", "Stalled"), WAITING, ("Stalled",)),
    "it is stalled for us too": (
        live("Ready", "Stalled"),
        {"conditions": [condition("Ready", "GuestShutdown"), condition("Stalled", "GuestShutdown")]},
        (),
    ),
    "hostd was on its way, and it is as asked": (
        live("Ready", "Reconciling"),
        {"conditions": [condition("Ready", "Stopped")]},
        ("Reconciling",),
    ),
    "Ready is hostd's": (live("Ready", "Stalled"), {"conditions": [condition("Protected", "NoFencing")]}, ()),
    "it is our own, which an apply takes away": (
        live("Ready", "Stalled", manager=MANAGER_OPERATOR),
        WAITING,
        (),
    ),
}


@pytest.mark.parametrize("case", CASES, ids=str)
def test_stale(case: str) -> None:
    seen, status, expected = CASES[case]
    assert stale_conditions(seen, status) == expected


async def test_they_are_removed_first_and_what_follows_counts_against_the_result() -> None:
    api = RecordingApi()
    writer = StatusWriter(cast(ApiClient, api), Cache((VIRTUAL_MACHINES,)))
    assert await writer.write(VIRTUAL_MACHINES, live("Ready", "Stalled"), WAITING, on_version=True)
    (first, removed), (second, applied) = api.calls
    assert (first, second) == ("patch", "apply")
    assert removed["metadata"] == {"resourceVersion": "7"}
    assert [item["type"] for item in removed["status"]["conditions"]] == ["Ready"]
    assert applied["metadata"]["resourceVersion"] == "8"
