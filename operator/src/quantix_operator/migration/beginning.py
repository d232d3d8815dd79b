"""Whether a VM may begin to move, and to which host: asked by the queue of migrations, and by whoever empties
hosts or plays that. Pure.
"""

from __future__ import annotations

from quantix_api import VirtualMachine
from quantix_api.facts import Fact, fact
from quantix_api.message_table_phrases import (
    DISK_MOVES,
    IS_LEAVING,
    IS_OFF,
    IS_SET_BACK,
    NO_OTHER_HOST,
    NOT_THERE,
)
from quantix_operator.migration.model import Move, Prospect
from quantix_operator.migration.verdicts import queued, snapshot_first
from quantix_operator.scheduling.model import Lack, World
from quantix_operator.scheduling.occupancy import Occupancy
from quantix_operator.scheduling.plan import Decision, decide
from quantix_operator.scheduling.running import stays_off
from quantix_operator.scheduling.verdict import first_lack, host_counts
from quantix_operator.vmwork.telling import Tell


def where_to(prospect: Prospect, world: World, occupancy: Occupancy, target: str | None = None) -> Decision:
    """The best other host for the VM, or why none takes it; of a `target` that is named, only that."""
    hosts = [host for host in world.hosts if host.name != prospect.source and target in (None, host.name)]
    return decide(prospect.guest, hosts, occupancy, prospect.refused_by)


def refused(decision: Decision, prospect: Prospect, name: str, wanted: str | None) -> Fact:
    """Why no host takes it, in the scheduler's words."""
    verdicts = decision.verdicts
    if wanted is None:
        if not verdicts:
            return fact(
                "Ready", "False", "NoHostFits", name=name, source=prospect.source, reasons=NO_OTHER_HOST
            )
        reasons = host_counts(verdicts)
        return fact("Ready", "False", "NoHostFits", name=name, source=prospect.source, reasons=reasons)
    if not verdicts:
        return fact("Ready", "False", "NoHostFits", name=name, target=wanted, reasons=NOT_THERE)
    lack = verdicts[0].refusals[0]
    if lack.lack is Lack.CPU_MODEL:
        return fact("Ready", "False", "CPUFeatureMissing", host=wanted, name=name, model=lack.what)
    return fact("Ready", "False", "NoHostFits", name=name, target=wanted, reasons=first_lack(verdicts[0]))


def not_running(vm: VirtualMachine) -> Fact | None:
    """One that is to run, and does not yet, is waited for."""
    state = IS_OFF if stays_off(vm) else IS_SET_BACK if vm.status.restore is not None else ""
    state = IS_LEAVING if vm.deleting else state
    if not vm.deleting and vm.spec.power_state == "Paused":
        return fact("Ready", "False", "NotRunning", paused=vm.metadata.name)
    return fact("Ready", "False", "NotRunning", name=vm.metadata.name, state=state) if state else None


def others_first(move: Move, vm: VirtualMachine) -> Tell | None:
    """What has begun with the VM or a disk of it, and needs it where it is."""
    if move.snapshot:
        return snapshot_first(vm.metadata.name)
    if move.displaced is None:
        return None
    pool = move.displaced.status.moving_to
    return queued(DISK_MOVES.format(volume=move.displaced.metadata.name, pool=pool))
