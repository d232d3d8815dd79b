"""What changes a running domain through libvirt, each a function of the domain for one thread.

Used by `clients/libvirt.py` only. All touch the running domain and not its definition, which is rendered anew
before every start (docs/adr/0020). Source: libvirt 9.0, libvirt-domain.h.
"""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

import libvirt

from quantix_hostd.domainxml.element import Element
from quantix_hostd.domainxml.memory import MEMORY_ALIAS

_LIVE = libvirt.VIR_DOMAIN_AFFECT_LIVE


def set_link(domain: Any, alias: str, *, up: bool) -> None:
    nic = _device(domain, alias)
    if nic is None:
        return
    link = nic.find("link")
    if link is None:
        link = ElementTree.SubElement(nic, "link")
    link.set("state", "up" if up else "down")
    _update(domain, nic)


def attach(domain: Any, xml: str) -> None:
    domain.attachDeviceFlags(xml, _LIVE)


def detach(domain: Any, alias: str) -> None:
    if _device(domain, alias) is None:
        return
    try:
        domain.detachDeviceAlias(alias, _LIVE)
    except libvirt.libvirtError as error:
        # QEMU keeps a request for some seconds, heard by the guest or not (hw/acpi/pcihp.c, 7.2)
        if "already in the process of unplug" not in str(error):
            raise


def change_medium(domain: Any, alias: str, path: str | None) -> None:
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
    _update(domain, drive)


def set_cores(domain: Any, cores: int) -> None:
    domain.setVcpusFlags(cores, _LIVE)


def set_cpu_tune(domain: Any, shares: int, quota_us: int) -> None:
    domain.setSchedulerParametersFlags({"cpu_shares": shares, "global_quota": quota_us}, _LIVE)


def set_disk_limits(domain: Any, target: str, iops: int, bytes_per_second: int) -> None:
    # the whole group at once: what is left out becomes 0 all the same
    domain.setBlockIoTune(target, {"total_iops_sec": iops, "total_bytes_sec": bytes_per_second}, _LIVE)


def set_memory(domain: Any, requested_bytes: int) -> None:
    memory = _device(domain, MEMORY_ALIAS)
    requested = memory.find("target/requested") if memory is not None else None
    if memory is None or requested is None:
        return
    requested.text, requested.attrib["unit"] = str(requested_bytes // 1024), "KiB"
    _update(domain, memory)


def _device(domain: Any, alias: str) -> Element | None:
    devices = ElementTree.fromstring(domain.XMLDesc(0)).iterfind("devices/*")
    return next((node for node in devices if node.find(f"alias[@name='{alias}']") is not None), None)


def _update(domain: Any, device: Element) -> None:
    domain.updateDeviceFlags(ElementTree.tostring(device, encoding="unicode"), _LIVE)
