"""From cached objects to the scheduler's world: hosts, guests, and what each VM's assignment depends on.

Called by the placement controller at every pass. It reads the cache only and decides nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from quantix_api import (
    Host,
    InstanceType,
    SchedulingPolicy,
    StoragePool,
    VirtualMachine,
    Volume,
    volume_name,
)
from quantix_api.compute import memory_request_bytes
from quantix_api.errors import PermanentError
from quantix_api.resources import LABEL_VIRTUAL_MACHINE_UID
from quantix_api.seniority import age_order
from quantix_api.vm_devices import Disk
from quantix_api.vm_placement import AffinityTerm
from quantix_operator.objects import Objects
from quantix_operator.scheduling.addressed import has_its_addresses
from quantix_operator.scheduling.assignments import Assignment, VmFacts, has_let_go, returns
from quantix_operator.scheduling.coming import coming
from quantix_operator.scheduling.eligible import Identities, barrier
from quantix_operator.scheduling.host_reading import view_of
from quantix_operator.scheduling.model import Guest, HostView, Placed, Rule, Toleration
from quantix_operator.scheduling.order import Awaited, Neighbours, awaited
from quantix_operator.scheduling.reached import with_reach
from quantix_operator.scheduling.sizing import Sizing, given, kept, sizing
from quantix_operator.scheduling.started import started_with
from quantix_operator.scheduling.unread import Unread, what_is_known, without


@dataclass(frozen=True)
class Candidate:
    """A VM, its facts, and the guest that it is (None while its size is not known); `awaited`: the VMs that
    its start waits for.
    """

    vm: VirtualMachine
    facts: VmFacts
    guest: Guest | None
    awaited: Awaited | None = None


@dataclass(frozen=True)
class Observed:
    """`coming`: what is promised beside the places of the candidates."""

    hosts: tuple[HostView, ...]
    candidates: tuple[Candidate, ...]
    coming: tuple[Placed, ...] = ()


def observe(objects: Objects) -> Observed:
    """Everything that one pass decides on."""
    pools = objects.list(StoragePool)
    policy = objects.get(SchedulingPolicy, "default")
    hosts = (view_of(host, pools, policy) for host in objects.list(Host))
    vms = objects.list(VirtualMachine)
    identities = Identities(vms)
    by_namespace: dict[str | None, list[VirtualMachine]] = defaultdict(list)
    for vm in vms:
        by_namespace[vm.metadata.namespace].append(vm)
    neighbours = {namespace: Neighbours(found) for namespace, found in by_namespace.items()}
    candidates = tuple(
        _candidate(objects, vm, identities, neighbours[vm.metadata.namespace])
        for vm in vms
        if has_sizes(objects, vm)
    )
    unread = unread_vms(objects)
    on_their_way = coming(objects, ((item.vm.metadata.uid, item.guest) for item in candidates))
    return Observed(tuple(without(host, unread) for host in hosts), candidates, on_their_way)


def has_sizes(objects: Objects, vm: VirtualMachine) -> bool:
    """Whether the sizes that it was given, or asks for, can be read; the API lets no others in."""
    return objects.once(vm, _sizes_are_understood, _type(objects, vm))


def _sizes_are_understood(vm: VirtualMachine, instance_type: InstanceType | None) -> bool:
    try:
        _given_occupant(vm, instance_type)
    except PermanentError:
        return False
    return True


def unread_vms(objects: Objects) -> tuple[Unread, ...]:
    """What is known of VMs that no model reads, or whose sizes cannot be read."""
    strange = (vm for vm in objects.list(VirtualMachine) if not has_sizes(objects, vm))
    manifests = (*objects.unread(VirtualMachine), *map(objects.manifest, strange))
    return tuple(found for item in manifests if item and (found := what_is_known(item)) is not None)


def facts_of(vm: VirtualMachine, *, prepared: bool) -> VmFacts:
    """What of the VM decides about its assignment."""
    written, runtime = vm.status.assignment, vm.status.runtime
    assignment = Assignment()
    if written is not None:
        assignment = Assignment(
            written.host, written.epoch, written.hold, written.last_host, written.returning
        )
    return VmFacts(
        assignment=assignment,
        power_state=vm.spec.power_state,
        ha_restart=vm.spec.ha.restart,
        restart_at=vm.spec.restart.at if vm.spec.restart else None,
        handled_restart_at=runtime.handled_restart_at,
        observed_epoch=runtime.observed_epoch,
        claim_epoch=runtime.claim_epoch or 0,
        domain_absent=runtime.domain == "Absent",
        last_exit=runtime.last_exit.reason if runtime.last_exit else "",
        deleting=vm.deleting,
        migrating=vm.status.migration is not None,
        restoring=vm.status.restore is not None,
        prepared=prepared,
    )


def is_absent(vm: VirtualMachine) -> bool:
    """No host has it, or its host said so under this assignment, and nobody sets it back."""
    assignment, runtime = vm.status.assignment, vm.status.runtime
    if vm.status.migration is not None or vm.status.restore is not None:
        return False
    if assignment is None or assignment.host is None:
        return True
    return runtime.observed_epoch == assignment.epoch and runtime.domain == "Absent"


def _candidate(
    objects: Objects,
    vm: VirtualMachine,
    identities: Identities,
    neighbours: Neighbours,
) -> Candidate:
    instance_type = _type(objects, vm)
    settled = objects.once(vm, _settled, instance_type)
    if settled is not None:
        return settled
    occupant = objects.once(vm, _given_occupant, instance_type)
    volumes = disk_volumes(objects, vm)
    barred = barrier(vm, identities, instance_type) is not None
    addressed = has_its_addresses(vm, vm.status.nics)
    prepared = occupant is not None and volumes is not None and addressed and not barred
    guest = None if occupant is None else with_reach(objects, vm, occupant, volumes or ())
    return Candidate(vm, facts_of(vm, prepared=prepared), guest, awaited(vm, neighbours))


def _settled(vm: VirtualMachine, instance_type: InstanceType | None) -> Candidate | None:
    """A VM that keeps its host: it asks for no place, so its disks and what might bar it do not matter. None
    for all others.
    """
    facts = facts_of(vm, prepared=True)
    if facts.assignment.host is None or has_let_go(facts):
        return None
    return Candidate(vm, facts, _given_occupant(vm, instance_type))


def _given_occupant(vm: VirtualMachine, instance_type: InstanceType | None) -> Guest | None:
    """The VM with what it was given, else with what it asks for; None while its size is not known."""
    size = given(vm, _sizing(vm, instance_type))
    return None if size is None else _occupant(vm, size)


def _type(objects: Objects, vm: VirtualMachine) -> InstanceType | None:
    return objects.get(InstanceType, vm.spec.instance_type) if vm.spec.instance_type else None


def sizing_of(objects: Objects, vm: VirtualMachine) -> Sizing | None:
    """What its spec asks for; None while its instance type is not there."""
    return _sizing(vm, _type(objects, vm))


def _sizing(vm: VirtualMachine, instance_type: InstanceType | None) -> Sizing | None:
    if vm.spec.instance_type is None or instance_type is not None:
        return sizing(vm, instance_type)
    return kept(vm)


def disk_volumes(objects: Objects, vm: VirtualMachine) -> tuple[Volume, ...] | None:
    """The Volumes of all disks; None while one is missing or not this VM's."""
    volumes = []
    for disk in vm.spec.disks:
        name = disk.volume or volume_name(vm.metadata.name, disk.name)
        volume = objects.get(Volume, f"{vm.metadata.namespace}/{name}")
        if volume is None or volume.deleting or not _belongs(vm, disk, volume):
            return None
        volumes.append(volume)
    return tuple(volumes)


def _belongs(vm: VirtualMachine, disk: Disk, volume: Volume) -> bool:
    if disk.volume:
        return any(attachment.uid == vm.metadata.uid for attachment in volume.status.attached_to)
    return volume.metadata.labels.get(LABEL_VIRTUAL_MACHINE_UID) == vm.metadata.uid


def guest_of(objects: Objects, vm: VirtualMachine, size: Sizing, volumes: Sequence[Volume]) -> Guest:
    """What the VM asks of a host that it does not have yet."""
    return with_reach(objects, vm, _occupant(vm, size), volumes)


def _occupant(vm: VirtualMachine, size: Sizing) -> Guest:
    """What counts of the VM while it has a host: the room that it takes, and whom it wants near."""
    placement, has = vm.spec.placement, started_with(vm, size)
    in_pages = 0 if has.on_ordinary else size.memory_bytes
    return Guest(
        uid=vm.metadata.uid,
        namespace=vm.metadata.namespace or "",
        name=vm.metadata.name,
        vcpus=size.cores,
        memory_bytes=memory_request_bytes(size.memory_bytes, len(has.device_classes)) - in_pages,
        own_cpus=size.max_cores if has.dedicated else 0,
        bound_bytes=size.memory_bytes if has.on_nodes else 0,
        page_size=next(iter(has.page_sizes), ""),
        huge_bytes=dict.fromkeys(has.page_sizes, size.memory_bytes),
        most_bytes=size.most_bytes,
        cpu_model=size.cpu_model,
        labels=vm.metadata.labels,
        reservation_millis=size.max_cores * 1000 if has.dedicated else size.reservation_millis,
        host_selector=placement.host_selector,
        affinity=tuple(_rule(term) for term in placement.affinity),
        anti_affinity=tuple(_rule(term) for term in placement.anti_affinity),
        tolerations=tuple(Toleration(item.key, item.value) for item in placement.tolerations),
        device_classes=has.device_classes,
        priority=vm.spec.ha.priority,
        returning=returns(facts_of(vm, prepared=True)),
        created=age_order(vm)[0],
    )


def _rule(term: AffinityTerm) -> Rule:
    return Rule(term.vm_selector, term.topology_key, term.strength == "Required")
