"""Where devices sit on PCI Express: the same place at every start, whatever else comes or goes.

Root ports 1–8 are reserved for the devices that every domain has; the operator's port number N is root port
8 + N, so that adding a built-in device later moves none of a user's. libvirt fills gaps between controller
indexes itself, hence one unbroken row. Called by the configurators.
"""

from __future__ import annotations

from enum import IntEnum

from quantix_hostd.domainxml.element import Element, element
from quantix_hostd.domainxml.spec import DomainSpec

RESERVED_PORTS = 8
SPARE_PORTS = 8
_FIRST_SLOT = 2
_FUNCTIONS_PER_SLOT = 8


class BuiltinPort(IntEnum):
    """Root ports of the devices that are not a user's; never renumbered."""

    VIRTIO_SERIAL = 1
    BALLOON = 2
    RNG = 3
    XHCI = 4
    SCSI = 5
    MEMORY = 6


def root_port_of(device_port: int) -> int:
    """The root port of the device with the operator's number `device_port` (1, 2, …)."""
    return RESERVED_PORTS + device_port


def behind(root_port: int) -> Element:
    """The address of the only device behind a root port."""
    return _address(bus=root_port, slot=0)


def on_root_bus(slot: int, function: int = 0) -> Element:
    return _address(bus=0, slot=slot, function=function)


def controllers(spec: DomainSpec) -> list[Element]:
    """pcie-root first (define fails without it), then every root port with its spare ones."""
    ports = [disk.port for disk in spec.disks] + [nic.port for nic in spec.nics]
    ports += [device.port for device in spec.host_devices]
    used = max(ports, default=0)
    count = RESERVED_PORTS + used + SPARE_PORTS
    root = element("controller", {"type": "pci", "index": 0, "model": "pcie-root"})
    return [root, *(_root_port(index) for index in range(1, count + 1))]


def _root_port(index: int) -> Element:
    slot, function = divmod(index - 1, _FUNCTIONS_PER_SLOT)
    slot += _FIRST_SLOT
    address = _address(bus=0, slot=slot, function=function)
    if function == 0:
        address.set("multifunction", "on")
    return element(
        "controller",
        {"type": "pci", "index": index, "model": "pcie-root-port"},
        element("target", {"chassis": index, "port": f"0x{slot << 3 | function:x}"}),
        address,
    )


def _address(*, bus: int, slot: int, function: int = 0) -> Element:
    return element(
        "address",
        {
            "type": "pci",
            "domain": "0x0000",
            "bus": f"0x{bus:02x}",
            "slot": f"0x{slot:02x}",
            "function": f"0x{function:x}",
        },
    )
