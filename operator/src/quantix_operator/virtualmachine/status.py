"""The operator's part of a VM's status: resolved values, ports, conditions, and Ready while no host says it.

Pure; called by the controller after every look. A wait of less than two seconds is not written: a start
costs one write; what hostd says of a VM that it has is never overwritten (api.md, "Handing over Ready").
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from quantix_api import Condition, VirtualMachine, to_manifest
from quantix_api.conditions import STALLED_REASONS, reasons_otherwise
from quantix_api.facts import Fact, fact, render_conditions, subject_in
from quantix_api.resources import VIRTUAL_MACHINES
from quantix_api.vm_status import Resolved
from quantix_operator.scheduling.eligible import Obstacle
from quantix_operator.scheduling.sizing import given, was_resolved
from quantix_operator.virtualmachine.observed import Observed
from quantix_operator.virtualmachine.protection import protection_facts
from quantix_operator.virtualmachine.resolved import ResolveInput, resolve
from quantix_operator.virtualmachine.volumes_ready import (
    displaced_volume,
    lacks_volumes,
    missing_volumes,
    volumes_fact,
)

# A wait shorter than this is not written
SILENT_WAIT_S = 2.0
# hostd itself says Starting after 2 s; the operator speaks only for a host that says nothing at all
SILENT_HANDOVER_S = 5.0


@dataclass(frozen=True)
class Verdict:
    """What the operator says of a VM's state, if that is its business now."""

    phase: str
    ready: Fact
    moving: bool = False
    """It is on its way: Reconciling."""


@dataclass(frozen=True)
class Derived:
    """`status` as it is applied. `moving`: the VM is on its way and nobody else says so; `complete`: all that
    hostd needs to start it is in here; `says_ready`: so is Ready.
    """

    status: dict[str, Any]
    moving: bool
    complete: bool
    says_ready: bool


@dataclass(frozen=True)
class Moment:
    """`now` is written into conditions; `waited_s` is how long the VM has been on its way, `handed_s` how
    long of that all was there for hostd; `owns_ready`: the operator's earlier word on Ready still stands.
    """

    now: datetime
    waited_s: float
    handed_s: float
    owns_ready: bool


def derive_status(observed: Observed, moment: Moment) -> Derived:
    """Everything that the operator owns of the VM's status."""
    volumes = volumes_fact(observed)
    network = network_fact(observed)
    # a volume that moves, or may not, serves where it is: nothing else waits for it
    there = _true(volumes) or (displaced_volume(observed) is not None and not lacks_volumes(observed))
    complete = observed.host is not None and there and _true(network) and not _undecidable(observed)
    verdict = judge(observed, volumes, network)
    said = (volumes, network, _growth_fact(observed), observed.staying)
    facts = [item for item in said if item is not None]
    if observed.standing is not None:
        facts += protection_facts(observed.vm, observed.standing)
    says_ready = verdict is not None and (
        not complete or bool(observed.host_lost) or moment.owns_ready or moment.handed_s >= SILENT_HANDOVER_S
    )
    status: dict[str, Any] = {}
    if verdict is not None and says_ready:
        facts += _ready_facts(verdict, quiet=complete and moment.handed_s < SILENT_HANDOVER_S)
        status |= {"phase": verdict.phase, "observedGeneration": observed.vm.metadata.generation}
    status["conditions"] = render_conditions(facts, subject_in(VIRTUAL_MACHINES, observed.live), moment.now)
    resolved = _resolved(observed, complete=complete)
    if resolved is not None:
        status["resolved"] = resolved
    nics = _nics(observed)
    if nics:
        status["nics"] = nics
    moving = verdict is not None and verdict.moving
    return Derived(status, moving=moving, complete=complete, says_ready=says_ready)


def judge(observed: Observed, volumes: Fact | None, network: Fact | None) -> Verdict | None:
    """What Ready is, when it is the operator's to say; None: hostd says it."""
    if observed.host is None:
        return _without_host(observed, volumes, network)
    if observed.host_lost:
        words = fact("Ready", "Unknown", "HostUnreachable", host=observed.host, at=observed.host_lost)
        return Verdict("Unknown", words)
    if observed.heard:
        return None
    for wait in (_obstacle(observed), volumes, network):
        if wait is not None and wait.status == "False":
            return Verdict("Pending", wait.repeated_as("Ready"), moving=True)
    return Verdict("Starting", fact("Ready", "False", "Starting", host=observed.host), moving=True)


def _without_host(observed: Observed, volumes: Fact | None, network: Fact | None) -> Verdict:
    vm, assignment = observed.vm, observed.vm.status.assignment
    if vm.status.restore is not None:
        restore = vm.status.restore.name or vm.status.restore.uid
        held = fact("Ready", "False", "RestoreInProgress", restore=restore)
        return Verdict("Stopped", held, moving=True)
    if vm.spec.power_state == "Stopped":
        return Verdict("Stopped", fact("Ready", "True", "Stopped"))
    scheduled = vm.status.condition("Scheduled")
    hold = assignment.hold if assignment else None
    if scheduled is not None and (scheduled.reason != "Held" or _is_of_earlier_spec(scheduled, vm)):
        # The hold stays only until it has a host: it was asked to start again, or may be by a spec that the
        # scheduler has not seen
        hold = None
    if hold == "GuestShutdown":
        return Verdict("Stopped", fact("Ready", "False", "GuestShutdown", name=vm.metadata.name))
    if hold is not None and scheduled is not None:
        return Verdict("Failed", Fact("Ready", "False", scheduled.reason, scheduled.message))
    refusal = None
    if scheduled is not None and scheduled.status != "True" and scheduled.reason not in ("NotWanted", "Held"):
        refusal = Fact("Ready", "False", scheduled.reason, scheduled.message)
    # Without its volumes a VM is not looked at by the scheduler, whose last word may be old
    for wait in (_obstacle(observed), volumes, refusal, network):
        if wait is not None and wait.status == "False":
            return Verdict("Pending", wait.repeated_as("Ready"), moving=True)
    return Verdict("Pending", fact("Ready", "Unknown", "Pending"), moving=True)


def _is_of_earlier_spec(condition: Condition, vm: VirtualMachine) -> bool:
    said, now = condition.observed_generation, vm.metadata.generation
    return said is not None and now is not None and said < now


def _obstacle(observed: Observed) -> Fact | None:
    if observed.obstacle is None:
        return None
    return fact("Ready", "False", observed.obstacle.reason, **observed.obstacle.fields)


def _undecidable(observed: Observed) -> bool:
    """Whether it cannot be decided how it is run. A Secret that is missing is its host's to say: it reads it,
    and owns Ready from when it has heard of the VM.
    """
    return observed.obstacle is not None and observed.obstacle.reason != "SecretNotFound"


def _ready_facts(verdict: Verdict, *, quiet: bool) -> list[Fact]:
    """Ready, and what kstatus reads besides; both exist only while True."""
    facts = [verdict.ready]
    if verdict.ready.status == "True":
        return facts
    if verdict.ready.reason in STALLED_REASONS or verdict.ready.reason == "Held":
        facts.append(verdict.ready.repeated_as("Stalled", "True"))
    elif verdict.moving and not quiet:
        facts.append(verdict.ready.repeated_as("Reconciling", "True"))
    return facts


def network_fact(observed: Observed) -> Fact | None:
    """NetworkReady, in the words of the network."""
    if observed.nics is None:
        return None
    return Fact(
        "NetworkReady",
        "True" if observed.nics.ready else "False",
        observed.nics.reason,
        observed.nics.message,
    )


def _growth_fact(observed: Observed) -> Fact | None:
    """SizeGranted, only while it is not. What bars a VM whose host has heard of it is said here, too, since
    Ready is hostd's then.
    """
    obstacle = observed.obstacle
    barred = observed.heard and not observed.running and obstacle is not None and _is_of_size(obstacle)
    lacks = observed.no_room or (obstacle if barred else None)
    return None if lacks is None else fact("SizeGranted", "False", lacks.reason, **lacks.fields)


def _is_of_size(obstacle: Obstacle) -> bool:
    return obstacle.reason in reasons_otherwise("VirtualMachine", "SizeGranted")


def _true(item: Fact | None) -> bool:
    return item is not None and item.status == "True"


def _resolved(observed: Observed, *, complete: bool) -> Mapping[str, Any] | None:
    """New values once all is there, and for a guest that runs what is there of them; until then, and for a
    stopped VM, those that it has; before its first start its size alone, for people to see, and for what its
    Host says that it has promised.
    """
    before = observed.vm.status.resolved
    may_get_parts = observed.running and was_resolved(observed.vm) and not _undecidable(observed)
    had = given(observed.vm, None) if observed.no_room is not None else None
    size_now = had or observed.sizing
    if not (complete or may_get_parts) or size_now is None or observed.host is None:
        size = None if was_resolved(observed.vm) else _size(observed)
        kept = size or before
        return to_manifest(kept) if kept else None
    resolving = ResolveInput(
        vm=observed.vm,
        sizing=size_now,
        volume_uids={volume.name: volume.uid for volume in observed.volumes.values()},
        fleet=observed.fleet,
        host=observed.host,
        running=observed.running,
        of_type=observed.of_type,
        waiting=frozenset() if complete else frozenset(_waiting_devices(observed)),
    )
    return to_manifest(resolve(resolving))


def _waiting_devices(observed: Observed) -> Iterator[str]:
    """Names of the disks and NICs that cannot be had yet."""
    yield from (lack.disk for lack in missing_volumes(observed))
    for disk in observed.disks:
        volume = observed.volumes.get(disk.wanted_name)
        if volume is None or not volume.ready:
            yield disk.name
    if observed.nics is not None:
        yield from observed.nics.waiting


def _size(observed: Observed) -> Resolved | None:
    if observed.sizing is None or _undecidable(observed):
        return None
    return Resolved(cores=observed.sizing.cores, memory=observed.sizing.memory)


def _nics(observed: Observed) -> list[dict[str, Any]]:
    nics = observed.nics.nics if observed.nics is not None else observed.vm.status.nics
    return [to_manifest(nic) for nic in nics]
