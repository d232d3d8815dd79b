"""Disks, drives and NICs that come to a VM or leave it: patches of its spec. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from quantix_api.volume_names import volume_name
from quantix_cli.exits import CommandError, Exit
from quantix_cli.nouns import Manifest, look
from quantix_cli.vm.wish import MEDIUM, free_name, nic_of

LISTS = ("disks", "cdroms", "nics")
_LONGEST_NAME = 63


@dataclass(frozen=True)
class Device:
    """What is to come: exactly one of `volume`, `size` (a new empty disk), `network` and `iso`."""

    volume: str = ""
    size: str = ""
    network: str = ""
    iso: str = ""
    name: str = ""
    pool: str = ""
    bus: str = ""
    read_only: bool = False
    groups: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if len([kind for kind in (self.volume, self.size, self.network, self.iso) if kind]) != 1:
            raise CommandError(
                Exit.USAGE, "Attach what? One of --volume, --disk, --network and --iso.",
                "qx vm attach web-1 --disk 20GiB",
            )  # fmt: skip
        if (self.pool and not self.size) or (self.groups and not self.network):
            word = "--pool goes with --disk" if self.pool else "--group goes with --network"
            raise CommandError(Exit.USAGE, f"{word}.")


def attached(vm: Manifest, device: Device) -> Manifest:
    """The patch that brings `device` into `vm`; an empty one where it has it. Raises CommandError (6)."""
    if device.iso:
        return _with_medium(vm, device)
    taken = names_of(vm)
    if device.network:
        return _with_nic(vm, device, taken)
    disks = look(vm, "spec.disks", [])
    if device.volume and any(disk.get("volume") == device.volume for disk in disks):
        return {}
    disk: Manifest = {"name": _free(device.name or _disk_name(device.volume, vm), taken, device)}
    disk |= {"volume": device.volume} if device.volume else {"size": device.size}
    disk |= {"pool": device.pool} if device.pool else {}
    disk |= {"bus": device.bus} if device.bus else {}
    disk |= {"readOnly": True} if device.read_only else {}
    return {"spec": {"disks": [*disks, disk]}}


def _with_nic(vm: Manifest, device: Device, taken: set[str]) -> Manifest:
    nic = nic_of(device.network, free_name("eth", taken, first=0))
    nic["name"] = _free(device.name or nic["name"], taken, device)
    nic |= {"securityGroups": list(device.groups)} if device.groups else {}
    return {"spec": {"nics": [*look(vm, "spec.nics", []), nic]}}


def _with_medium(vm: Manifest, device: Device) -> Manifest:
    """The medium in the drive of that name, else in an empty one, else in a new one."""
    drives = look(vm, "spec.cdroms", [])
    if any(drive.get("image") == device.iso and device.name in ("", drive["name"]) for drive in drives):
        return {}
    empty = [drive["name"] for drive in drives if not drive.get("image")]
    name = device.name or next(iter(empty), "") or _drive_name(names_of(vm))
    if name in {drive["name"] for drive in drives}:
        changed = [drive | {"image": device.iso} if drive["name"] == name else drive for drive in drives]
    else:
        changed = [*drives, {"name": _free(name, names_of(vm), device), "image": device.iso}]
    return {"spec": {"cdroms": changed}}


def detached(vm: Manifest, names: Sequence[str], *, drive: bool) -> Manifest:
    """The patch that takes these devices out; of a CD-ROM drive its medium, and with `drive` the drive, too.

    Raises CommandError (5) for a name that the VM has not.
    """
    refuse_unknown(vm, names)
    spec = {}
    for kind in LISTS:
        before = look(vm, f"spec.{kind}", [])
        after = [left for device in before if (left := _left(device, names, kind == "cdroms" and not drive))]
        if after != before:
            spec[kind] = after
    gone = set(names) - {device["name"] for kind in LISTS for device in spec.get(kind, [])}
    order = look(vm, "spec.boot.order", [])
    kept = [name for name in order if name not in gone]
    return ({"spec": spec | ({"boot": {"order": kept}} if kept != order else {})}) if spec else {}


def refuse_unknown(vm: Manifest, names: Iterable[str]) -> None:
    """Raise CommandError (5) for a name of no disk, drive or NIC of the VM."""
    known = names_of(vm)
    for name in names:
        if name not in known:
            there_are = f" It has: {', '.join(sorted(known))}." if known else " It has none."
            said = f"{vm['metadata']['name']} has no device {name}.{there_are}"
            raise CommandError(Exit.NOT_FOUND, said, f"qx vm show {vm['metadata']['name']}")


def _left(device: Manifest, names: Sequence[str], keeps_drive: bool) -> Manifest | None:
    if device["name"] not in names:
        return device
    return {"name": device["name"]} if keeps_drive else None


def volumes_of(vm: Manifest, names: Sequence[str]) -> list[str]:
    """Names of the volumes of these of its disks."""
    return [_volume_of(vm, disk) for disk in look(vm, "spec.disks", []) if disk["name"] in names]


def _volume_of(vm: Manifest, disk: Manifest) -> str:
    return disk.get("volume") or volume_name(vm["metadata"]["name"], disk["name"])


def losses(
    vm: Manifest, names: Sequence[str], owned: Collection[str] = (), protected: Collection[str] = ()
) -> list[str]:
    """What is lost with these devices: the system that a guest runs from, or starts from by itself, disks
    whose data goes.
    `owned`: names of volumes that go with their disk, also where spec has just said something else;
    `protected`: of those that stay whatever it says.
    """
    said, root = [], _boot_disk(vm)
    for disk in look(vm, "spec.disks", []):
        name = disk["name"]
        if name not in names:
            continue
        volume = _volume_of(vm, disk)
        deletes = disk.get("reclaimPolicy") == "Delete"
        goes = (deletes or volume in owned) and volume not in protected
        if name == root and look(vm, "status.runtime.domain") == "Present":
            stays = "" if goes else "; its volume stays"
            said.append(
                f"disk {name} is what {vm['metadata']['name']} runs from: without it the guest hangs or "
                f"crashes, and what it has not saved is lost{stays}"
            )
        elif name == root and _starts_by_itself(vm):
            said.append(_starts_without(vm, name, names))
        if goes:
            why = "reclaimPolicy Delete" if deletes else f"volume {volume} is still owned by the VM"
            said.append(f"disk {name} is deleted with its data ({why})")
    return said


def _starts_by_itself(vm: Manifest) -> bool:
    """Whether a VM without a guest has one as soon as nothing keeps it from starting."""
    wanted = look(vm, "spec.powerState") in ("Running", "Paused")
    return wanted and not look(vm, "status.assignment.hold")


def _starts_without(vm: Manifest, root: str, names: Sequence[str]) -> str:
    name = vm["metadata"]["name"]
    if all(disk["name"] in names for disk in look(vm, "spec.disks", [])):
        return f"disk {root} is the last one of {name}, which starts by itself: then without any disk"
    return f"disk {root} is what {name} starts from, which it does by itself: then without this disk"


def _boot_disk(vm: Manifest) -> str:
    """The disk that the VM starts from: the first in boot.order, else the first; "" for none."""
    disks = [disk["name"] for disk in look(vm, "spec.disks", [])]
    return str(next((name for name in look(vm, "spec.boot.order", []) if name in disks), (disks or [""])[0]))


def names_of(vm: Manifest) -> set[str]:
    """The names of all devices, which share one space."""
    return {device["name"] for kind in LISTS for device in look(vm, f"spec.{kind}", [])}


def _free(name: str, taken: set[str], device: Device) -> str:
    if name not in taken:
        return name
    if device.name:
        raise CommandError(Exit.REFUSED, f"There is a device {name} already.", "another --name")
    return free_name(f"{name}-", taken, first=2)


def _disk_name(volume: str, vm: Manifest) -> str:
    """`data` of Volume `web-1-data` in `web-1`; else the Volume's name, where a device may be called so."""
    if not volume:
        return free_name("disk", names_of(vm))
    name = volume.removeprefix(f"{vm['metadata']['name']}-")
    return name if len(name) <= _LONGEST_NAME and "." not in name else free_name("disk", names_of(vm))


def _drive_name(taken: set[str]) -> str:
    return MEDIUM if MEDIUM not in taken else free_name("cdrom", taken)
