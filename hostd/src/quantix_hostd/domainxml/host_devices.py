"""Devices of the host that the guest has to itself: PCI functions, SR-IOV's among them, and mediated ones.

Source: libvirt 9.0, formatdomain.html, "Host device assignment". libvirt binds a PCI function to vfio-pci at
the start and gives it back to its driver at the end.
"""

from __future__ import annotations

import re

from quantix_hostd.domainxml.element import Element, element
from quantix_hostd.domainxml.pcie import behind, root_port_of
from quantix_hostd.domainxml.spec import DomainSpec, HostDevice

_PCI = re.compile(r"^([0-9a-f]{4}):([0-9a-f]{2}):([0-9a-f]{2})[.]([0-7])$")


def configure_host_devices(spec: DomainSpec) -> list[Element]:
    return [_device(device) for device in spec.host_devices]


def _device(device: HostDevice) -> Element:
    address = _PCI.match(device.seat.source)
    common = element("alias", {"name": f"ua-{device.name}"}), behind(root_port_of(device.port))
    if address is None:
        source = element("source", {}, element("address", {"uuid": device.seat.source}))
        attributes = {"mode": "subsystem", "type": "mdev", "model": "vfio-pci", "managed": "no"}
        return element("hostdev", attributes, source, *common)
    parts = zip(("domain", "bus", "slot", "function"), address.groups(), strict=True)
    place = element("address", {name: f"0x{number}" for name, number in parts})
    return element(
        "hostdev",
        {"mode": "subsystem", "type": "pci", "managed": "yes"},
        element("driver", {"name": "vfio"}),
        element("source", {}, place),
        *common,
    )


def source_of(hostdev: Element) -> str:
    """The PCI address or UUID of a host device in a domain's XML; "" for one of another kind."""
    found = hostdev.find("source/address")
    if found is None:
        return ""
    if hostdev.get("type") == "mdev":
        return found.get("uuid", "")
    numbers = [int(found.get(name, "0"), 0) for name in ("domain", "bus", "slot", "function")]
    return "{:04x}:{:02x}:{:02x}.{:x}".format(*numbers)
