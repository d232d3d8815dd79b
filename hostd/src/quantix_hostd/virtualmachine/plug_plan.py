"""Plans which devices come to a running guest and which leave it. Pure; called by `live_plan`.

A disk's place is in the record from before its claim is taken until that is seen not to be held; it is put
down only once QEMU has let the disk go. Level-triggered: a guest that boots never hears what it was asked, so
it is asked again. What `wanted` leaves out neither comes nor leaves.

```
  not there ──TakeClaims, PlugDevice──► in the live XML ──UnplugDevice, again and again──► not there
      ▲                                                                                        │
      └──────────────────────────────── PutDownClaims, TellUnplugged ─────────────────────────┘
```
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from quantix_api.errors import WaitingError
from quantix_api.message_table_phrases import LATER_TURN, NO_SLOT_LEFT
from quantix_api.messages import as_error
from quantix_hostd.claims import Claim, VolumePlace, pools_in_ceph
from quantix_hostd.domainxml.pcie import root_port_of
from quantix_hostd.domainxml.render import render_device
from quantix_hostd.domainxml.spec import Bus, Disk, DomainSpec, Nic
from quantix_hostd.domainxml.view import DomainView
from quantix_hostd.virtualmachine.actions import (
    Action,
    CheckPassphrases,
    GrowDisk,
    PutDownClaims,
    RemovePorts,
    TakeClaims,
    WirePorts,
)
from quantix_hostd.virtualmachine.live_actions import PlugDevice, TellUnplugged, UnplugDevice
from quantix_hostd.virtualmachine.observed import Observed, disk_places
from quantix_hostd.virtualmachine.record import Record, Unplug
from quantix_hostd.virtualmachine.record_places import may_be_held

# after the first time, the second, …
_ASK_AGAIN_S = (5.0, 10.0, 20.0, 40.0, 60.0)
# of a claim that cannot be changed: each try waits for its lock, and keeps the VM's other work waiting
_PUT_DOWN_AGAIN_S = 30.0


@dataclass(frozen=True)
class PlugPlan:
    """`record` is to be saved before the actions; `wait` names the first device that is not let go yet."""

    record: Record
    actions: tuple[Action, ...]
    wait: WaitingError | None = None
    ask_again_s: float | None = None


def plan_plugs(observed: Observed, wanted: DomainSpec, live: DomainView, record: Record) -> PlugPlan:
    """What leaves first, then what comes."""
    names = leaving(wanted, live)
    unplugs = tuple(_asked(name, record, observed.now_s) for name in names)
    gone = [unplug.name for unplug in record.unplugs if f"ua-{unplug.name}" not in live.devices]
    actions: list[Action] = [TellUnplugged(name) for name in gone]
    actions += [UnplugDevice(unplug.name) for unplug in unplugs if unplug not in record.unplugs]
    record, plugs = _plug(observed, wanted, live, replace(record, unplugs=unplugs))
    # what has just been let go does not wait for what cannot be put down
    record = replace(record, put_down_s=0.0) if gone else record
    record, put_down, later_s = _put_down(observed, wanted, record)
    actions += [*put_down, *plugs]
    if not unplugs:
        return PlugPlan(record, tuple(actions), ask_again_s=later_s)
    kind = "disk" if live.devices[f"ua-{names[0]}"].get("device") == "disk" else "NIC"
    device = f"{kind} {names[0]}"
    wait = as_error(WaitingError, "WaitingForGuest", device=device, name=wanted.identity.name)
    again_s = min(_due_s(unplug) for unplug in unplugs) - observed.now_s
    again_s = max(again_s, 0.0)
    return PlugPlan(record, tuple(actions), wait, again_s if later_s is None else min(again_s, later_s))


def leaving(wanted: DomainSpec, live: DomainView) -> list[str]:
    """Names of the running machine's disks and NICs that it is not to have, or not with that volume."""
    paths = {disk.name: disk.path for disk in wanted.disks}
    nics = {nic.name for nic in wanted.nics}
    found = []
    for alias, device in live.devices.items():
        name = alias.removeprefix("ua-")
        if name in wanted.left_out:
            continue
        is_disk = device.get("device") == "disk" and device.get("bus") != Bus.SATA
        if (is_disk and paths.get(name) != device.get("path")) or ("mac" in device and name not in nics):
            found.append(name)
    return found


def is_pluggable(device: Disk | Nic, live: DomainView) -> bool:
    """Whether the running machine has a place for it."""
    if isinstance(device, Disk) and device.bus is not Bus.VIRTIO:
        return device.bus is Bus.SCSI and "controller-scsi-0" in live.devices
    return f"controller-pci-{root_port_of(device.port)}" in live.devices


def why_later(observed: Observed, wanted: DomainSpec, live: DomainView, name: str) -> str:
    """Why that disk or NIC of `wanted` comes with the next start only; "" where nothing more is known of it
    than that its bus takes nothing from a running machine, or it is there.
    """
    devices: tuple[Disk | Nic, ...] = (*wanted.disks, *wanted.nics)
    found = next((device for device in devices if device.name == name), None)
    own = wanted.identity.name
    if found is None or f"ua-{name}" in live.devices:
        return ""
    if not is_pluggable(found, live):
        has_slots = not isinstance(found, Disk) or found.bus is Bus.VIRTIO
        return NO_SLOT_LEFT.format(name=own) if has_slots else ""
    place = next((seen.place for seen in observed.volumes if seen.disk == name), None)
    claim = _claim(observed, place) if isinstance(found, Disk) and place is not None else None
    if claim is None or not _is_above(claim, observed.epoch):
        return ""
    return LATER_TURN.format(floor=claim.floor, name=own, epoch=observed.epoch)


def _asked(name: str, record: Record, now_s: float) -> Unplug:
    """The request to let the device go as it stands now, made (again) if it is due."""
    before = next((unplug for unplug in record.unplugs if unplug.name == name), None)
    if before is None:
        return Unplug(name, now_s, 1)
    return before if now_s < _due_s(before) else Unplug(name, now_s, before.times + 1)


def _due_s(unplug: Unplug) -> float:
    return unplug.asked_s + _ASK_AGAIN_S[min(unplug.times, len(_ASK_AGAIN_S)) - 1]


def _plug(
    observed: Observed, wanted: DomainSpec, live: DomainView, record: Record
) -> tuple[Record, list[Action]]:
    actions: list[Action] = []
    places = list(record.places)
    for disk in wanted.disks:
        if f"ua-{disk.name}" in live.devices or not is_pluggable(disk, live):
            continue
        volume = next(seen for seen in observed.volumes if seen.disk == disk.name)
        if volume.place is None or _is_spent(observed, volume.place):
            continue
        places.append(volume.place)
        encrypted = (volume.volume,) if volume.encrypted else ()
        ceph = pools_in_ceph((volume.place,))
        actions += [CheckPassphrases(encrypted)] if encrypted else []
        actions.append(TakeClaims((volume.place,), observed.epoch, rewrite=True))
        if volume.size_bytes < volume.wanted_bytes:
            actions.append(GrowDisk(volume.place, volume.wanted_bytes, "".join(encrypted)))
        actions.append(PlugDevice(disk.name, render_device(wanted, disk.name), encrypted, ceph))
        # nothing, unless a change that was begun before the claim was taken got there meanwhile
        actions.append(TakeClaims((volume.place,), observed.epoch))
    for nic in wanted.nics:
        if f"ua-{nic.name}" in live.devices or not is_pluggable(nic, live):
            continue
        ports = (nic.switch_port,)
        plug = PlugDevice(nic.name, render_device(wanted, nic.name))
        actions += [RemovePorts(ports), plug, WirePorts(ports)]
    return replace(record, places=tuple(dict.fromkeys(places))), actions


def _is_spent(observed: Observed, place: VolumePlace) -> bool:
    """Whether the volume was released under this epoch's number or a later one: a start gets a higher."""
    claim = _claim(observed, place)
    return claim is not None and _is_above(claim, observed.epoch)


def _claim(observed: Observed, place: VolumePlace) -> Claim | None:
    return next((found.claim for found in observed.claims if found.place == place), None)


def _is_above(claim: Claim, epoch: int) -> bool:
    return claim.holder is None and claim.floor >= epoch


def _put_down(
    observed: Observed, wanted: DomainSpec, record: Record
) -> tuple[Record, tuple[Action, ...], float | None]:
    """Claims of volumes that QEMU has let go and that no disk of spec needs: the record forgets those that
    are seen not to be held, and the others are tried, again after a while. Those in a pool that does not
    answer wait: a claim may be on its way there still, and would be forgotten.
    """
    needed = {disk.path for disk in wanted.disks}
    opened = set(disk_places(observed.live).values())
    away = (place for place in record.places if place not in opened and place.pool not in observed.silent)
    left = tuple(place for place in away if place.shown not in needed)
    held = tuple(place for place in left if may_be_held(observed, place))
    kept = tuple(place for place in record.places if place not in left or place in held)
    record = replace(record, places=kept)
    if not held:
        return replace(record, put_down_s=0.0), (), None
    later_s = record.put_down_s + _PUT_DOWN_AGAIN_S - observed.now_s
    if record.put_down_s and later_s > 0:
        return record, (), later_s
    return replace(record, put_down_s=observed.now_s), (PutDownClaims(held, observed.epoch),), None
