"""What libvirt makes of a live domain's XML when it is changed while it runs: a part of `fake_hypervisor`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import AbstractContextManager
from xml.etree import ElementTree

from quantix_api.errors import QuantixError, TransientError
from quantix_hostd.clients.hypervisor import Cpus
from quantix_hostd.facts.cpu_lists import format_cpus

Element = ElementTree.Element


class FakeLiveChanges(ABC):
    """The live changes of `Hypervisor`, and when guests answer to them."""

    guest_lets_go: bool
    refusal: QuantixError | None

    @abstractmethod
    def did(self, call: str) -> None:
        """Note a call; raises what every call raises."""

    @abstractmethod
    def live(self, name: str) -> AbstractContextManager[Element]:
        """The live XML of a running domain, to be changed."""

    def let_go(self, name: str, alias: str) -> None:
        """The guest lets a device go that it was asked for."""
        with self.live(name) as root:
            _detach(root, alias)

    async def set_pool_key(self, pool: str, key: str) -> None:
        self.did(f"key of pool {pool}")

    async def set_link(self, name: str, alias: str, *, up: bool) -> None:
        self.did(f"link {alias} {'up' if up else 'down'}")
        with self.live(name) as root:
            _set_link(root, alias, up=up)

    async def attach_device(self, name: str, xml: str) -> None:
        device = ElementTree.fromstring(xml)
        self.did(f"attach {_alias_of(device)}")
        if self.refusal is not None:
            raise self.refusal
        with self.live(name) as root:
            _attach(root, device)

    async def detach_device(self, name: str, alias: str) -> None:
        self.did(f"detach {alias}")
        with self.live(name) as root:
            is_there = any(_alias_of(node) == alias for node in root.iterfind("devices/*"))
        if self.guest_lets_go and is_there:
            self.let_go(name, alias)

    async def change_medium(self, name: str, alias: str, path: str | None) -> None:
        self.did(f"medium {alias} {path}")
        with self.live(name) as root:
            _change_medium(root, alias, path)

    async def set_cores(self, name: str, cores: int) -> None:
        self.did(f"cores {cores}")
        with self.live(name) as root:
            _child(root, "vcpu").set("current", str(cores))

    async def set_cpu_tune(self, name: str, shares: int, quota_us: int) -> None:
        self.did(f"cpu {shares} {quota_us}")
        with self.live(name) as root:
            _set_cpu_tune(root, shares, quota_us)

    async def pin_cpus(self, name: str, vcpus: Sequence[Cpus], rest: Cpus) -> None:
        self.did(f"pin {' '.join(map(format_cpus, vcpus))} rest {format_cpus(rest)}")
        with self.live(name) as root:
            _pin_cpus(root, vcpus, rest)

    async def set_disk_limits(self, name: str, target: str, iops: int, bytes_per_second: int) -> None:
        self.did(f"limits {target} {iops} {bytes_per_second}")
        with self.live(name) as root:
            _set_disk_limits(root, target, iops, bytes_per_second)

    async def set_memory(self, name: str, requested_bytes: int) -> None:
        self.did(f"memory {requested_bytes}")
        with self.live(name) as root:
            _set_memory(root, requested_bytes, taken=self.guest_lets_go)

    async def set_balloon(self, name: str, size_bytes: int) -> None:
        self.did(f"balloon {size_bytes}")
        with self.live(name) as root:
            if self.guest_lets_go:
                taken = root.findtext("devices/memory/target/current") or "0"
                _child(root, "currentMemory").text = str(size_bytes // 1024 + int(taken))


def values_of(state: int, live_xml: str | None) -> dict[str, int]:
    """What the domain's figures are: half of what a running guest has is free."""
    values = {"cpu.time": 1, "state.state": int(state)}
    if live_xml is not None:
        has = int(ElementTree.fromstring(live_xml).findtext("currentMemory") or "0")
        values |= {"balloon.current": has, "balloon.usable": has // 2}
    return values


def _set_link(root: Element, alias: str, *, up: bool) -> None:
    _child(_device(root, alias), "link").set("state", "up" if up else "down")


def _attach(root: Element, device: Element) -> None:
    if _alias_of(device) in {_alias_of(node) for node in root.iterfind("devices/*")}:
        raise TransientError("InternalError", f"non unique alias detected: {_alias_of(device)} (code 67)")
    _child(root, "devices").append(device)


def _detach(root: Element, alias: str) -> None:
    _child(root, "devices").remove(_device(root, alias))


def _change_medium(root: Element, alias: str, path: str | None) -> None:
    drive = _device(root, alias)
    for source in drive.findall("source"):
        drive.remove(source)
    if path is not None:
        _child(drive, "driver").set("type", "raw")
        ElementTree.SubElement(drive, "source", {"file": path})


def _set_cpu_tune(root: Element, shares: int, quota_us: int) -> None:
    tune = _child(root, "cputune")
    _child(tune, "shares").text = str(shares)
    _child(tune, "global_quota").text = str(quota_us)


def _pin_cpus(root: Element, vcpus: Sequence[Cpus], rest: Cpus) -> None:
    tune = _child(root, "cputune")
    for pin in tune.findall("vcpupin"):
        tune.remove(pin)
    for number, cpus in enumerate(vcpus):
        ElementTree.SubElement(tune, "vcpupin", {"vcpu": str(number), "cpuset": format_cpus(cpus)})
    _child(tune, "emulatorpin").set("cpuset", format_cpus(rest))


def _set_disk_limits(root: Element, target: str, iops: int, bytes_per_second: int) -> None:
    disk = root.find(f"devices/disk/target[@dev='{target}']/..")
    assert disk is not None
    for tune in disk.findall("iotune"):
        disk.remove(tune)
    tune = ElementTree.SubElement(disk, "iotune")
    for limit, value in (("total_iops_sec", iops), ("total_bytes_sec", bytes_per_second)):
        if value:
            _child(tune, limit).text = str(value)


def _set_memory(root: Element, requested_bytes: int, *, taken: bool) -> None:
    target = root.find("devices/memory/target")
    assert target is not None
    for field in ("requested", "current") if taken else ("requested",):
        _child(target, field).text = str(requested_bytes // 1024)


def _alias_of(device: Element) -> str:
    alias = device.find("alias")
    return alias.get("name", "") if alias is not None else ""


def _child(node: Element, tag: str) -> Element:
    """The child of this tag, made if it is missing."""
    found = node.find(tag)
    return found if found is not None else ElementTree.SubElement(node, tag)


def _device(root: Element, alias: str) -> Element:
    return next(node for node in root.iterfind("devices/*") if _alias_of(node) == alias)
