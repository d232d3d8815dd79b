"""Looks at everything that decides about one VM: API objects, domain, processes, claims, ports, record.

Called by the reconciler before each plan. It changes nothing. What cannot be reached raises TransientError:
absent is not unreachable.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace

from quantix_api import Network, VirtualMachine
from quantix_api.errors import QuantixError, WaitingError
from quantix_api.messages import as_error
from quantix_api.vm_devices import Nic
from quantix_hostd.claims import VolumePlace
from quantix_hostd.domainxml.spec import GUEST_AGENT_CHANNEL, UNBOUND, DomainSpec, domain_name
from quantix_hostd.domainxml.view import DomainView, view
from quantix_hostd.facts.domain import DomainSnapshot
from quantix_hostd.facts.process import DomainProcesses
from quantix_hostd.virtualmachine.agent_state import NOT_SEEN
from quantix_hostd.virtualmachine.boot_time import of_this_boot
from quantix_hostd.virtualmachine.cpu_entries import CpuEntries
from quantix_hostd.virtualmachine.cpu_places import places_of
from quantix_hostd.virtualmachine.desired import Surroundings, desired_domain
from quantix_hostd.virtualmachine.device_entries import DeviceEntries
from quantix_hostd.virtualmachine.device_places import devices_of, gets_devices
from quantix_hostd.virtualmachine.media import Media, media_of
from quantix_hostd.virtualmachine.objects import Objects
from quantix_hostd.virtualmachine.observe_moves import observe_moves
from quantix_hostd.virtualmachine.observe_storage import look_at_storage
from quantix_hostd.virtualmachine.observe_volumes import NamedVolume, named_volumes
from quantix_hostd.virtualmachine.observed import Observed, disk_places
from quantix_hostd.virtualmachine.record import Record, SeenEvent
from quantix_hostd.virtualmachine.refusals import refused, unfit
from quantix_hostd.virtualmachine.start_obstacle import start_obstacle
from quantix_hostd.virtualmachine.start_plan import handled_restart, known_record
from quantix_hostd.virtualmachine.tools import VmTools
from quantix_hostd.virtualmachine.unresolved import device_waits, is_decided, unresolved, waits_for_room

_OPEN_CHANNEL = re.compile(rf"""name=['"]{re.escape(GUEST_AGENT_CHANNEL)}['"] state=['"]connected['"]""")


async def observe(tools: VmTools, uid: str, *, shutting_down: bool) -> Observed:
    """A frozen snapshot; raises QuantixError when libvirt or OVS cannot be asked.

    What is wrong with one volume or its claim is no error here: the snapshot says it, so that the rest of the
    VM (a guest that runs, a user who stops or deletes it) is still acted on.
    """
    vm, facts, objects = tools.objects.virtual_machine(uid), tools.facts(), tools.objects
    maintenance = vm is not None and vm.spec.migration.on_maintenance == "Stop" and objects.in_maintenance()
    # before any thread: only the loop that changes the stores may walk through them
    named = named_volumes(vm, objects) if vm else ()
    domain = await tools.hypervisor.domain(domain_name(uid))
    live = view(domain.live_xml) if domain and domain.live_xml else None
    inactive = view(domain.inactive_xml) if domain else None
    uuid = domain.uuid if domain else _resolved_uuid(vm, uid)
    processes, record, events = await asyncio.to_thread(_look_at_host, tools, uid, uuid)
    known = _known_places(vm, live, inactive, record)
    storage = await look_at_storage(tools, named, known, disk_places(live or inactive), record.places)
    record = of_this_boot(record, facts.boot_id, now_s := tools.clock.monotonic())
    ended = record.started and not processes.own and not (domain and domain.active)
    seen = Observed(
        uid=uid,
        vm=vm,
        facts=facts,
        now_s=now_s,
        wall_s=tools.wall(),
        record=record,
        synced=objects.synced,
        recovery_open=objects.recovery_open(),
        shutting_down=shutting_down or maintenance,
        maintenance=maintenance,
        domain=domain,
        inactive=inactive,
        live=live,
        agent_channel=_agent_channel(domain),
        agent=tools.guests.state(uid) if live else NOT_SEEN,
        processes=processes.own,
        others_with_uuid=processes.others,
        events=events,
        volumes=storage.volumes,
        claims=storage.claims,
        beside=storage.beside,
        silent=storage.silent,
        full=storage.full,
        unwritable=storage.unwritable,
        kept_still=await asyncio.to_thread(tools.kept_still, uid),
        in_moment=await asyncio.to_thread(tools.in_moment, uid),
        leaving=await tools.departures.observe(uid, record.leaving) if tools.departures else None,
        out_of_memory=ended and await asyncio.to_thread(_was_out_of_memory, tools, record),
    )
    return await _with_wanted(tools, await _with_moves(tools, seen, named))


def _known_places(
    vm: VirtualMachine | None, live: DomainView | None, inactive: DomainView | None, record: Record
) -> tuple[VolumePlace, ...]:
    """Where volumes lie that the VM may hold, beside those of the disks in spec.

    A definition goes on naming disks that were unplugged, whose data may be gone since: where nothing runs
    and nothing is recorded it counts for the disks that spec has.
    """
    if live is not None:
        # where the API names no disks only the record does
        return (*disk_places(live).values(), *(record.places if vm is None else ()))
    if record.places:
        return record.places
    kept = None if vm is None else {disk.name for disk in vm.spec.disks}
    return tuple(place for name, place in disk_places(inactive).items() if kept is None or name in kept)


def _look_at_host(
    tools: VmTools, uid: str, uuid: str
) -> tuple[DomainProcesses, Record, tuple[SeenEvent, ...]]:
    found = tools.processes.of_domain(uuid, domain_name(uid))
    return found, tools.records.load(uid), tools.records.events(uid)


async def _with_moves(tools: VmTools, seen: Observed, named: tuple[NamedVolume, ...]) -> Observed:
    if seen.live is None or not seen.is_mine:
        return seen
    of_disks = tuple(zip(seen.volumes, (item.volume for item in named), strict=True))
    return replace(seen, moves=await observe_moves(tools, seen, seen.live, of_disks))


async def _with_wanted(tools: VmTools, seen: Observed) -> Observed:
    if gets_devices(seen):
        await tools.devices.look()
    cpus, devices = tools.cpus.entries(), tools.devices.entries()
    seen = replace(
        seen,
        entered_cpus=cpus.own.get(seen.uid, ()),
        entered_memory=cpus.bound.get(seen.uid, UNBOUND),
        entered_devices=devices.held.get(seen.uid, {}),
    )
    if seen.vm is None or not seen.is_mine:
        return seen
    wanted, waiting = _wanted(seen, tools, cpus, devices, await media_of(seen.vm, tools))
    refusal = unfit(wanted)
    if refusal is not None:
        # its devices may come and go, but there is no domain to compare it with
        seen, waiting = replace(seen, startable=False), refusal
        wanted = wanted if seen.live is not None else None
    if seen.live is None:
        off = replace(seen, wanted=wanted, waiting=waiting)
        obstacle = await start_obstacle(tools, off)
        return off if obstacle is None else replace(off, wanted=None, waiting=obstacle)
    problems = await tools.ports.problems(seen.ports)
    return replace(seen, wanted=wanted, waiting=waiting, port_problems=problems)


def _wanted(
    seen: Observed, tools: VmTools, cpus: CpuEntries, devices: DeviceEntries, media: Media
) -> tuple[DomainSpec | None, QuantixError | None]:
    vm = seen.vm
    assert vm is not None
    mtus, no_network = _mtus(vm, tools.objects)
    no_room = waits_for_room(vm, seen.volumes, seen.full, runs=seen.live is not None)
    waits = device_waits(vm, seen.volumes, {**no_network, **media.waits, **no_room})
    wait = unresolved(vm) or next(iter(waits.values()), None)
    if wait is not None and (seen.live is None or not is_decided(vm)):
        return None, wait
    handled = handled_restart(seen, known_record(seen))
    try:
        refusal = refused(vm, seen.facts, runs=seen.live is not None)
        places, hosts_own = places_of(seen, cpus), devices_of(seen, devices)
        around = Surroundings(seen.volumes, mtus, media.files, places, hosts_own, frozenset(waits))
        return desired_domain(vm, around, seen.facts, tools.layout, handled), refusal or wait
    except QuantixError as error:
        return None, error


def _mtus(vm: VirtualMachine, objects: Objects) -> tuple[dict[str, int], dict[str, QuantixError]]:
    """By NIC: the MTU, or why there is none yet."""
    mtus: dict[str, int] = {}
    waits: dict[str, QuantixError] = {}
    for nic in vm.spec.nics:
        try:
            mtus[nic.name] = _mtu(nic, objects.network(vm.metadata.namespace or "", nic.network))
        except WaitingError as wait:
            waits[nic.name] = wait
    return mtus, waits


def _mtu(nic: Nic, network: Network | None) -> int:
    if network is None:
        raise as_error(WaitingError, "NetworkNotFound", network=nic.network, path=f"NIC {nic.name}")
    if network.status.mtu is None:
        raise as_error(WaitingError, "Programming", network=nic.network)
    return network.status.mtu


def _agent_channel(domain: DomainSnapshot | None) -> bool:
    return domain is not None and domain.live_xml is not None and has_open_agent_channel(domain.live_xml)


def has_open_agent_channel(live_xml: str) -> bool:
    """Whether something in the guest holds the channel of its agent."""
    # the state of a channel is the guest's, so it is no part of the view
    return _OPEN_CHANNEL.search(live_xml) is not None


def _was_out_of_memory(tools: VmTools, record: Record) -> bool:
    return bool(record.pid) and tools.kernel_log.killed_for_memory(record.pid, record.started_s)


def _resolved_uuid(vm: VirtualMachine | None, uid: str) -> str:
    resolved = vm.status.resolved if vm else None
    return (resolved.uuid if resolved else None) or uid
