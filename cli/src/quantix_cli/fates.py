"""What becomes of the volumes of a VM that is deleted, before it is. Pure.

Used by `qx vm delete`, which says it before it acts. What was made for nothing the operator deletes, and the
collector of the control plane what names an owner that is no more.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from enum import Enum

from quantix_api.made_for_nothing import was_made_for_nothing
from quantix_api.resources import LABEL_VIRTUAL_MACHINE_UID
from quantix_api.volume_names import volume_name
from quantix_cli.going_with import is_owned
from quantix_cli.naming import shown
from quantix_cli.nouns import Manifest, Noun, look
from quantix_cli.vm.arrival import runs

Disks = Mapping[str, Sequence[Manifest]]
"""The volumes of VMs by the UIDs of those."""


class Fate(Enum):
    """What becomes of a volume; the words with its name, or the names of several."""

    DELETED = "deletes {} with all data"
    EMPTY = "deletes {}, still empty"
    PROTECTED = "keeps {}, protected"
    KEPT = "keeps {}"

    @property
    def goes(self) -> bool:
        return self in (Fate.DELETED, Fate.EMPTY)


def fate_of(volume: Manifest, vm: Manifest, *, volumes: bool) -> Fate:
    """What becomes of a volume of `vm`; `volumes`: what would stay goes, too."""
    if is_protected(volume):
        return Fate.PROTECTED
    if was_made_for_nothing(volume, vm):
        return Fate.EMPTY
    # owned by another one it does not stay for long
    return Fate.DELETED if volumes or look(volume, "metadata.ownerReferences") else Fate.KEPT


def is_protected(volume: Manifest) -> bool:
    """Whether it stays until somebody takes its protection off, whatever becomes of its VM."""
    return bool(look(volume, "spec.deletionProtection"))


def is_of(volume: Manifest, vm: Manifest) -> bool:
    """Whether a volume was made for a VM, or is deleted with it, whoever said so."""
    uid = vm["metadata"]["uid"]
    labels = look(volume, "metadata.labels", {})
    return labels.get(LABEL_VIRTUAL_MACHINE_UID) == uid or is_owned(volume, vm)


def volumes_of(vms: Iterable[Manifest], volumes: Sequence[Manifest]) -> Disks:
    """Those of `volumes` that were made for each VM, or that go with it."""
    return {vm["metadata"]["uid"]: [one for one in volumes if is_of(one, vm)] for vm in vms}


def going_with(vms: Iterable[Manifest], disks: Disks, *, volumes: bool) -> list[Manifest]:
    """The volumes that go with the VMs; `volumes` as for `fate_of`."""
    of_vms = [(vm, disk) for vm in vms for disk in disks.get(vm["metadata"]["uid"], ())]
    return [disk for vm, disk in of_vms if fate_of(disk, vm, volumes=volumes).goes]


def own_names(vm: Manifest) -> list[str]:
    """What the volumes are called that are made for the disks of a VM, or were there before it."""
    disks = look(vm, "spec.disks", [])
    return [volume_name(vm["metadata"]["name"], disk["name"]) for disk in disks if not disk.get("volume")]


def in_the_way(vm: Manifest, volumes: Iterable[Manifest]) -> list[str]:
    """Names of volumes that are called as those of a VM are, and that it never got."""
    home, names = vm["metadata"].get("namespace"), own_names(vm)
    return [
        volume["metadata"]["name"]
        for volume in volumes
        if volume["metadata"]["name"] in names
        and volume["metadata"].get("namespace") == home
        and not is_of(volume, vm)
    ]


def losing(vms: Iterable[Manifest], disks: Disks, *, volumes: bool) -> list[Manifest]:
    """Those with which data goes; `volumes` as for `fate_of`."""
    return [vm for vm in vms if Fate.DELETED in _fates(vm, disks, volumes=volumes)]


def effects(
    noun: Noun,
    objects: Iterable[Manifest],
    disks: Disks,
    *,
    volumes: bool,
    home: str | None,
    now: bool = False,
) -> list[str]:
    """What goes with each object, and what stays; `volumes` as for `fate_of`; `home`: the namespace of
    the command, None for all of them; `now`: guests have no time to shut down.
    """
    lines = []
    for obj in objects:
        plug = ["loses what it has not saved"] if now and runs(obj) else []
        fates = _fates(obj, disks, volumes=volumes)
        told = "; ".join(plug + [fate.value.format(", ".join(fates[fate])) for fate in Fate if fate in fates])
        lines.append(f"{noun.singular} {shown(obj, home)}{f' ({told})' if told else ''}")
    return lines


def _fates(vm: Manifest, disks: Disks, *, volumes: bool) -> dict[Fate, list[str]]:
    """The names of its volumes by what becomes of them."""
    names: dict[Fate, list[str]] = {}
    for disk in disks.get(vm["metadata"]["uid"], ()):
        names.setdefault(fate_of(disk, vm, volumes=volumes), []).append(disk["metadata"]["name"])
    return names
