"""What goes on beside a guest while it runs: its console is read, its agent is asked, its moves are told, and
the kernel is told how early its QEMU may go when memory runs out.

Called by the reconciler after each look: hostd may have started after the guest.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import structlog

from quantix_hostd.facts.copies import LiveMove
from quantix_hostd.facts.domain import DomainState
from quantix_hostd.virtualmachine.disk_move import DiskMove, wait_for_turn
from quantix_hostd.virtualmachine.io_error_plan import is_paused_by_io_error
from quantix_hostd.virtualmachine.leaving_reasons import hindrance
from quantix_hostd.virtualmachine.move_plan import waits_for_turn
from quantix_hostd.virtualmachine.observed import Observed
from quantix_hostd.virtualmachine.steps import Plan
from quantix_hostd.virtualmachine.tools import VmTools

log = structlog.get_logger(__name__)
_OF_POOLS = frozenset({"PoolFull", "PoolUnreachable", "PoolNotFound"})


_ORDINARY_PRIORITY = 100
_SCORE_A_STEP = 3


def oom_score(priority: int) -> int:
    """`oom_score_adj` of the QEMU of a VM: 0, and up to 300 for those below the ordinary priority of 100.

    What a QEMU inherits from libvirtd, which is among the last to go, is not meant for it.
    """
    return _SCORE_A_STEP * max(0, _ORDINARY_PRIORITY - priority)


async def follow_guest(tools: VmTools, observed: Observed) -> None:
    """Read the console of a guest that runs, ask its agent, rank its QEMU; forget the agent of one that does
    not run.
    """
    if observed.live is None or observed.domain is None:
        tools.guests.forget(observed.uid)
        return
    serial = observed.live.devices.get("ua-qx_serial")
    if serial is not None:
        tools.consoles.attach(observed.uid, Path(serial["path"]))
    running = observed.domain.state is not DomainState.PAUSED
    tools.guests.see(observed.uid, channel_open=observed.agent_channel, running=running)
    if observed.vm is not None:
        score = oom_score(observed.vm.spec.ha.priority)
        await asyncio.to_thread(_rank, tools, observed, score)


def _rank(tools: VmTools, observed: Observed, score: int) -> None:
    for process in observed.processes:
        try:
            tools.processes.raise_oom_score(process, score)
        except OSError as error:
            log.warning("oom_score_adj is not set", uid=observed.uid, pid=process.pid, error=str(error))


def follow_moves(tools: VmTools, observed: Observed, plan: Plan) -> None:
    """Tell whoever reports volumes how far the moves of this VM's disks are."""
    tools.moves.tell(
        observed.uid, {move.uid: _told(move, observed, plan) for move in observed.moves if move.wanted}
    )


async def follow_leaving(tools: VmTools, observed: Observed, plan: Plan) -> None:
    """Tell how far the guest is on its way to another host."""
    record, leaving = plan.record.leaving, observed.leaving
    if tools.departures is None:
        return
    why = hindrance(observed, plan.record)
    if record is not None and (leaving is None or leaving.migration == record.migration):
        await tools.departures.report(observed.uid, record, leaving, why)
    elif leaving is not None and why is not None:
        await tools.departures.tell_hindrance(observed.uid, leaving, why)


def _told(move: DiskMove, observed: Observed, plan: Plan) -> LiveMove:
    tried = plan.record.move
    if move.copying:
        idle = move.stands_still or (move.ready and is_paused_by_io_error(observed))
        return LiveMove(move.key, move.pool, move.progress, copying=True, idle=idle)
    failed = tried is not None and tried.is_of(move.uid, move.pool) and not tried.begun
    if plan.wait is not None and (failed or plan.wait.reason in _OF_POOLS):
        return LiveMove(move.key, move.pool, error=plan.wait)
    turn = None if move.has_turn else wait_for_turn(move.volume, move.pool)
    queued = turn is not None and move is waits_for_turn(observed, plan.record)
    return LiveMove(move.key, move.pool, error=turn, queued=queued)
