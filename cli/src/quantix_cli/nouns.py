"""The nouns of `qx`: their API resources, their columns, and a row for each object.

Pure: objects of the API in, cells out. Used by the verbs list, show and explain.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from quantix_api import resources
from quantix_api.conditions import condition_of
from quantix_api.errors import PermanentError
from quantix_api.message_text import cause_of
from quantix_api.quantities import size_bytes
from quantix_api.resources import ANNOTATION_VIRTUAL_MACHINE, Resource
from quantix_api.state import StateWord, state_word
from quantix_cli.floating import Leading, leading_to
from quantix_cli.measures import age_s, short_age, size
from quantix_cli.tables import Cell

Manifest = dict[str, Any]

CHANGES_TO = " → "
"""Between what is and what the next start makes of it, in a cell."""


@dataclass(frozen=True)
class World:
    """What a row is made from besides its object: the time, and the age of each host's Lease in seconds.
    `pooling_hosts`: how many hosts reach the pool that most reach, where the Leases may not be read.
    `floating`: the floating IPs that lead to VMs, by the keys of those, where somebody looked for them.
    """

    now: datetime
    lease_ages_s: Mapping[str, float]
    pooling_hosts: int = 0
    floating: Leading = field(default_factory=dict)

    @property
    def is_one_host(self) -> bool:
        """Whether there is a single host, as far as the account can see."""
        return (len(self.lease_ages_s) or self.pooling_hosts) == 1


@dataclass(frozen=True)
class Noun:
    """`word` is what is typed, `singular` what is read; `columns` stand between state and age. `on_hosts`:
    each object is on one host, at most.
    """

    word: str
    singular: str
    resource: Resource
    columns: tuple[str, ...]
    cells: Callable[[Manifest, World], tuple[Cell, ...]]
    on_hosts: bool = False

    @property
    def plural(self) -> str:
        return f"{self.singular}s"

    @property
    def one(self) -> str:
        """`a VM`, `an image`."""
        return f"{'an' if self.singular[0] in 'aeiou' else 'a'} {self.singular}"


def look(obj: Manifest, path: str, default: Any = None) -> Any:
    """`look(vm, "status.assignment.host")`; `default` where a part is missing."""
    value: Any = obj
    for part in path.split("."):
        value = value.get(part) if isinstance(value, dict) else None
        if value is None:
            return default
    return value


def state(obj: Manifest, world: World) -> StateWord:
    """The one state word, with the silence of the object's host taken into account."""
    host = look(obj, "status.assignment.host") or look(obj, "status.host")
    if obj.get("kind") == "Host":
        host = obj["metadata"]["name"]
    return state_word(obj, world.lease_ages_s.get(host) if host else None)


def reason(obj: Manifest, noun: Noun, *, alone: bool = False) -> str:
    """`NotEnoughMemory: no host has 64 GiB free` when the object is not as spec wants it; else "".

    That no other host could run a VM is no news at each of them where the host is `alone`.
    """
    ready = condition_of(obj)
    gravest = ready if ready and ready.get("status") != "True" else {}
    home = condition_of(obj, "NamespaceKept")
    gravest = gravest or (home if home.get("status") == "False" else {})
    if not gravest and noun.word == "host":
        drained = condition_of(obj, "Drained")
        gravest = drained if drained.get("reason") == "Blocked" else {}
    if not gravest and noun.word == "vm":
        restart, protected = condition_of(obj, "RestartRequired"), condition_of(obj, "Protected")
        network = condition_of(obj, "NetworkReady")
        gravest = network if network.get("status") == "False" else {}
        gravest = gravest or (restart if restart.get("status") == "True" else {})
        known = alone and protected.get("reason") == "NoOtherHost"
        if not gravest and not known and protected.get("status") == "False" and _placed(obj):
            gravest = protected
    if not gravest:
        return ""
    said = cause_of(str(gravest.get("message", "")))
    return f"{gravest.get('reason')}: {said}" if said else str(gravest.get("reason"))


def _placed(vm: Manifest) -> bool:
    return bool(look(vm, "status.assignment.host"))


def row(obj: Manifest, noun: Noun, world: World) -> tuple[Cell, ...]:
    """Name, state, the noun's own columns, age, reason."""
    shown = state(obj, world)
    age = age_s(obj["metadata"].get("creationTimestamp"), world.now)
    return (
        Cell(obj["metadata"]["name"]),
        Cell(f"{shown.glyph} {shown.word}", shown.colour),
        *noun.cells(obj, world),
        Cell(short_age(age) if age is not None else "-"),
        Cell(reason(obj, noun, alone=world.is_one_host)),
    )


def header(noun: Noun) -> tuple[str, ...]:
    return ("NAME", "STATE", *noun.columns, "AGE", "REASON")


def _text(value: Any) -> Cell:
    return Cell(str(value) if value not in (None, "") else "-")


def _number(value: Any) -> Cell:
    return Cell(str(value) if value is not None else "-", right=True)


def _amount(value: Any) -> Cell:
    return Cell(size(size_bytes(value)) if value else "-", right=True)


def _running(vm: Manifest, path: str, wanted: Cell, show: Callable[[Any], Cell]) -> Cell:
    """What the guest has of `path`: `wanted`, or while a change of spec waits for a start, both."""
    for change in look(vm, "status.runtime.pendingChanges", []):
        if change.get("path") == path and change.get("running"):
            try:
                now = show(change["running"])
            except PermanentError:
                # no size: a host wrote it
                now = Cell(str(change["running"]), right=True)
            return now._replace(text=f"{now.text}{CHANGES_TO}{wanted.text}")
    return wanted


def _vm(vm: Manifest, world: World) -> tuple[Cell, ...]:
    cores = _number(look(vm, "status.resolved.cores", look(vm, "spec.cpu.cores")))
    memory = _amount(look(vm, "status.resolved.memory", look(vm, "spec.memory.size")))
    protected = condition_of(vm, "Protected").get("status")
    own = look(vm, "status.addresses", [])[:1]
    return (
        _text(look(vm, "status.assignment.host")),
        _text(", ".join([*own, *(one.address for one in leading_to(vm, world.floating))])),
        _running(vm, "spec.cpu.cores", cores, _number),
        _running(vm, "spec.memory.size", memory, _amount),
        _text({"True": "yes", "False": "no"}.get(protected or "")),
    )


def _host_address(addresses: Manifest) -> str | None:
    """Where others reach it: that of its API; where this is for the machine alone, that of its way out."""
    api = str(addresses.get("api", "")).rpartition(":")[0].strip("[]")
    return addresses.get("tunnel", api or None) if api in ("", "127.0.0.1", "::1") else api


def _host(host: Manifest, _: World) -> tuple[Cell, ...]:
    return (
        _text(_host_address(look(host, "status.addresses", {}))),
        _number(look(host, "status.cpus")),
        _amount(look(host, "status.memory")),
        _number(look(host, "status.virtualMachines")),
    )


def _volume(volume: Manifest, _: World) -> tuple[Cell, ...]:
    users = [user.get("name") for user in look(volume, "status.attachedTo", [])]
    annotation = look(volume, "metadata.annotations", {}).get(ANNOTATION_VIRTUAL_MACHINE)
    capacity, wanted = look(volume, "status.capacity"), look(volume, "spec.size")
    shown = _amount(capacity or wanted)
    if capacity and wanted and size_bytes(wanted) > size_bytes(capacity):
        shown = shown._replace(text=f"{shown.text}{CHANGES_TO}{_amount(wanted).text}")
    return (
        shown,
        _text(look(volume, "status.pool", look(volume, "spec.pool"))),
        _text(", ".join(filter(None, users)) or annotation),
    )


def _image(image: Manifest, _: World) -> tuple[Cell, ...]:
    percent = look(image, "status.progress.percent")
    return (
        _amount(look(image, "status.virtualSize")),
        _text(look(image, "status.format")),
        Cell(f"{percent} %" if percent is not None else "-", right=True),
        _number(look(image, "status.users")),
    )


def _network(network: Manifest, _: World) -> tuple[Cell, ...]:
    subnets = look(network, "status.subnets") or [s.get("cidr") for s in look(network, "spec.subnets", [])]
    return (
        _text(", ".join(str(s) for s in subnets)),
        _number(look(network, "status.ports")),
        _number(look(network, "status.addressesFree")),
    )


def _pool(pool: Manifest, _: World) -> tuple[Cell, ...]:
    kind = next((k for k in ("dir", "rbd") if look(pool, f"spec.{k}")), None)
    return (
        _text(kind),
        _amount(look(pool, "status.capacity")),
        _amount(look(pool, "status.available")),
        _number(look(pool, "status.hosts")),
    )


def _router(router: Manifest, _: World) -> tuple[Cell, ...]:
    inside = [network.get("name") for network in look(router, "spec.networks", [])]
    return _text(", ".join(filter(None, inside))), _text(look(router, "status.address"))


def _floating_ip(floating_ip: Manifest, _: World) -> tuple[Cell, ...]:
    vm, nic = look(floating_ip, "spec.virtualMachine"), look(floating_ip, "spec.nic")
    return _text(look(floating_ip, "status.address")), _text(f"{vm}/{nic}" if nic else vm)


def _security_group(group: Manifest, _: World) -> tuple[Cell, ...]:
    return _number(len(look(group, "spec.ingress", []))), _number(len(look(group, "spec.egress", [])))


def _migration(migration: Manifest, _: World) -> tuple[Cell, ...]:
    percent = look(migration, "status.progress.percent")
    return (
        _text(look(migration, "spec.virtualMachine")),
        _text(look(migration, "status.sourceHost")),
        _text(look(migration, "status.targetHost", look(migration, "spec.targetHost"))),
        Cell(f"{percent} %" if percent is not None else "-", right=True),
    )


def _snapshot(snapshot: Manifest, _: World) -> tuple[Cell, ...]:
    percent = look(snapshot, "status.progress.percent")
    quiesced = condition_of(snapshot, "Quiesced").get("status")
    return (
        _text(look(snapshot, "spec.virtualMachine")),
        _text(", ".join(disk["name"] for disk in look(snapshot, "status.disks", []))),
        _text("yes" if look(snapshot, "spec.memory") else None),
        _text({"True": "yes", "False": "no"}.get(quiesced or "")),
        Cell(f"{percent} %" if percent is not None else "-", right=True),
    )


def _instance_type(kind: Manifest, _: World) -> tuple[Cell, ...]:
    default = "yes" if look(kind, "spec.default") else "-"
    return _number(look(kind, "spec.cpu.cores")), _amount(look(kind, "spec.memory.size")), Cell(default)


_OF_VM = ("HOST", "ADDRESS", "CPU", "MEMORY", "PROTECTED")
_OF_SNAPSHOT = ("VM", "DISKS", "MEMORY", "QUIESCED", "PROGRESS")
_OF_MIGRATION = ("VM", "FROM", "TO", "PROGRESS")
_OF_POOL = ("KIND", "CAPACITY", "AVAILABLE", "HOSTS")
_OF_IMAGE = ("SIZE", "FORMAT", "PROGRESS", "USERS")
_OF_TYPE = ("CPU", "MEMORY", "DEFAULT")
NOUNS: Mapping[str, Noun] = {
    noun.word: noun
    for noun in (
        Noun("vm", "VM", resources.VIRTUAL_MACHINES, _OF_VM, _vm, on_hosts=True),
        Noun("host", "host", resources.HOSTS, ("ADDRESS", "CPUS", "MEMORY", "VMS"), _host),
        Noun("volume", "volume", resources.VOLUMES, ("SIZE", "POOL", "VM"), _volume, on_hosts=True),
        Noun("image", "image", resources.IMAGES, _OF_IMAGE, _image, on_hosts=True),
        Noun("network", "network", resources.NETWORKS, ("SUBNETS", "PORTS", "FREE"), _network),
        Noun("pool", "pool", resources.STORAGE_POOLS, _OF_POOL, _pool),
        Noun("router", "router", resources.ROUTERS, ("NETWORKS", "ADDRESS"), _router),
        Noun("floatingip", "floating IP", resources.FLOATING_IPS, ("ADDRESS", "VM"), _floating_ip),
        Noun("securitygroup", "security group", resources.SECURITY_GROUPS, ("IN", "OUT"), _security_group),
        Noun("instancetype", "instance type", resources.INSTANCE_TYPES, _OF_TYPE, _instance_type),
        Noun("migration", "migration", resources.VIRTUAL_MACHINE_MIGRATIONS, _OF_MIGRATION, _migration),
        Noun("snapshot", "snapshot", resources.VIRTUAL_MACHINE_SNAPSHOTS, _OF_SNAPSHOT, _snapshot),
    )
}
