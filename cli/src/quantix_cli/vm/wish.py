"""A new VM as it was asked for in words, and its manifest. Pure; used by `qx vm create`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from quantix_api.quantities import counted, format_size, size_bytes
from quantix_api.resources import VIRTUAL_MACHINES
from quantix_cli.amounts import parse_details, parse_pairs, parse_size
from quantix_cli.exits import CommandError, Exit
from quantix_cli.nouns import Manifest, look

ROOT = "root"
MEDIUM = "install"
NO_NETWORK = "none"
_ROOT_BYTES = 20 << 30


@dataclass(frozen=True)
class Wish:
    """The options of `qx vm create`; `keys` and `user_data` are what the files hold, not their names."""

    image: str = ""
    iso: str = ""
    instance_type: str = ""
    cpu: int | None = None
    memory: str = ""
    max_cpu: int | None = None
    max_memory: str = ""
    size: str = ""
    pool: str = ""
    disks: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    user_data: str = ""
    user_data_secret: str = ""
    os: str = "Linux"
    firmware: str = ""
    secure_boot: bool = False
    tpm: bool = False
    labels: tuple[str, ...] = ()
    host_selector: tuple[str, ...] = ()
    anti_affinity: tuple[str, ...] = ()
    stopped: bool = False


@dataclass(frozen=True)
class Choice:
    """What the platform offers where the wish is silent: names, and the image that was found."""

    instance_type: str = ""
    network: str = ""
    image: Manifest = field(default_factory=dict)


def manifest(name: str, namespace: str, wish: Wish, choice: Choice) -> Manifest:
    """The VM. Raises CommandError (2) for words that make no sense."""
    spec: dict[str, Any] = {}
    if wish.stopped:
        spec["powerState"] = "Stopped"
    if wish.os != "Linux":
        spec["os"] = wish.os
    spec |= _size(wish, choice)
    if firmware := _firmware(wish):
        spec["firmware"] = firmware
    spec["disks"] = _disks(wish, choice)
    if wish.iso:
        spec["cdroms"] = [{"name": MEDIUM, "image": wish.iso}]
    if nics := _nics(wish, choice):
        spec["nics"] = nics
    if cloud_init := _cloud_init(wish):
        spec["cloudInit"] = cloud_init
    if placement := _placement(wish):
        spec["placement"] = placement
    labels = parse_pairs(wish.labels, "--label")
    metadata = {"name": name, "namespace": namespace} | ({"labels": labels} if labels else {})
    return {
        "apiVersion": VIRTUAL_MACHINES.api_version,
        "kind": VIRTUAL_MACHINES.kind,
        "metadata": metadata,
        "spec": spec,
    }


def told(made: Manifest) -> str:
    """One line of what was chosen: `2 CPUs, 2Gi, root 20Gi of shared/debian-13, network shared/default`."""
    spec = made["spec"]
    kind = spec.get("instanceType")
    size = f"type {kind}" if kind else _told_size(spec)
    disks = [_told_disk(disk) for disk in spec["disks"]]
    disks += [f"medium {drive['image']}" for drive in spec.get("cdroms", [])]
    nics = [f"network {nic['network']}" for nic in spec.get("nics", [])] or ["no network"]
    keys = len(look(spec, "cloudInit.sshAuthorizedKeys", []))
    login = [counted(keys, "SSH key")] if keys else []
    return ", ".join([size, *_told_ceilings(spec), *disks, *nics, *login])


def _told_size(spec: Manifest) -> str:
    return f"{counted(spec['cpu']['cores'], 'CPU')}, {spec['memory']['size']}B memory"


def _told_ceilings(spec: Manifest) -> list[str]:
    cores, memory = look(spec, "cpu.maxCores"), look(spec, "memory.maxSize")
    told_cores = [f"up to {counted(cores, 'CPU')}"] if cores else []
    return [*told_cores, *([f"up to {memory}B memory"] if memory else [])]


def _told_disk(disk: Manifest) -> str:
    size = f" {disk['size']}B" if "size" in disk else ""
    source = disk.get("image") or disk.get("volume")
    return f"disk {disk['name']}{size}{f' of {source}' if source else ''}"


def _size(wish: Wish, choice: Choice) -> Manifest:
    if wish.instance_type and (wish.cpu or wish.memory):
        raise CommandError(Exit.USAGE, "--type says CPU and memory: give either it, or --cpu and --memory.")
    if bool(wish.cpu) != bool(wish.memory):
        missing = "--memory" if wish.cpu else "--cpu"
        both = f"--cpu {wish.cpu} --memory 2GiB" if wish.cpu else f"--cpu 1 --memory {wish.memory}B"
        raise CommandError(
            Exit.USAGE,
            f"{missing} is missing: without an instance type both are needed.",
            f"{both}; or --type TYPE instead of both: qx instancetype list",
        )
    cpu = {"cores": wish.cpu} if wish.cpu else {}
    cpu |= {"maxCores": wish.max_cpu} if wish.max_cpu else {}
    memory = {"size": wish.memory} if wish.memory else {}
    memory |= {"maxSize": wish.max_memory} if wish.max_memory else {}
    kind = {} if wish.cpu else {"instanceType": wish.instance_type or choice.instance_type}
    return kind | ({"cpu": cpu} if cpu else {}) | ({"memory": memory} if memory else {})


def _firmware(wish: Wish) -> Manifest:
    windows = wish.os == "Windows"
    kind = wish.firmware or ("UEFI" if windows or wish.secure_boot else "")
    secure, tpm = wish.secure_boot or (windows and kind == "UEFI"), wish.tpm or windows
    if not kind and not tpm:
        return {}
    return {"type": kind or "BIOS", "secureBoot": secure, "tpm": tpm}


def _disks(wish: Wish, choice: Choice) -> list[Manifest]:
    root: Manifest = {"name": ROOT} | ({"image": wish.image} if wish.image else {})
    _refuse_less_than_the_image(wish, choice.image)
    size = wish.size or _root_size(wish, choice.image)
    root |= {"size": size} if size else {}
    root |= {"pool": wish.pool} if wish.pool else {}
    names, more = {ROOT, MEDIUM}, []
    for written in wish.disks:
        first, details = parse_details(written, "--disk", ("name", "pool"))
        name = details.get("name") or free_name("disk", names)
        names.add(name)
        disk = {"name": name, "size": _parsed(first)}
        more.append(disk | ({"pool": details["pool"]} if "pool" in details else {}))
    return [root, *more]


def _root_size(wish: Wish, image: Manifest) -> str:
    """20 GiB, or as large as the image where that is more, or where nobody knows that yet."""
    known = look(image, "status.virtualSize")
    if wish.image and not known:
        return ""
    return format_size(max(_ROOT_BYTES, size_bytes(known) if known else 0))


def _refuse_less_than_the_image(wish: Wish, image: Manifest) -> None:
    known = look(image, "status.virtualSize")
    if wish.image and wish.size and known and size_bytes(wish.size) < size_bytes(known):
        said = f"--size {wish.size}B is too small: {wish.image} has {known}B."
        raise CommandError(Exit.USAGE, said, f"--size {known}B or more, or leave it out")


def _parsed(written: str) -> str:
    try:
        return parse_size(written)
    except ValueError as error:
        raise CommandError(Exit.USAGE, f"--disk: {error}.", "--disk 20GiB,pool=NAME") from error


def _nics(wish: Wish, choice: Choice) -> list[Manifest]:
    if wish.networks == (NO_NETWORK,):
        return []
    groups = {"securityGroups": list(wish.groups)} if wish.groups else {}
    return [
        nic_of(written, f"eth{number}") | groups
        for number, written in enumerate(wish.networks or (choice.network,))
    ]


def nic_of(written: str, name: str) -> Manifest:
    """`shared/default,address=10.0.0.5,mac=…` as a NIC. Raises CommandError (2)."""
    network, details = parse_details(written, "--network", ("address", "mac", "name"))
    nic: Manifest = {"name": details.get("name", name), "network": network}
    nic |= {"addresses": [details["address"]]} if "address" in details else {}
    return nic | ({"mac": _mac(details["mac"])} if "mac" in details else {})


def _mac(written: str) -> str:
    """As the API has it: vSphere writes capitals, Windows - between them."""
    return written.lower().replace("-", ":")


def _cloud_init(wish: Wish) -> Manifest:
    if wish.user_data and wish.user_data_secret:
        raise CommandError(Exit.USAGE, "--user-data and --user-data-secret say the same thing: give one.")
    found: Manifest = {"sshAuthorizedKeys": list(wish.keys)} if wish.keys else {}
    if wish.user_data:
        found["userData"] = wish.user_data
    if wish.user_data_secret:
        name, _, key = wish.user_data_secret.partition("/")
        found["userDataSecretRef"] = {"name": name} | ({"key": key} if key else {})
    return found


def _placement(wish: Wish) -> Manifest:
    found: Manifest = {}
    if selector := parse_pairs(wish.host_selector, "--host-selector"):
        found["hostSelector"] = selector
    if apart := parse_pairs(wish.anti_affinity, "--anti-affinity"):
        found["antiAffinity"] = [{"vmSelector": apart}]
    return found


def free_name(stem: str, taken: set[str], first: int = 1) -> str:
    """`disk1`, `disk2` …: the first that is not taken."""
    number = first
    while f"{stem}{number}" in taken:
        number += 1
    return f"{stem}{number}"
