"""What hostd says about its Host: pure, from one observation.

Called by the host controller. The fields are those that belong to manager `quantix-hostd` (api.md, section
5): one apply carries them all.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from quantix_api.facts import Fact, fact, render_conditions, subject_of
from quantix_api.quantities import format_size, human_size, size_bytes
from quantix_api.times import render_time
from quantix_hostd.facts.devices import DeviceUse
from quantix_hostd.facts.machine import Accelerator, NumaFacts
from quantix_hostd.host.model import HostObserved, ImageCopy, PoolFacts
from quantix_hostd.host.pages_plan import wanted_pages

_MIB = 1 << 20
_MAX_IMAGES = 50
_MAX_POOLS = 32
_MAX_DEVICES = 256


def derive_status(observed: HostObserved, now: datetime) -> dict[str, Any]:
    """The status of the Host, as the API takes it."""
    machine = observed.machine
    wires = sorted(observed.network.wire_mtus.items())
    network = {
        "underlayMTU": observed.network.underlay_mtu,
        "physical": [{"name": name, "mtu": mtu} for name, mtu in wires],
        "datapath": "Userspace" if observed.network.userspace else "Kernel",
    }
    addresses = {"api": observed.api_address}
    if observed.network.tunnel_address:
        addresses["tunnel"] = observed.network.tunnel_address
    if observed.network.migration_address:
        addresses["migration"] = observed.network.migration_address
    facts = derive_facts(observed, now)
    status = {
        "observedGeneration": observed.host.metadata.generation,
        "phase": _phase(observed, facts[0]),
        "hostUID": machine.host_uid,
        "bootID": machine.boot_id,
        "network": network,
        "cpus": machine.cpus,
        "memory": format_size(machine.memory_bytes // _MIB * _MIB),
        "arch": machine.arch,
        "cpuModel": observed.cpu_model[:128],
        "cpuVendor": machine.cpu_vendor[:64],
        **({"cpuAddressBits": machine.address_bits} if machine.address_bits else {}),
        "numa": [_numa(node, observed.node_pages.get(node.id, {})) for node in machine.numa],
        "hugepages": _pages(observed.huge_pages),
        "devices": [_device(use) for use in observed.devices[:_MAX_DEVICES]],
        "pools": [_pool(pool) for pool in observed.pools[:_MAX_POOLS]],
        "addresses": addresses,
        "versions": {name: text[:64] for name, text in sorted(observed.versions.items())},
        "pressure": [*observed.pressure],
        "images": _images(observed.images),
        "conditions": render_conditions(facts, subject_of(observed.host), now),
    }
    # An empty list is owned by nobody in managedFields, so that sending one looks like a change for ever
    return {name: value for name, value in status.items() if value != []}


def derive_facts(observed: HostObserved, now: datetime) -> list[Fact]:
    """Ready first, then the others."""
    return [
        _ready(observed),
        _kvm(observed),
        _traffic(observed),
        _confined(observed),
        _guests_known(observed, now),
        *_volumes_known(observed),
        *_pages_set_aside(observed),
    ]


def _ready(observed: HostObserved) -> Fact:
    if observed.shutting_down:
        return fact("Ready", "False", "ShuttingDown")
    if not observed.libvirt:
        return fact("Ready", "False", "LibvirtDown")
    if observed.network.problem is not None:
        reason, message = observed.network.problem
        return Fact("Ready", "False", reason, message)
    return fact("Ready", "True", "Healthy")


def _kvm(observed: HostObserved) -> Fact:
    if observed.kvm.accelerator is Accelerator.KVM:
        return fact("KVMAvailable", "True", "Works")
    name = observed.host.metadata.name
    return fact("KVMAvailable", "False", "KVMUnusable", host=name, **observed.kvm.obstacle)


def _traffic(observed: HostObserved) -> Fact:
    if observed.network.traffic_problem is None:
        return fact("GuestTraffic", "True", "Works")
    reason, message = observed.network.traffic_problem
    return Fact("GuestTraffic", "False", reason, message)


def _confined(observed: HostObserved) -> Fact:
    if observed.confined:
        return fact("Confined", "True", "AppArmor")
    return fact("Confined", "False", "NoAppArmor", host=observed.host.metadata.name)


def _guests_known(observed: HostObserved, now: datetime) -> Fact:
    if not observed.orphans:
        return fact("GuestsKnown", "True", "Known")
    first, more = observed.orphans[0], len(observed.orphans) - 1
    since = subject_of(observed.host).since.get(("GuestsKnown", "False")) or render_time(now)
    fields = {"since": since, "domain": first.domain, "vm": first.vm or first.uid, "uid": first.uid}
    return fact("GuestsKnown", "False", "OrphanGuest", **fields, **({"more": more} if more else {}))


def _volumes_known(observed: HostObserved) -> Iterator[Fact]:
    if observed.orphan_volumes is None:
        # nobody could be asked yet
        return
    if not observed.orphan_volumes:
        yield fact("VolumesKnown", "True", "Owned")
        return
    first, more = observed.orphan_volumes[0], len(observed.orphan_volumes) - 1
    fields = {"pool": first.pool, "path": first.path}
    yield fact("VolumesKnown", "False", "OrphanVolume", **fields, **({"more": more} if more else {}))


def _pages_set_aside(observed: HostObserved) -> Iterator[Fact]:
    """Of the first size that the host has too few of; nothing where it is asked for none."""
    wanted = {size: count for size, count in wanted_pages(observed.host.spec.reserved).items() if count}
    for size, count in wanted.items():
        found = observed.huge_pages.get(size, 0)
        if found < count:
            fields = {"wanted": count, "page": human_size(size_bytes(size)), "found": found}
            place = {"field": f"hugepages{size}", "host": observed.host.metadata.name}
            yield fact("HugePagesSetAside", "False", "TooFewPages", **fields, **place)
            return
    if wanted:
        yield fact("HugePagesSetAside", "True", "PagesSetAside")


def _phase(observed: HostObserved, ready: Fact) -> str:
    if observed.host.spec.maintenance:
        return "Maintenance"
    return "Ready" if ready.status == "True" else "Joining"


def _numa(node: NumaFacts, pages: Mapping[str, int]) -> Mapping[str, Any]:
    memory = format_size(node.memory_bytes // _MIB * _MIB) if node.memory_bytes >= _MIB else "0"
    huge = {"hugepages": _pages(pages)} if pages else {}
    return {"id": node.id, "cpus": node.cpus, "memory": memory, **huge}


def _pages(pages: Mapping[str, int]) -> list[Mapping[str, Any]]:
    return [{"size": size, "total": count} for size, count in pages.items() if count]


def _device(use: DeviceUse) -> Mapping[str, Any]:
    device = use.device
    told = {
        "address": device.address[:64],
        "class": device.class_,
        "id": device.id,
        "numaNode": device.numa_node,
        "virtualMachineUID": use.vm_uid,
        "message": device.message[:512],
    }
    counts = {"total": len(device.seats), "free": use.free}
    return {name: value for name, value in told.items() if value not in ("", None)} | counts


def _pool(pool: PoolFacts) -> Mapping[str, Any]:
    if pool.problem:
        reason = {"reason": pool.reason} if pool.reason else {}
        return {"name": pool.name, "state": "Unreachable", **reason, "message": pool.problem[:512]}
    told: dict[str, Any] = {"name": pool.name, "state": "Reachable"}
    if pool.degraded:
        told |= {"reason": "Degraded", "message": pool.degraded[:512]}
    if pool.full:
        told["full"] = pool.full
    if pool.capacity_bytes:
        told["capacity"] = _rounded(pool.capacity_bytes, pool.capacity_bytes)
        told["available"] = _rounded(pool.available_bytes, pool.capacity_bytes)
    return told


def _images(copies: Iterable[ImageCopy]) -> list[Mapping[str, Any]]:
    """One entry for each image, also when it lies in several pools: the list is keyed by UID."""
    by_uid: dict[str, ImageCopy] = {}
    for copy in copies:
        by_uid.setdefault(copy.uid, copy)
    return [
        {"uid": copy.uid, "pool": copy.pool, "size": format_size(max(copy.size_bytes, 1))}
        for copy in list(by_uid.values())[:_MAX_IMAGES]
    ]


def _rounded(size_bytes: int, whole_bytes: int) -> str:
    """Down to whole percents of the pool, so that a running figure is no stream of writes."""
    step = max(whole_bytes // 100 // _MIB, 1) * _MIB
    rounded = size_bytes // step * step
    return format_size(rounded) if rounded else "0"
