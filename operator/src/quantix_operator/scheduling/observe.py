"""From cached objects to the scheduler's world: hosts, guests, and what each VM's assignment depends on.

Called by the placement controller at every pass. It reads the cache only and decides nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from quantix_api import (
    Host,
    InstanceType,
    Network,
    SchedulingPolicy,
    StoragePool,
    VirtualMachine,
    Volume,
    volume_name,
)
from quantix_api.resources import LABEL_VIRTUAL_MACHINE_UID
from quantix_api.vm_devices import Disk
from quantix_api.vm_placement import AffinityTerm
from quantix_operator.host import reading
from quantix_operator.objects import Objects
from quantix_operator.scheduling.assignments import Seat, VmFacts
from quantix_operator.scheduling.eligible import Identities, barrier
from quantix_operator.scheduling.model import (
    Guest,
    HostView,
    Pin,
    Rule,
    Taint,
    Toleration,
    memory_request_bytes,
)
from quantix_operator.scheduling.sizing import Sizing, given, sizing
from quantix_operator.volume.right import is_denied


@dataclass(frozen=True)
class Candidate:
    """A VM, its facts, and the guest that it is (None while its size is not known)."""

    vm: VirtualMachine
    facts: VmFacts
    guest: Guest | None


@dataclass(frozen=True)
class Observed:
    hosts: tuple[HostView, ...]
    candidates: tuple[Candidate, ...]


def observe(objects: Objects) -> Observed:
    """Everything that one pass decides on."""
    pools = objects.list(StoragePool)
    policy = objects.get(SchedulingPolicy, "default")
    hosts = tuple(view_of(host, pools, policy) for host in objects.list(Host))
    vms = objects.list(VirtualMachine)
    identities = Identities(vms)
    return Observed(hosts, tuple(_candidate(objects, vm, identities) for vm in vms))


def view_of(host: Host, pools: Sequence[StoragePool], policy: SchedulingPolicy | None) -> HostView:
    """The host as the filters see it."""
    limits = reading.overcommit(host, policy)
    labels = reading.implied_labels(host)
    reached = {pool.name for pool in host.status.pools if pool.state != "Unreachable"}
    meant = {
        pool.metadata.name
        for pool in pools
        if all(labels.get(key) == value for key, value in pool.spec.host_selector.items())
    }
    return HostView(
        name=host.metadata.name,
        cpu_millis=reading.promised_cpu_millis(host),
        memory_bytes=reading.promised_memory_bytes(host, limits),
        labels=labels,
        cpu_percent=limits.cpu_percent,
        not_ready=reading.not_ready(host),
        closed=reading.closed(host),
        taints=tuple(Taint(taint.key, taint.value or "", taint.effect) for taint in host.spec.taints),
        device_classes=frozenset(device.class_ for device in host.status.devices if device.class_),
        pools=frozenset(reached & meant),
        networks=frozenset(network.name for network in host.spec.physical_networks),
    )


def facts_of(vm: VirtualMachine, *, prepared: bool) -> VmFacts:
    """What of the VM decides about its assignment."""
    assignment, runtime = vm.status.assignment, vm.status.runtime
    seat = Seat()
    if assignment is not None:
        seat = Seat(assignment.host, assignment.epoch, assignment.hold, assignment.last_host)
    return VmFacts(
        seat=seat,
        power_state=vm.spec.power_state,
        ha_restart=vm.spec.ha.restart,
        restart_at=vm.spec.restart.at if vm.spec.restart else None,
        handled_restart_at=runtime.handled_restart_at,
        observed_epoch=runtime.observed_epoch,
        claim_epoch=runtime.claim_epoch or 0,
        domain_absent=runtime.domain == "Absent",
        last_exit=runtime.last_exit.reason if runtime.last_exit else "",
        deleting=vm.deleting,
        prepared=prepared,
    )


def _candidate(objects: Objects, vm: VirtualMachine, identities: Identities) -> Candidate:
    size = given(vm, sizing_of(objects, vm))
    volumes = _volumes(objects, vm)
    barred = barrier(vm, identities, _type(objects, vm)) is not None
    prepared = size is not None and volumes is not None and not barred
    guest = None if size is None else guest_of(objects, vm, size, volumes or ())
    return Candidate(vm, facts_of(vm, prepared=prepared), guest)


def _type(objects: Objects, vm: VirtualMachine) -> InstanceType | None:
    return objects.get(InstanceType, vm.spec.instance_type) if vm.spec.instance_type else None


def sizing_of(objects: Objects, vm: VirtualMachine) -> Sizing | None:
    """What its spec asks for; None while its instance type is not there."""
    instance_type = _type(objects, vm)
    if vm.spec.instance_type is None or instance_type is not None:
        return sizing(vm, instance_type)
    resolved = vm.status.resolved
    if resolved is None or resolved.cores is None or resolved.memory is None:
        return None
    # The type went while the VM lives on: it has what it was given
    return Sizing(resolved.cores, resolved.max_cores or resolved.cores, resolved.memory, resolved.memory)


def _volumes(objects: Objects, vm: VirtualMachine) -> tuple[Volume, ...] | None:
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
    """What the VM asks of a host."""
    placement = vm.spec.placement
    return Guest(
        uid=vm.metadata.uid,
        namespace=vm.metadata.namespace or "",
        name=vm.metadata.name,
        vcpus=size.cores,
        memory_bytes=memory_request_bytes(size.memory_bytes),
        labels=vm.metadata.labels,
        reservation_millis=size.reservation_millis,
        host_selector=placement.host_selector,
        affinity=tuple(_rule(term) for term in placement.affinity),
        anti_affinity=tuple(_rule(term) for term in placement.anti_affinity),
        tolerations=tuple(Toleration(item.key, item.value) for item in placement.tolerations),
        device_classes=tuple(device.class_ for device in vm.spec.host_devices),
        pools=_pools(objects, volumes),
        pins=_pins(objects, volumes),
        networks=_wires(objects, vm),
        priority=vm.spec.ha.priority,
    )


def _rule(term: AffinityTerm) -> Rule:
    return Rule(term.vm_selector, term.topology_key, term.strength == "Required")


def _pools(objects: Objects, volumes: Sequence[Volume]) -> tuple[str, ...]:
    default = objects.default_pool()
    fallback = default.metadata.name if default else ""
    names = {volume.status.pool or volume.spec.pool or fallback for volume in volumes}
    return tuple(sorted(name for name in names if name))


def _pins(objects: Objects, volumes: Sequence[Volume]) -> tuple[Pin, ...]:
    """Volumes whose data is on one host: those of a `dir` pool, once a host has made them by right."""
    pins = []
    for volume in volumes:
        pool = objects.get(StoragePool, volume.status.pool or volume.spec.pool or "")
        shared = pool is not None and pool.spec.rbd is not None
        if volume.status.host and not shared and not is_denied(objects, volume):
            pins.append(Pin(volume.metadata.name, volume.status.host))
    return tuple(pins)


def _wires(objects: Objects, vm: VirtualMachine) -> tuple[str, ...]:
    """The physical networks of its NICs; a Network that is missing is NetworkReady's matter."""
    namespace = vm.metadata.namespace or ""
    networks = [objects.referred(Network, nic.network, namespace) for nic in vm.spec.nics if nic.network]
    return tuple(
        sorted({network.spec.physical.name for network in networks if network and network.spec.physical})
    )
