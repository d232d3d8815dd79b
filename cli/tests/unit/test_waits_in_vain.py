"""A wait for a network or a router ends where only a change of it, or of what it lies on, would help."""

from __future__ import annotations

import pytest

from quantix_api.messages import render
from quantix_cli.ending import ONCE_DONE, end_of
from quantix_cli.nouns import Manifest

OVERLAP = {"cidr": "10.50.0.0/25", "other_cidr": "10.50.0.0/24", "other": "default/blue"}


def waiting(kind: str, reason: str, message: str) -> Manifest:
    ready = {
        "type": "Ready",
        "status": "False",
        "reason": reason,
        "message": message,
        "observedGeneration": 1,
    }
    return {"kind": kind, "metadata": {"name": "both", "generation": 1}, "status": {"conditions": [ready]}}


@pytest.mark.parametrize(
    ("kind", "reason", "fields"),
    [
        ("Router", "SubnetOverlap", OVERLAP),
        ("Network", "PhysicalNetworkUnknown", {"physical": "site"}),
        ("Network", "UnderlayTooSmall", {"mtu": 9216, "wanted": 9274, "found": 1500, "fits": 1442}),
    ],
)
def test_what_lies_wrong_is_told_at_once(kind: str, reason: str, fields: dict[str, str]) -> None:
    said = render(reason, **fields)
    end = end_of(waiting(kind, reason, said.text), 1)
    assert end is not None
    assert (end.message, end.goes_on) == (said.text, ONCE_DONE)


def test_what_is_being_made_is_waited_for() -> None:
    assert end_of(waiting("Router", "Programming", "It is being made."), 1) is None
