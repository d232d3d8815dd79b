"""What a domain means, whatever its text: the same frozen view of rendered, inactive and live XML.

libvirt adds some forty lines to a domain without changing it, so text is never compared. Only fields that
the renderer sets are seen here; everything else is invisible, but devices that we did not render are named.
Called by the planner (same or not?) and by nothing that writes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from xml.etree import ElementTree

from quantix_hostd.domainxml.element import Element
from quantix_hostd.domainxml.memory import BLOCK_BYTES, MEMORY_ALIAS
from quantix_hostd.domainxml.metadata import DomainMetadata, parse_metadata

Fields = Mapping[str, str]

_KIB = 1024
_UNIT_BYTES = {"b": 1, "bytes": 1, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3}

# "path@name" is an attribute, "path#" the text, "path?" whether the element is there, "path*" an address
_DOMAIN_FIELDS = {
    "type": "@type",
    "name": "name#",
    "uuid": "uuid#",
    "machine": "os/type@machine",
    "loader": "os/loader#",
    "secure": "os/loader@secure",
    "nvram": "os/nvram#",
    "boot_menu": "os/bootmenu@enable",
    "boot_menu_timeout": "os/bootmenu@timeout",
    "smbios": "os/smbios@mode",
    "vmcoreinfo": "features/vmcoreinfo@state",
    "smm": "features/smm@state",
    "hyperv": "features/hyperv?",
    "cpu_mode": "cpu@mode",
    "cpu_model": "cpu/model#",
    "sockets": "cpu/topology@sockets",
    "threads": "cpu/topology@threads",
    "max_cores": "vcpu#",
    "shares": "cputune/shares#",
    "quota": "cputune/global_quota#",
    "clock": "clock@offset",
    "timezone": "clock@timezone",
    "on_poweroff": "on_poweroff#",
    "on_reboot": "on_reboot#",
    "on_crash": "on_crash#",
}
_DEVICE_FIELDS = {
    "disk": {
        "device": "@device",
        "format": "driver@type",
        "cache": "driver@cache",
        "io": "driver@io",
        "discard": "driver@discard",
        "detect_zeroes": "driver@detect_zeroes",
        "error_policy": "driver@error_policy",
        "path": "source@file",
        "bus": "target@bus",
        "dev": "target@dev",
        "serial": "serial#",
        "read_only": "readonly?",
        "boot": "boot@order",
        "iops": "iotune/total_iops_sec#",
        "bytes_per_second": "iotune/total_bytes_sec#",
        "address": "address*",
    },
    "interface": {
        "mac": "mac@address",
        "bridge": "source@bridge",
        "switch_port": "virtualport/parameters@interfaceid",
        "dev": "target@dev",
        "model": "model@type",
        "mtu": "mtu@size",
        "link": "link@state",
        "queues": "driver@queues",
        "offload": "driver/host@csum",
        "boot": "boot@order",
        "address": "address*",
    },
    "serial": {"path": "source@path", "log": "log@file", "model": "target@type"},
    "channel": {"path": "source@path", "target": "target@name", "address": "address*"},
    "controller": {"model": "@model", "address": "address*"},
    "graphics": {"type": "@type", "socket": "listen@socket"},
    "video": {"model": "model@type", "address": "address*"},
    "input": {"type": "@type", "bus": "@bus"},
    "memory": {"model": "@model", "address": "address*"},
    "tpm": {"model": "@model", "version": "backend@version"},
    "memballoon": {"model": "@model", "autodeflate": "@autodeflate", "address": "address*"},
    "rng": {"model": "@model", "backend": "backend#", "address": "address*"},
    "panic": {"model": "@model"},
    "audio": {"type": "@type"},
}
# libvirt's own companions of devices that we do render, and the watchdog that newer versions show on q35
_COMPANIONS = frozenset({"emulator", "console"})
_OUR_ALIAS = "ua-"


@dataclass(frozen=True)
class MemoryView:
    """In bytes: `base` is there from the start; of `room` beyond it the guest was told to take `requested`,
    and has taken `taken`. Without room to grow all but `base` is 0.
    """

    base: int
    room: int = 0
    requested: int = 0
    taken: int = 0


@dataclass(frozen=True)
class DomainView:
    """`fields` of the domain itself, `devices` by alias (or kind where a device can have none).

    `unrendered` names devices that the renderer did not make; they are reported, never removed.
    """

    fields: Fields
    devices: Mapping[str, Fields]
    unrendered: tuple[str, ...]
    metadata: DomainMetadata | None
    memory: MemoryView

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DomainView) and not differences(self, other)

    def __hash__(self) -> int:
        return hash(tuple(sorted(self.fields.items())))


@dataclass(frozen=True)
class Difference:
    """One field of one place: `path` is "fields.NAME" or "devices.ALIAS.NAME" ("" stands for absent)."""

    path: str
    left: str
    right: str


def view(xml: str) -> DomainView:
    """Parse a domain; raises ElementTree.ParseError when `xml` is no document (libvirt never sends that)."""
    domain = ElementTree.fromstring(xml)
    fields = _extract(domain, _DOMAIN_FIELDS)
    memory = _memory(domain)
    fields["memory_bytes"] = str(memory.base + memory.requested)
    if memory.room:
        fields["max_memory_bytes"] = str((memory.base + memory.room) // BLOCK_BYTES * BLOCK_BYTES)
    if fields.get("quota", "").startswith("-"):
        # what had a limit once and has none now
        del fields["quota"]
    fields["cores"] = _value(domain, "vcpu@current") or fields.get("max_cores", "")
    metadata = parse_metadata(domain)
    if metadata is not None and metadata.cpu_features:
        # the live XML expands the CPU's features, so what was asked is kept in the metadata
        fields["cpu_features"] = metadata.cpu_features
    devices, unrendered = _devices(domain)
    return DomainView(MappingProxyType(fields), MappingProxyType(devices), unrendered, metadata, memory)


def differences(left: DomainView, right: DomainView) -> tuple[Difference, ...]:
    """Every field in which two views differ, sorted by path."""
    found = _field_differences("fields", left.fields, right.fields)
    for alias in sorted({*left.devices, *right.devices}):
        found += _field_differences(
            f"devices.{alias}", left.devices.get(alias, {}), right.devices.get(alias, {})
        )
    return tuple(found)


def _field_differences(prefix: str, left: Fields, right: Fields) -> list[Difference]:
    return [
        Difference(f"{prefix}.{name}", left.get(name, ""), right.get(name, ""))
        for name in sorted({*left, *right})
        if left.get(name, "") != right.get(name, "")
    ]


def _devices(domain: Element) -> tuple[dict[str, Fields], tuple[str, ...]]:
    devices: dict[str, Fields] = {}
    unrendered: list[str] = []
    for node in domain.iterfind("devices/*"):
        if node.tag in _COMPANIONS or _is_implicit(node):
            continue
        key = _key(node)
        if key is None:
            alias = node.find("alias")
            unrendered.append(f"{node.tag} {alias.get('name') if alias is not None else ''}".strip())
            continue
        device = _extract(node, _DEVICE_FIELDS.get(node.tag, {}))
        if node.tag == "disk" and "path" not in device:
            # an empty drive has no format, but the live XML names one
            device.pop("format", None)
        devices[key] = MappingProxyType(device)
    return devices, tuple(unrendered)


def _is_implicit(node: Element) -> bool:
    if node.tag == "input":
        return node.get("bus") == "ps2"
    return node.tag == "watchdog" and node.get("model") == "itco"


def _key(node: Element) -> str | None:
    """A device's place in the view: its alias of ours, else its kind where there is only one, else None."""
    if node.tag == "controller":
        return f"controller-{node.get('type')}-{node.get('index', '0')}"
    if node.tag in ("panic", "graphics", "audio"):
        return node.tag
    if node.tag == "video" and node.find("model[@type='none']") is not None:
        return "video"
    alias = node.find("alias")
    name = alias.get("name", "") if alias is not None else ""
    return name if name.startswith(_OUR_ALIAS) else None


def _extract(node: Element, table: Mapping[str, str]) -> dict[str, str]:
    values = {name: _value(node, path) for name, path in table.items()}
    return {name: value for name, value in values.items() if value}


def _value(node: Element, path: str) -> str:
    if "@" in path:
        where, attribute = path.split("@")
        found = node.find(where) if where else node
        return found.get(attribute, "") if found is not None else ""
    found = node.find(path[:-1])
    if found is None:
        return ""
    if path.endswith("?"):
        return "yes"
    if path.endswith("*"):
        return _address(found)
    return (found.text or "").strip()


def _address(node: Element) -> str:
    numbers = ("domain", "controller", "bus", "target", "slot", "port", "unit", "function")
    parts = [f"{name}={int(node.get(name, '0'), 0)}" for name in numbers if node.get(name) is not None]
    return " ".join([node.get("type", ""), *parts])


def _memory(domain: Element) -> MemoryView:
    target = domain.find(f"devices/memory/alias[@name='{MEMORY_ALIAS}']/../target")
    if target is None:
        return MemoryView(_bytes(domain.find("memory")))
    cell = domain.find("cpu/numa/cell")
    base = int(cell.get("memory", "0")) * _unit_bytes(cell) if cell is not None else 0
    return MemoryView(base, *(_bytes(target.find(name)) for name in ("size", "requested", "current")))


def _bytes(node: Element | None) -> int:
    return int(node.text) * _unit_bytes(node) if node is not None and node.text else 0


def _unit_bytes(node: Element) -> int:
    return _UNIT_BYTES.get(node.get("unit", "KiB"), _KIB)
