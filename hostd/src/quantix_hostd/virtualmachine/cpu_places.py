"""Where a VM runs among this host's CPUs, and what of it has to be entered in the book of CPUs. Pure.

`places_of` is asked by `observe` for the domain that should run, `with_cpus` by `plan`.
"""

from __future__ import annotations

from dataclasses import replace

from quantix_api import VirtualMachine
from quantix_api.compute import Compute, granted_compute
from quantix_api.quantities import size_bytes
from quantix_hostd.domainxml.spec import UNBOUND, BoundMemory, CpuPlaces
from quantix_hostd.virtualmachine.actions import EnterCpus
from quantix_hostd.virtualmachine.cpu_entries import CpuEntries
from quantix_hostd.virtualmachine.observed import Observed
from quantix_hostd.virtualmachine.steps import Plan


def places_of(seen: Observed, cpus: CpuEntries) -> CpuPlaces:
    """A guest keeps what it runs on, whatever spec says meanwhile; one that is to start gets its own.

    Raises WaitingError (NotEnoughCPU, NotEnoughMemory).
    """
    assert seen.vm is not None
    if seen.live is not None:
        return cpus.places(seen.live.own_cpus)
    if not _is_to_have_cpus(seen):
        return cpus.places()
    resolved = seen.vm.status.resolved
    count = (resolved.max_cores or resolved.cores if resolved else None) or 1
    return cpus.places(cpus.choose(seen.uid, count, seen.facts.name, _bound(seen.vm)))


def with_cpus(seen: Observed, plan: Plan) -> Plan:
    """The plan that first enters which CPUs the guest has to itself, if the book has others: before anything
    is awaited, so that no other guest is given them meanwhile.
    """
    own = _own_cpus(seen)
    bound = (seen.live.bound if seen.live is not None else _bound(seen.vm)) if own else UNBOUND
    if (own, bound) == (seen.entered_cpus, seen.entered_memory):
        return plan
    return replace(plan, actions=(EnterCpus(own, bound), *plan.actions))


def _bound(vm: VirtualMachine | None) -> BoundMemory:
    """What a VM that is to start wants beside its CPUs."""
    resolved, compute = vm.status.resolved if vm else None, granted_compute(vm) if vm else Compute()
    if compute.numa != "Strict" or resolved is None or resolved.memory is None:
        return UNBOUND
    return BoundMemory(size_bytes(resolved.memory), size_bytes(compute.hugepages) if compute.hugepages else 0)


def _own_cpus(seen: Observed) -> tuple[int, ...]:
    if seen.live is not None:
        return seen.live.own_cpus
    if not _is_to_have_cpus(seen):
        return ()
    return seen.wanted.places.own if seen.wanted is not None else seen.entered_cpus


def _is_to_have_cpus(seen: Observed) -> bool:
    """Whether it will run here with CPUs to itself."""
    return seen.vm is not None and granted_compute(seen.vm).dedicated and seen.is_to_run
