"""Keeps a VM from starting while QEMU's user does not get to a pool that its disks or media lie in.

Called by `observe` for a VM that is about to start: a guest that runs has its files open. libvirt would say
only that a file cannot be read.
"""

from __future__ import annotations

from collections.abc import Iterator

from quantix_api import VirtualMachine
from quantix_api.errors import WaitingError
from quantix_hostd.virtualmachine.observed import Observed
from quantix_hostd.virtualmachine.start_plan import known_record
from quantix_hostd.virtualmachine.tools import VmTools

_RETRY_S = 5.0


async def start_obstacle(tools: VmTools, seen: Observed) -> WaitingError | None:
    """Why it may not start yet (PoolUnreachable, in the words of the pool's host); None for no reason."""
    if seen.vm is None or seen.wanted is None or not _starts(seen, seen.vm):
        return None
    pools = (tools.objects.pool(name) for name in dict.fromkeys(_pools(seen, seen.vm, tools)))
    for pool in pools:
        error = await tools.way_problem(pool) if pool is not None else None
        if error is not None:
            # who uses a pool knows one reason for all that may be wrong with it
            return WaitingError("PoolUnreachable", error.message, error.hint, retry_after_s=_RETRY_S)
    return None


def _starts(seen: Observed, vm: VirtualMachine) -> bool:
    """Whether the next plan is to start it. One that is off costs no looks."""
    off = vm.spec.power_state == "Stopped" or vm.metadata.deletion_timestamp is not None
    return not (off or seen.runs or seen.shutting_down or known_record(seen).ended)


def _pools(seen: Observed, vm: VirtualMachine, tools: VmTools) -> Iterator[str]:
    """The names of the pools that QEMU reads from, "" for the default one."""
    yield from (volume.pool for volume in seen.volumes if volume.place is not None)
    for cdrom in vm.spec.cdroms:
        image = tools.objects.image(vm.metadata.namespace or "", cdrom.image) if cdrom.image else None
        if image is not None:
            yield image.spec.pool or ""
