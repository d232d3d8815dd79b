"""Which VMs a VM starts after (`spec.ha.after`), and how long it waits for them.

Pure; used by `observe` for what is awaited and by `pass_plan` for how long. The order is one of starts: a VM
that was let through and found no room does not wait again, and one that runs is never stopped for another.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property

from quantix_api import VirtualMachine
from quantix_api.facts import Fact, fact
from quantix_operator.scheduling.circles import Circles

REASON = "WaitingForDependency"
_ASKS_ANEW = frozenset({"NotWanted", "Held"})


@dataclass(frozen=True)
class Awaited:
    """VMs that are to be Ready first and are not, as they are told; `circle`: those, itself among them, that
    wait for each other.
    """

    names: tuple[str, ...]
    circle: tuple[str, ...] = ()


class Neighbours:
    """The VMs of one namespace; who of them waits for each other is worked out once, and only when asked."""

    def __init__(self, vms: Iterable[VirtualMachine]) -> None:
        self._named = {vm.metadata.name: vm for vm in vms}

    def get(self, name: str) -> VirtualMachine | None:
        return self._named.get(name)

    @cached_property
    def circles(self) -> Circles:
        """Of those that are not up, by what each starts after."""
        return Circles({name: tuple(_after(vm)) for name, vm in self._named.items() if not is_up(vm)})


def awaited(vm: VirtualMachine, neighbours: Neighbours) -> Awaited | None:
    """What the VM's start waits for; None when nothing is in its way."""
    missing = [name for name in _after(vm) if not is_up(neighbours.get(name))]
    if not missing or _was_let_through(vm):
        return None
    names = tuple(_told(name, neighbours.get(name)) for name in missing)
    own = vm.metadata.name
    circle = sorted({own, *neighbours.circles.of(own).intersection(missing)})
    return Awaited(names, tuple(circle) if len(circle) > 1 else ())


def is_up(vm: VirtualMachine | None) -> bool:
    """Whether a VM is Running and Ready, by the word of the host that has it now."""
    if vm is None or vm.deleting:
        return False
    ready, assignment = vm.status.condition("Ready"), vm.status.assignment
    if ready is None or assignment is None or assignment.host is None:
        return False
    heard = vm.status.runtime.observed_epoch == assignment.epoch
    return heard and (ready.status, ready.reason) == ("True", "Running")


def deadline(vm: VirtualMachine, now: datetime) -> datetime:
    """When the VM starts without those that it waits for. `now` is when a wait begins that nobody told of.

    A clock that was set back does not make it wait longer: then the wait is over.
    """
    said = vm.status.condition("Scheduled")
    since = said.last_transition_time if said is not None and said.reason == REASON else None
    if since is None or since > now:
        since = now if since is None else now - timedelta(seconds=vm.spec.ha.after_timeout_seconds)
    return since + timedelta(seconds=vm.spec.ha.after_timeout_seconds)


def waiting_fact(found: Awaited, until: datetime) -> Fact:
    """Scheduled while the VM waits: Unknown, since no host was looked for yet."""
    at = until.strftime("%H:%M:%S UTC")
    if found.circle:
        return fact("Scheduled", "Unknown", REASON, circle=", ".join(found.circle), at=at)
    return fact("Scheduled", "Unknown", REASON, names=", ".join(found.names), at=at)


def _after(vm: VirtualMachine) -> Iterator[str]:
    """Those that it names; itself counts for nothing."""
    return (name for name in vm.spec.ha.after if name != vm.metadata.name)


def _was_let_through(vm: VirtualMachine) -> bool:
    said = vm.status.condition("Scheduled")
    return said is not None and said.status == "False" and said.reason not in _ASKS_ANEW


def _told(name: str, vm: VirtualMachine | None) -> str:
    """Its name, and why it will not be Ready by itself."""
    if vm is None:
        return f"{name} (not there)"
    if vm.deleting:
        return f"{name} (being deleted)"
    return f"{name} (to be stopped)" if vm.spec.power_state == "Stopped" else name
