"""Which volumes go with a VM that never had a host."""

from __future__ import annotations

from typing import Any

import pytest

from quantix_api.made_for_nothing import was_made_for_nothing

SINCE = "2026-11-01T10:00:00Z"
OURS = {"quantix.io/virtual-machine-uid": "u", "app.kubernetes.io/managed-by": "quantix"}
VM: dict[str, Any] = {"metadata": {"name": "web-1", "uid": "u", "creationTimestamp": SINCE}}


def volume(labels: dict[str, str] = OURS, since: str = SINCE, **more: Any) -> dict[str, Any]:
    return {"metadata": {"name": "v", "labels": labels, "creationTimestamp": since}, **more}


@pytest.mark.parametrize(
    ("made", "vm"),
    [
        (volume(), VM),
        (volume(since="2026-11-01T10:00:01Z"), VM),
        (volume(status={"conditions": []}, spec={"deletionProtection": False}), VM | {"status": {}}),
    ],
)
def test_what_nothing_was_ever_in_goes(made: dict[str, Any], vm: dict[str, Any]) -> None:
    assert was_made_for_nothing(made, vm)


KEPT = {
    "of another VM": (volume(OURS | {"quantix.io/virtual-machine-uid": "v"}), VM),
    "of no VM": (volume({"app.kubernetes.io/managed-by": "quantix"}), VM),
    "without labels": ({"metadata": {"name": "v", "creationTimestamp": SINCE}}, VM),
    "made by somebody else": (volume({"quantix.io/virtual-machine-uid": "u"}), VM),
    "protected": (volume(spec={"deletionProtection": True}), VM),
    "has a host": (volume(status={"host": "h1"}), VM),
    "has data": (volume(status={"data": "Present"}), VM),
    "was there before": (volume(since="2026-11-01T09:59:59Z"), VM),
    "placed": (volume(), VM | {"status": {"assignment": {"host": "h1", "epoch": 1}}}),
    "was placed": (volume(), VM | {"status": {"assignment": {"epoch": 2}}}),
    "no times": ({"metadata": {"name": "v", "labels": OURS}}, VM),
}


@pytest.mark.parametrize("case", KEPT, ids=str)
def test_what_may_be_somebodys_stays(case: str) -> None:
    assert not was_made_for_nothing(*KEPT[case])
