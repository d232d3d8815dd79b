"""All that the scheduler says of a VM, which it owns together: what one write leaves out is gone.

Pure; used by the two that write it, for places and for moves.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from quantix_api import to_manifest
from quantix_api.facts import Fact, render_conditions, subject_in
from quantix_api.resources import VIRTUAL_MACHINES
from quantix_api.vm_status import MigrationState, UnfitHosts
from quantix_client.api import Manifest
from quantix_operator.scheduling.assignments import Assignment


def placement_status(
    live: Manifest,
    scheduled: Fact,
    assignment: Assignment,
    migration: MigrationState | None,
    now: datetime,
    unfit: Sequence[UnfitHosts] = (),
) -> dict[str, Any]:
    """The status fields of manager `quantix-scheduler`."""
    status: dict[str, Any] = {
        "conditions": render_conditions([scheduled], subject_in(VIRTUAL_MACHINES, live), now)
    }
    if unfit:
        status["unfitHosts"] = [to_manifest(group) for group in unfit]
    if assignment.epoch > 0:
        status["assignment"] = render_assignment(assignment)
    if migration is not None:
        status["migration"] = to_manifest(migration)
    return status


def render_assignment(assignment: Assignment) -> dict[str, Any]:
    """`status.assignment`; the epoch is never left out."""
    members = {
        "host": assignment.host,
        "epoch": assignment.epoch,
        "hold": assignment.hold,
        "lastHost": assignment.last_host,
        "returning": assignment.returning or None,
    }
    return {name: value for name, value in members.items() if value is not None}
