"""A VM that is made like another one, with an identity and disks of its own. Pure; used by `qx vm clone`."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from quantix_api.resources import VIRTUAL_MACHINES
from quantix_api.volume_names import volume_name
from quantix_cli.amounts import parse_pairs
from quantix_cli.nouns import Manifest, look

# what says who the guest is, where it is or what was asked of that one
_OWN = ("restart", "powerState", "deletionProtection")
_OWN_IDENTITY = ("uuid",)
_OWN_SMBIOS = ("serial", "assetTag")
_OWN_NIC = ("mac", "addresses")
_OWN_SEED = ("instanceID", "hostname")
# of a disk: what its new volume is made from, and where
_SOURCE = ("image", "snapshot", "snapshotDisk", "cloneOf", "copyMode", "volume", "size", "pool", "serial")


@dataclass(frozen=True)
class CloneWish:
    """The options of `qx vm clone`; `pool` "": each disk stays in the pool of its source."""

    full: bool = False
    pool: str = ""
    labels: tuple[str, ...] = ()
    stopped: bool = False


def volumes_of(vm: Manifest) -> dict[str, str]:
    """The Volume of each disk, by the disk's name."""
    name = vm["metadata"]["name"]
    return {disk["name"]: disk.get("volume") or volume_name(name, disk["name"]) for disk in _disks(vm)}


def clone_of(vm: Manifest, name: str, wish: CloneWish, pools: Mapping[str, str]) -> Manifest:
    """The new VM; `pools` says by volume in which pool that lies now. Raises CommandError (2)."""
    spec: dict[str, Any] = copy.deepcopy(vm["spec"])
    for field in _OWN:
        spec.pop(field, None)
    if wish.stopped:
        spec["powerState"] = "Stopped"
    _without(spec, "identity", _OWN_IDENTITY)
    _without(spec.get("identity", {}), "smbios", _OWN_SMBIOS)
    _without(spec, "cloudInit", _OWN_SEED)
    if "nics" in spec:
        spec["nics"] = [_kept(nic, _OWN_NIC) for nic in spec["nics"]]
    volumes = volumes_of(vm)
    spec["disks"] = [_disk(disk, volumes[disk["name"]], wish, pools) for disk in _disks(vm)]
    # a label with a prefix belongs to a tool, which would take the new VM for its own
    labels = {key: value for key, value in look(vm, "metadata.labels", {}).items() if "/" not in key}
    labels |= parse_pairs(wish.labels, "--label")
    metadata = {"name": name, "namespace": vm["metadata"]["namespace"]}
    return {
        "apiVersion": VIRTUAL_MACHINES.api_version,
        "kind": VIRTUAL_MACHINES.kind,
        "metadata": metadata | ({"labels": labels} if labels else {}),
        "spec": spec,
    }


def told_clone(vm: Manifest, made: Manifest, pools: Mapping[str, str]) -> str:
    """One line of what is copied: `a linked clone of web-1: root of web-1-root`. `pools` as for `clone_of`:
    what goes into another pool is copied whole.
    """
    disks = made["spec"]["disks"]
    whole = [_is_whole(disk, pools) for disk in disks]
    kind = "full" if all(whole) and whole else "partly linked" if any(whole) else "linked"
    copied = ", ".join(f"{disk['name']} of {disk['cloneOf']}" for disk in disks) or "no disk"
    return f"a {kind} clone of {vm['metadata']['name']}: {copied}"


def _is_whole(disk: Manifest, pools: Mapping[str, str]) -> bool:
    pool = pools.get(disk["cloneOf"])
    return disk.get("copyMode") == "Full" or (pool is not None and disk.get("pool", pool) != pool)


def _disks(vm: Manifest) -> list[Manifest]:
    found: list[Manifest] = look(vm, "spec.disks", [])
    return found


def _disk(disk: Manifest, volume: str, wish: CloneWish, pools: Mapping[str, str]) -> Manifest:
    pool = wish.pool or pools.get(volume, "")
    return (
        {"name": disk["name"], "cloneOf": volume}
        | ({"copyMode": "Full"} if wish.full else {})
        | ({"pool": pool} if pool else {})
        | {field: value for field, value in _kept(disk, _SOURCE).items() if field != "name"}
    )


def _kept(part: Manifest, without: tuple[str, ...]) -> Manifest:
    return {field: value for field, value in part.items() if field not in without}


def _without(spec: Manifest, part: str, fields: tuple[str, ...]) -> None:
    """Take fields out of a part, and the part where nothing is left of it."""
    if part not in spec:
        return
    spec[part] = _kept(spec[part], fields)
    if not spec[part]:
        del spec[part]
