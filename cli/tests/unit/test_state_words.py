"""The words that --state takes are those that qx shows."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

import pytest

from quantix_api import state
from quantix_api.host import HostStatus
from quantix_api.image import ImageStatus
from quantix_api.vm_status import VirtualMachineStatus
from quantix_api.volume import VolumeStatus
from quantix_cli.fetch import STATE_WORDS, fits, refuse_unknown_states
from quantix_cli.nouns import World
from quantix_cli.selection import Selection


def test_every_state_word_can_be_filtered_by() -> None:
    words = {value.word for value in vars(state).values() if isinstance(value, state.StateWord)}
    hosts = {value.word for value in state._HOSTS.values()}
    assert set(STATE_WORDS) == words | hosts | set(state.PHASES_SHOWN)


def obj(kind: str, phase: str, ready: str, reason: str) -> dict[str, Any]:
    said = {"type": "Ready", "status": ready, "reason": reason}
    status = {"phase": phase, "conditions": [said]}
    return {"kind": kind, "metadata": {"name": "x"}, "status": status}


SEEN = World(datetime(2026, 11, 29, tzinfo=UTC), {})


@pytest.mark.parametrize(
    ("found", "states"),
    [
        (obj("Volume", "InUse", "True", "Available"), "InUse Ready"),
        (obj("Volume", "Available", "True", "Available"), "available ready"),
        (obj("Image", "Downloading", "False", "ImageDownloading"), "Downloading Working"),
        (obj("VirtualMachine", "Pending", "False", "NotEnoughMemory"), "Waiting Pending"),
        (obj("VirtualMachine", "Running", "Unknown", "HostUnreachable"), "Unknown"),
    ],
)
def test_it_is_found_by_the_word_that_is_shown_and_by_kubectls_where_that_means_the_same(
    found: dict[str, Any], states: str
) -> None:
    refuse_unknown_states(tuple(states.split()))
    by = {word for word in (*STATE_WORDS, "Pending") if fits(found, Selection(states=(word,)), SEEN)}
    assert {word.lower() for word in by} == set(states.lower().split())


def test_the_page_of_qx_joins_each_phase_to_a_word_of_qx() -> None:
    page = (Path(__file__).parents[3] / "docs/qx.md").read_text()
    rows = [row.split("|") for row in page.splitlines() if row.startswith("| `")]
    joined = {row[1].strip(): row[2] for row in rows}
    phases = {
        phase
        for model in (VirtualMachineStatus, VolumeStatus, ImageStatus, HostStatus)
        for phase in _literals(model.model_fields["phase"].annotation)
    }
    missing = {phase for phase in phases if not any(f"`{phase}`" in cell for cell in joined)}
    assert missing == set()


def _literals(annotation: Any) -> Iterator[str]:
    for part in get_args(annotation):
        if isinstance(part, str):
            yield part
        else:
            yield from _literals(part)
