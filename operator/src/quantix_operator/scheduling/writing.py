"""All that the scheduler says of a VM, which it owns together: what one write leaves out is gone.

Pure; used by the placement controller, and by `tying` for moves and restores.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from quantix_api import VirtualMachine, to_manifest
from quantix_api.facts import Fact, render_conditions, subject_in
from quantix_api.resources import VIRTUAL_MACHINES
from quantix_api.vm_status import MigrationState, RestoreState, UnfitHosts
from quantix_client.api import Manifest
from quantix_operator.scheduling.assignments import Assignment


@dataclass(frozen=True)
class Ties:
    """What else goes on with a VM: it moves to another host, or is held off while it is set back."""

    migration: MigrationState | None = None
    restore: RestoreState | None = None


def ties_of(vm: VirtualMachine) -> Ties:
    """As it says now."""
    return Ties(vm.status.migration, vm.status.restore)


def placement_status(
    live: Manifest,
    scheduled: Fact,
    assignment: Assignment,
    ties: Ties,
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
    if ties.migration is not None:
        status["migration"] = to_manifest(ties.migration)
    if ties.restore is not None:
        status["restore"] = to_manifest(ties.restore)
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
