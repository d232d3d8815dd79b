"""Looks at everything that decides about one VM: API objects, domain, processes, claims, ports, record.

Called by the reconciler before each plan. It changes nothing. What cannot be reached raises TransientError:
absent is not unreachable.
"""

from __future__ import annotations

import asyncio
import os
import re
from dataclasses import dataclass, replace
from pathlib import Path

from quantix_api import Network, StoragePool, VirtualMachine, Volume
from quantix_api.errors import QuantixError, WaitingError
from quantix_api.messages import as_error, message_of, render
from quantix_api.vm_devices import Nic
from quantix_api.vm_status import ResolvedDisk
from quantix_hostd.claims import ClaimStore, VolumePlace
from quantix_hostd.clients.direct_io import supports_direct_io
from quantix_hostd.clients.tcp_probe import answers_on_tcp
from quantix_hostd.domainxml.spec import GUEST_AGENT_CHANNEL, DomainSpec, domain_name
from quantix_hostd.domainxml.view import DomainView, view
from quantix_hostd.facts.domain import DomainSnapshot
from quantix_hostd.image.status import known_facts, wait_for_image
from quantix_hostd.virtualmachine.agent_state import NOT_SEEN
from quantix_hostd.virtualmachine.desired import (
    Surroundings,
    VolumeState,
    desired_domain,
    missing_parts,
    not_resolved,
)
from quantix_hostd.virtualmachine.objects import Objects
from quantix_hostd.virtualmachine.observed import DiskClaim, Observed, disk_places
from quantix_hostd.virtualmachine.start_plan import handled_restart, known_record
from quantix_hostd.virtualmachine.tools import VmTools
from quantix_hostd.volume.disk_file import read_volume
from quantix_hostd.volume.wanted import granted_bytes

_ROOM_BYTES = 64 * 1024**2
_IMAGE_SOON_S = 2.0
_OPEN_CHANNEL = re.compile(rf"""name=['"]{re.escape(GUEST_AGENT_CHANNEL)}['"] state=['"]connected['"]""")


async def observe(tools: VmTools, uid: str, *, shutting_down: bool) -> Observed:
    """A frozen snapshot; raises QuantixError when libvirt or OVS cannot be asked.

    What is wrong with one volume or its claim is no error here: the snapshot says it, so that the rest of the
    VM (a guest that runs, a user who stops or deletes it) is still acted on.
    """
    vm, facts, objects = tools.objects.virtual_machine(uid), tools.facts(), tools.objects
    # before any thread: only the loop that changes the stores may walk through them
    named = _named_volumes(vm, objects) if vm else ()
    domain = await tools.hypervisor.domain(domain_name(uid))
    live = view(domain.live_xml) if domain and domain.live_xml else None
    inactive = view(domain.inactive_xml) if domain else None
    uuid = domain.uuid if domain else _resolved_uuid(vm, uid)
    processes = await asyncio.to_thread(tools.processes.of_domain, uuid, domain_name(uid))
    record = await asyncio.to_thread(tools.records.load, uid)
    events = await asyncio.to_thread(tools.records.events, uid)
    volumes = await asyncio.to_thread(_volumes, named, facts.name)
    # where the API names no disks, and libvirt no domain, only the record does
    remembered = record.places if vm is None else ()
    places = tuple(dict.fromkeys((*_places(volumes, live or inactive), *remembered)))
    claims = await asyncio.to_thread(_claims, tools.claims, places)
    seen = Observed(
        uid=uid,
        vm=vm,
        facts=facts,
        now_s=tools.clock(),
        record=record,
        synced=objects.synced,
        recovery_open=objects.recovery_open(),
        shutting_down=shutting_down,
        domain=domain,
        inactive=inactive,
        live=live,
        agent_channel=_agent_channel(domain),
        agent=tools.guests.state(uid) if live else NOT_SEEN,
        processes=processes.own,
        others_with_uuid=processes.others,
        events=events,
        volumes=volumes,
        claims=claims,
        pool_has_room=await asyncio.to_thread(_has_room, places),
    )
    return await _with_wanted(tools, seen)


async def _with_wanted(tools: VmTools, seen: Observed) -> Observed:
    if seen.vm is None or not seen.is_mine:
        return seen
    wanted, waiting = _wanted(seen, tools)
    if seen.live is None:
        return replace(seen, wanted=wanted, waiting=waiting)
    problems = await tools.ports.problems(seen.ports)
    answers = await _guest_answers(seen.vm, tools.leg)
    return replace(seen, wanted=wanted, waiting=waiting, port_problems=problems, guest_answers=answers)


async def _guest_answers(vm: VirtualMachine, leg: str) -> bool:
    """Whether the guest answers on the TCP port that spec.readiness names; True where it names none."""
    port = vm.spec.readiness.tcp_port if vm.spec.readiness else None
    if port is None:
        return True
    addresses = [address for nic in vm.status.nics for address in nic.addresses]
    return bool(addresses) and await answers_on_tcp(addresses[0], port, leg)


def _wanted(seen: Observed, tools: VmTools) -> tuple[DomainSpec | None, QuantixError | None]:
    assert seen.vm is not None
    handled = handled_restart(seen, known_record(seen))
    try:
        missing = missing_parts(seen.vm)
        if missing:
            raise not_resolved(seen.vm, missing)
        around = Surroundings(seen.volumes, _mtus(seen.vm, tools.objects), _media(seen.vm, tools.objects))
        return desired_domain(seen.vm, around, seen.facts, tools.layout, handled), None
    except QuantixError as error:
        return None, error


@dataclass(frozen=True)
class _NamedVolume:
    """A disk of the VM with the objects that it stands for, None for one that is not there."""

    disk: ResolvedDisk
    volume: Volume | None
    pool: StoragePool | None


def _named_volumes(vm: VirtualMachine, objects: Objects) -> tuple[_NamedVolume, ...]:
    namespace = vm.metadata.namespace or ""
    found = []
    for disk in vm.status.resolved.disks if vm.status.resolved else ():
        volume = objects.volume(namespace, disk.volume)
        pool = objects.pool(volume.status.pool or "") if volume is not None else None
        found.append(_NamedVolume(disk, volume, pool))
    return tuple(found)


def _volumes(named: tuple[_NamedVolume, ...], host: str) -> tuple[VolumeState, ...]:
    found = []
    for disk, volume, pool in ((item.disk, item.volume, item.pool) for item in named):
        if volume is None:
            missing = render("VolumeNotFound", volume=disk.volume, path=f"disk {disk.name}").text
            state = VolumeState(disk.name, disk.volume, disk.volume_uid, None)
            found.append(replace(state, reason="VolumeNotFound", message=missing))
            continue
        found.append(_volume_state(disk.name, volume, pool, host))
    return tuple(found)


def _volume_state(disk: str, volume: Volume, pool: StoragePool | None, host: str) -> VolumeState:
    name, status = volume.metadata.name, volume.status
    directory = pool.spec.dir if pool else None
    usable = status.data == "Present" and status.handle and directory is not None
    if not usable or directory is None or not status.handle:
        ready = status.condition("Ready")
        reason = ready.reason if ready and ready.status != "True" else "Creating"
        message = (ready.message if ready else "") or render("Creating", volume=name).text
        return VolumeState(disk, name, volume.metadata.uid, None, reason=reason, message=message)
    place = VolumePlace(Path(directory.path), status.handle)
    try:
        file = read_volume(place)
    except QuantixError as error:
        text = message_of(error)
        return VolumeState(disk, name, volume.metadata.uid, None, reason=error.reason, message=text)
    if file is None:
        text = render("DataMissing", volume=name, place=place.data, host=host).text
        return VolumeState(disk, name, volume.metadata.uid, None, reason="DataMissing", message=text)
    return VolumeState(
        disk,
        name,
        volume.metadata.uid,
        place,
        size_bytes=file.capacity_bytes,
        wanted_bytes=granted_bytes(volume, file.capacity_bytes),
        direct_io=supports_direct_io(place.pool_path / "volumes"),
        pool=status.pool or "",
    )


def _places(volumes: tuple[VolumeState, ...], seen: DomainView | None) -> tuple[VolumePlace, ...]:
    """The volumes' places in order of the disks; those that only the domain still names come last."""
    places = [volume.place for volume in volumes if volume.place is not None]
    return tuple(dict.fromkeys((*places, *disk_places(seen).values())))


def _claims(store: ClaimStore, places: tuple[VolumePlace, ...]) -> tuple[DiskClaim, ...]:
    return tuple(_claim(store, place) for place in places)


def _claim(store: ClaimStore, place: VolumePlace) -> DiskClaim:
    try:
        return DiskClaim(place, store.read(place))
    except QuantixError as problem:
        return DiskClaim(place, None, problem)


def _mtus(vm: VirtualMachine, objects: Objects) -> dict[str, int]:
    namespace = vm.metadata.namespace or ""
    return {nic.name: _mtu(nic, objects.network(namespace, nic.network)) for nic in vm.spec.nics}


def _mtu(nic: Nic, network: Network | None) -> int:
    if network is None:
        raise as_error(WaitingError, "NetworkNotFound", network=nic.network, path=f"NIC {nic.name}")
    if network.status.mtu is None:
        raise as_error(WaitingError, "Programming", network=nic.network)
    return network.status.mtu


def _media(vm: VirtualMachine, objects: Objects) -> dict[str, str | None]:
    media: dict[str, str | None] = {}
    for cdrom in vm.spec.cdroms:
        media[cdrom.name] = _medium(vm, cdrom.name, cdrom.image, objects) if cdrom.image else None
    return media


def _medium(vm: VirtualMachine, cdrom: str, name: str, objects: Objects) -> str:
    image = objects.image(vm.metadata.namespace or "", name)
    if image is None:
        raise as_error(WaitingError, "ImageNotFound", image=name, path=f"CD-ROM {cdrom}")
    pool = objects.pool(image.spec.pool or "")
    directory = pool.spec.dir if pool else None
    # data is there from the first byte on, the facts after every check
    if image.status.data != "Present" or known_facts(image) is None or directory is None:
        raise wait_for_image(image, _IMAGE_SOON_S)
    return str(Path(directory.path) / "images" / image.metadata.uid)


def _agent_channel(domain: DomainSnapshot | None) -> bool:
    if domain is None or domain.live_xml is None:
        return False
    # the state of a channel is the guest's, so it is no part of the view
    return _OPEN_CHANNEL.search(domain.live_xml) is not None


def _has_room(places: tuple[VolumePlace, ...]) -> bool:
    for pool in {place.pool_path for place in places}:
        try:
            space = os.statvfs(pool)
        except OSError:
            return False
        if space.f_bavail * space.f_frsize < _ROOM_BYTES:
            return False
    return True


def _resolved_uuid(vm: VirtualMachine | None, uid: str) -> str:
    resolved = vm.status.resolved if vm else None
    return (resolved.uuid if resolved else None) or uid
