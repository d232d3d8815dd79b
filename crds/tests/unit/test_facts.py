"""Conditions on their way into an object."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from quantix_api import Volume
from quantix_api.errors import InvariantError
from quantix_api.facts import Fact, Subject, fact, render_conditions, subject_in, subject_of, with_kstatus
from quantix_api.resources import VOLUMES

NOW = datetime(2026, 11, 24, 12, 0, 0, 500_000, UTC)
BEFORE = "2026-01-01T00:00:00Z"


def volume(*conditions: dict[str, Any]) -> dict[str, Any]:
    """A Volume as it stands in a list: without its kind."""
    return {
        "metadata": {"name": "data", "generation": 3},
        "spec": {},
        "status": {"conditions": [*conditions]},
    }


def ready(status: str = "True", reason: str = "Available") -> dict[str, Any]:
    return {"type": "Ready", "status": status, "reason": reason, "lastTransitionTime": BEFORE}


def test_a_condition_has_the_generation_and_the_time_of_its_transition() -> None:
    (said,) = render_conditions([fact("Ready", "True", "Available")], subject_in(VOLUMES, volume()), NOW)
    assert said == {
        "type": "Ready",
        "status": "True",
        "reason": "Available",
        "message": fact("Ready", "True", "Available").message,
        "observedGeneration": 3,
        "lastTransitionTime": "2026-11-24T12:00:00Z",
    }


def test_an_object_that_was_never_looked_at_has_conditions_too() -> None:
    subject = subject_in(VOLUMES, {"metadata": {"name": "data"}})
    assert subject == Subject("Volume", 0)


def test_another_reason_keeps_the_time_and_another_status_does_not() -> None:
    subject = subject_in(VOLUMES, volume(ready("False", "Creating")))
    (waits,) = render_conditions([Fact("Ready", "False", "PoolFull")], subject, NOW)
    (works,) = render_conditions([Fact("Ready", "True", "Available")], subject, NOW)
    assert waits["lastTransitionTime"] == BEFORE
    assert works["lastTransitionTime"] == "2026-11-24T12:00:00Z"


def test_a_model_and_the_manifest_that_it_was_read_from_are_the_same_subject() -> None:
    manifest = volume(ready(), {"type": "Reconciling", "status": "True", "reason": "Copying"})
    assert subject_of(Volume.parse(manifest)) == subject_in(VOLUMES, manifest)


def test_the_order_does_not_depend_on_who_says_what_first() -> None:
    stopped = Fact("Ready", "False", "PoolFull")
    facts = [stopped.repeated_as("Reconciling", "True"), stopped]
    subject = subject_in(VOLUMES, volume())
    assert render_conditions(facts, subject, NOW) == render_conditions(reversed(facts), subject, NOW)
    assert [item["type"] for item in render_conditions(facts, subject, NOW)] == ["Ready", "Reconciling"]


def test_what_waits_reconciles_and_what_needs_a_user_is_stalled() -> None:
    assert [item.type for item in with_kstatus(Fact("Ready", "True", "Available"))] == ["Ready"]
    waits, also = with_kstatus(Fact("Ready", "False", "PoolFull", "words"))
    assert (waits.type, also) == ("Ready", Fact("Reconciling", "True", "PoolFull", "words"))
    _, stalled = with_kstatus(Fact("Ready", "Unknown", "ImageRefused"))
    assert (stalled.type, stalled.status) == ("Stalled", "True")


def test_a_message_longer_than_the_api_takes_is_cut() -> None:
    facts = [Fact("Ready", "False", "PoolFull", "x" * 2000)]
    (said,) = render_conditions(facts, subject_in(VOLUMES, volume()), NOW)
    assert len(said["message"]) == 1024


def test_a_reason_that_the_table_does_not_know_for_this_kind_is_a_bug() -> None:
    with pytest.raises(InvariantError, match="Volume has no Ready=False with reason Bored"):
        render_conditions([Fact("Ready", "False", "Bored")], subject_in(VOLUMES, volume()), NOW)
