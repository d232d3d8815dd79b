"""What changes a running domain through libvirt: a part of `clients/libvirt.py`.

All of it touches the running domain and not its definition, which is rendered anew
before every start (docs/adr/0020). Source: libvirt 9.0, libvirt-domain.h.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any
from xml.etree import ElementTree

import libvirt

from quantix_hostd.clients.hypervisor import Cpus
from quantix_hostd.domainxml.cpu import IOTHREAD
from quantix_hostd.domainxml.element import Element
from quantix_hostd.domainxml.memory import MEMORY_ALIAS

_LIVE = libvirt.VIR_DOMAIN_AFFECT_LIVE


class LiveChanges(ABC):
    """The live changes of `Hypervisor`."""

    @abstractmethod
    async def on_own(self, name: str, act: Callable[[Any], object], *, missing_ok: bool = False) -> None:
        """Act on a domain of ours in a thread: the client's part."""

    async def set_link(self, name: str, alias: str, *, up: bool) -> None:
        await self.on_own(name, lambda domain: _set_link(domain, alias, up=up))

    async def attach_device(self, name: str, xml: str) -> None:
        await self.on_own(name, lambda domain: _attach(domain, xml))

    async def detach_device(self, name: str, alias: str) -> None:
        await self.on_own(name, lambda domain: _detach(domain, alias))

    async def change_medium(self, name: str, alias: str, path: str | None) -> None:
        await self.on_own(name, lambda domain: _change_medium(domain, alias, path))

    async def set_cores(self, name: str, cores: int) -> None:
        await self.on_own(name, lambda domain: _set_cores(domain, cores))

    async def set_cpu_tune(self, name: str, shares: int, quota_us: int) -> None:
        await self.on_own(name, lambda domain: _set_cpu_tune(domain, shares, quota_us))

    async def pin_cpus(self, name: str, vcpus: Sequence[Cpus], rest: Cpus) -> None:
        await self.on_own(name, lambda domain: _pin_cpus(domain, vcpus, rest))

    async def set_disk_limits(self, name: str, target: str, iops: int, bytes_per_second: int) -> None:
        await self.on_own(name, lambda domain: _set_disk_limits(domain, target, iops, bytes_per_second))

    async def set_memory(self, name: str, requested_bytes: int) -> None:
        await self.on_own(name, lambda domain: _set_memory(domain, requested_bytes))

    async def set_balloon(self, name: str, size_bytes: int) -> None:
        await self.on_own(name, lambda domain: domain.setMemoryFlags(size_bytes // 1024, _LIVE))


def _set_link(domain: Any, alias: str, *, up: bool) -> None:
    nic = _device(domain, alias)
    if nic is None:
        return
    link = nic.find("link")
    if link is None:
        link = ElementTree.SubElement(nic, "link")
    link.set("state", "up" if up else "down")
    _update(domain, nic)


def _attach(domain: Any, xml: str) -> None:
    domain.attachDeviceFlags(xml, _LIVE)


def _detach(domain: Any, alias: str) -> None:
    if _device(domain, alias) is None:
        return
    try:
        domain.detachDeviceAlias(alias, _LIVE)
    except libvirt.libvirtError as error:
        # QEMU keeps a request for some seconds, heard by the guest or not (hw/acpi/pcihp.c, 7.2)
        if "already in the process of unplug" not in str(error):
            raise


def _change_medium(domain: Any, alias: str, path: str | None) -> None:
    drive = _device(domain, alias)
    if drive is None:
        return
    for tag in ("source", "backingStore"):
        for node in drive.findall(tag):
            drive.remove(node)
    driver = drive.find("driver")
    if path is not None and driver is not None:
        driver.set("type", "raw")
        source = ElementTree.SubElement(drive, "source", {"file": path})
        ElementTree.SubElement(source, "seclabel", {"model": "dac", "relabel": "no"})
    try:
        _update(domain, drive)
    except libvirt.libvirtError as error:
        # A guest that has locked the tray was asked to open it, and had 5 s (qemu_hotplug.c, 9.0)
        if "tray" not in str(error):
            raise
        _update(domain, drive, libvirt.VIR_DOMAIN_DEVICE_MODIFY_FORCE)


def _set_cores(domain: Any, cores: int) -> None:
    domain.setVcpusFlags(cores, _LIVE)


def _set_cpu_tune(domain: Any, shares: int, quota_us: int) -> None:
    domain.setSchedulerParametersFlags({"cpu_shares": shares, "global_quota": quota_us}, _LIVE)


def _pin_cpus(domain: Any, vcpus: Sequence[Cpus], rest: Cpus) -> None:
    for number, cpus in enumerate(vcpus):
        domain.pinVcpuFlags(number, _map_of(cpus), _LIVE)
    domain.pinEmulator(_map_of(rest), _LIVE)
    domain.pinIOThread(IOTHREAD, _map_of(rest), _LIVE)


def _map_of(cpus: Cpus) -> tuple[bool, ...]:
    return tuple(cpu in cpus for cpu in range(max(cpus) + 1))


def _set_disk_limits(domain: Any, target: str, iops: int, bytes_per_second: int) -> None:
    # the whole group at once: what is left out becomes 0 all the same
    domain.setBlockIoTune(target, {"total_iops_sec": iops, "total_bytes_sec": bytes_per_second}, _LIVE)


def _set_memory(domain: Any, requested_bytes: int) -> None:
    memory = _device(domain, MEMORY_ALIAS)
    requested = memory.find("target/requested") if memory is not None else None
    if memory is None or requested is None:
        return
    requested.text, requested.attrib["unit"] = str(requested_bytes // 1024), "KiB"
    _update(domain, memory)


def _device(domain: Any, alias: str) -> Element | None:
    devices = ElementTree.fromstring(domain.XMLDesc(0)).iterfind("devices/*")
    return next((node for node in devices if node.find(f"alias[@name='{alias}']") is not None), None)


def _update(domain: Any, device: Element, flags: int = 0) -> None:
    domain.updateDeviceFlags(ElementTree.tostring(device, encoding="unicode"), _LIVE | flags)
