"""Plans what a running guest takes at once: devices, sizes, limits, media, links. Pure.

Called by `running_plan`. What cannot be had while it runs is no action here; `changes` lists it for the next
start.
"""

from __future__ import annotations

from collections.abc import Iterator

from quantix_api.errors import WaitingError
from quantix_api.messages import as_error
from quantix_api.quantities import format_size
from quantix_hostd.domainxml.cpu import NO_QUOTA, quota_us
from quantix_hostd.domainxml.memory import BLOCK_BYTES
from quantix_hostd.domainxml.spec import Disk, DomainSpec
from quantix_hostd.domainxml.view import DomainView, Pins
from quantix_hostd.virtualmachine.actions import Action
from quantix_hostd.virtualmachine.desired import ANSWERS_NAME, SEED_NAME
from quantix_hostd.virtualmachine.link_plan import plan_links
from quantix_hostd.virtualmachine.live_actions import (
    ChangeMedium,
    PinCPUs,
    ResizeDisk,
    SetCores,
    SetCPUTune,
    SetDiskLimits,
    SetMemory,
)
from quantix_hostd.virtualmachine.observed import Observed
from quantix_hostd.virtualmachine.plug_plan import PlugPlan, plan_plugs
from quantix_hostd.virtualmachine.record import Record

_MEMORY_LOOK_S = 2.0
# what was read at the start counts until the next one
_FIRST_BOOT = (SEED_NAME, ANSWERS_NAME)


def plan_live(observed: Observed, record: Record) -> PlugPlan:
    """What brings the running guest nearer to spec; nothing while spec cannot be rendered."""
    wanted, live = observed.wanted, observed.live
    if wanted is None or live is None:
        return PlugPlan(record, ())
    links = plan_links(observed, wanted, live, record)
    plugs = plan_plugs(observed, wanted, live, links.record)
    wait, again_s = plugs.wait, plugs.ask_again_s
    if links.back_s is not None:
        wait, again_s = wait or links.wait, min(links.back_s, again_s or links.back_s)
    elif wait is None and live.memory.taken != live.memory.requested:
        wait, again_s = _memory_wait(live, wanted.identity.name), _MEMORY_LOOK_S
    actions = (*_tune(observed, wanted, live), *links.actions, *plugs.actions)
    return PlugPlan(plugs.record, actions, wait, again_s)


def more_memory(wanted: DomainSpec, live: DomainView) -> int | None:
    """What of its room the guest is to take, in bytes; None where only a start gives it that size."""
    more = (wanted.memory_bytes - live.memory.base) // BLOCK_BYTES * BLOCK_BYTES
    return more if 0 <= more <= live.memory.room else None


def takes_cores(wanted: DomainSpec, live: DomainView) -> bool:
    """Whether vCPUs can be added to those that it has; none is ever taken away."""
    return int(live.fields["cores"]) < wanted.cpu.cores <= int(live.fields["max_cores"])


def _tune(observed: Observed, wanted: DomainSpec, live: DomainView) -> Iterator[Action]:
    yield from _tune_compute(wanted, live)
    for cdrom in wanted.cdroms:
        drive = live.devices.get(f"ua-{cdrom.name}")
        if drive is not None and cdrom.name not in _FIRST_BOOT and drive.get("path") != cdrom.path:
            yield ChangeMedium(f"ua-{cdrom.name}", cdrom.path)
    for disk in wanted.disks:
        yield from _tune_disk(observed, disk, live)


def _tune_compute(wanted: DomainSpec, live: DomainView) -> Iterator[Action]:
    cpu, fields = wanted.cpu, live.fields
    if takes_cores(wanted, live):
        yield SetCores(cpu.cores)
    quota = quota_us(cpu.limit_millis)
    tuned = (fields.get("shares", ""), int(fields.get("quota", NO_QUOTA)))
    if wanted.cpu_controller and tuned != (str(cpu.shares), quota):
        yield SetCPUTune(cpu.shares, quota)
    yield from _repin(wanted, live)
    more = more_memory(wanted, live)
    if more is not None and more != live.memory.requested:
        yield SetMemory(more)


def _repin(wanted: DomainSpec, live: DomainView) -> Iterator[Action]:
    """Where other guests came to have CPUs to themselves, or let them go."""
    places = wanted.places
    if places.whole and live.pins is None:
        return
    vcpus = tuple(places.of_vcpu(number) for number in range(int(live.fields["max_cores"])))
    if places.shared and live.pins != Pins(vcpus, places.shared):
        yield PinCPUs(vcpus, places.shared)


def _tune_disk(observed: Observed, disk: Disk, live: DomainView) -> Iterator[Action]:
    device = live.devices.get(f"ua-{disk.name}", {})
    if device.get("path") != disk.path:
        return
    limits = (int(device.get("iops", 0)), int(device.get("bytes_per_second", 0)))
    if limits != (disk.iops, disk.bytes_per_second):
        yield SetDiskLimits(device["dev"], disk.iops, disk.bytes_per_second)
    volume = next((seen for seen in observed.volumes if seen.disk == disk.name), None)
    grows = volume is not None and 0 < volume.size_bytes < volume.wanted_bytes
    # while it is copied the copy must stay as large
    if volume is not None and grows and "copy" not in device:
        yield ResizeDisk(device["dev"], volume.wanted_bytes)


def _memory_wait(live: DomainView, name: str) -> WaitingError:
    has = format_size(live.memory.base + live.memory.taken)
    wants = format_size(live.memory.base + live.memory.requested)
    return as_error(WaitingError, "WaitingForGuest", has=has, wants=wants, name=name)
