"""What a domain means, whatever its text: the same frozen view of rendered, inactive and live XML.

libvirt adds some forty lines to a domain without changing it, so text is never compared. Only fields that
the renderer sets are seen here; everything else is invisible, but devices that we did not render are named.
Called by the planner (same or not?) and by nothing that writes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from types import MappingProxyType
from xml.etree import ElementTree

from quantix_hostd.domainxml.ceph import ceph_secret_pool
from quantix_hostd.domainxml.element import Element
from quantix_hostd.domainxml.host_devices import source_of
from quantix_hostd.domainxml.memory import BLOCK_BYTES, MEMORY_ALIAS
from quantix_hostd.domainxml.metadata import DomainMetadata, parse_metadata
from quantix_hostd.domainxml.spec import BoundMemory
from quantix_hostd.domainxml.view_fields import DEVICE_FIELDS, DOMAIN_FIELDS, SMBIOS_FIELDS
from quantix_hostd.facts.cpu_lists import parse_cpus

Fields = Mapping[str, str]

# of the VMs that are worked on at once: live, inactive, wanted
_VIEWS = 32
_KIB = 1024
_UNIT_BYTES = {"b": 1, "bytes": 1, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3}

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
class Pins:
    """The host's CPUs that each vCPU, and everything else of QEMU, may run on."""

    vcpus: tuple[tuple[int, ...], ...]
    rest: tuple[int, ...]


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
    pins: Pins | None = None
    host_devices: Fields = field(default_factory=dict)
    """PCI address or UUID of each of the host's devices that it has, by name."""

    @property
    def device_classes(self) -> dict[str, str]:
        """Their classes by name, as they were when it started."""
        devices = self.metadata.devices if self.metadata else ""
        pairs = (item.partition("=") for item in devices.split())
        return {name: class_ for name, _, class_ in pairs}

    @property
    def own_cpus(self) -> tuple[int, ...]:
        """The host's CPUs that it has to itself, in the order of its vCPUs."""
        cpus = self.metadata.cpus if self.metadata else ""
        return tuple(int(cpu) for cpu in cpus.split(",") if cpu)

    @property
    def bound(self) -> BoundMemory:
        """What of its memory has to be on the nodes of its CPUs."""
        page_bytes = int(self.fields.get("page", "0")) * _KIB
        return BoundMemory(self.memory.base if "numa" in self.fields else 0, page_bytes)

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


@lru_cache(maxsize=_VIEWS)
def view(xml: str) -> DomainView:
    """Parse a domain; raises ElementTree.ParseError when `xml` is no document (libvirt never sends that)."""
    domain = ElementTree.fromstring(xml)
    fields = _extract(domain, DOMAIN_FIELDS) | _smbios(domain)
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
    return DomainView(
        fields=MappingProxyType(fields),
        devices=MappingProxyType(devices),
        unrendered=unrendered,
        metadata=metadata,
        memory=memory,
        pins=_pins(domain),
        host_devices=MappingProxyType(_host_devices(domain)),
    )


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
        device = _extract(node, DEVICE_FIELDS.get(node.tag, {}))
        device |= _paths_in_ceph(node)
        if node.tag == "disk" and "path" not in device:
            # an empty drive has no format, but the live XML names one
            device.pop("format", None)
        devices[key] = MappingProxyType(device)
    return devices, tuple(unrendered)


def _paths_in_ceph(disk: Element) -> dict[str, str]:
    """Where the disk is, and where its copy, by what people call it: the StoragePool, whatever Ceph calls
    that.
    """
    ends = (("path", "source"), ("copy", "mirror/source"))
    found = ((field, disk.find(f"{where}[@protocol='rbd']")) for field, where in ends)
    return {field: _path_in_ceph(source) for field, source in found if source is not None}


def _path_in_ceph(source: Element) -> str:
    pool = ceph_secret_pool(_value(source, "auth/secret@usage"))
    return f"{pool}/{source.get('name', '').rpartition('/')[2]}"


def _host_devices(domain: Element) -> dict[str, str]:
    keys = ((_key(node), source_of(node)) for node in domain.iterfind("devices/hostdev"))
    return {key.removeprefix(_OUR_ALIAS): source for key, source in keys if key and source}


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
    cells = domain.findall("cpu/numa/cell")
    base = sum(int(cell.get("memory", "0")) * _unit_bytes(cell) for cell in cells)
    return MemoryView(base, *(_bytes(target.find(name)) for name in ("size", "requested", "current")))


def _smbios(domain: Element) -> dict[str, str]:
    entries = {entry.get("name", ""): entry.text or "" for entry in domain.findall("sysinfo/*/entry")}
    return {f"smbios.{field}": entries[name] for name, field in SMBIOS_FIELDS.items() if entries.get(name)}


def _pins(domain: Element) -> Pins | None:
    """None where nothing is pinned."""
    rest = domain.find("cputune/emulatorpin")
    if rest is None:
        return None
    vcpus = sorted(domain.findall("cputune/vcpupin"), key=lambda pin: int(pin.get("vcpu", "0")))
    return Pins(tuple(parse_cpus(pin.get("cpuset", "")) for pin in vcpus), parse_cpus(rest.get("cpuset", "")))


def _bytes(node: Element | None) -> int:
    return int(node.text) * _unit_bytes(node) if node is not None and node.text else 0


def _unit_bytes(node: Element) -> int:
    return _UNIT_BYTES.get(node.get("unit", "KiB"), _KIB)
