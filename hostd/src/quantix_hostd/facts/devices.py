"""Devices of this host that guests may have to themselves: what the kernel tells, and what is offered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class PciFunction:
    """`id` is vendor:product, `class_code` what it is (such as 0x030000), `group` the IOMMU's ("": none).
    `interfaces`: those of its network interfaces that are up. `mediated`: how many more devices of each type
    it can make.
    """

    address: str
    id: str
    class_code: int = 0
    driver: str = ""
    group: str = ""
    numa_node: int | None = None
    interfaces: tuple[str, ...] = ()
    mediated: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class MediatedDevice:
    """One that is there, used or not; `parent` is the address of the function that makes it."""

    uuid: str
    parent: str
    type: str


@dataclass(frozen=True)
class DevicesFound:
    functions: tuple[PciFunction, ...] = ()
    mediated: tuple[MediatedDevice, ...] = ()


@dataclass(frozen=True)
class Seat:
    """What one guest can have. `source`: the PCI address, or the UUID of a mediated device, which has a
    `parent` and a `type`; no two guests have seats of one IOMMU `group`.
    """

    source: str
    group: str = ""
    parent: str = ""
    type: str = ""


@dataclass(frozen=True)
class OfferedDevice:
    """A function of which guests may have the whole or parts; `message` says why nobody can, "" if not."""

    class_: str
    address: str
    id: str = ""
    numa_node: int | None = None
    seats: tuple[Seat, ...] = ()
    message: str = ""


@dataclass(frozen=True)
class DeviceUse:
    """An offered device, how many guests could still have it, and one VM's UID that has it whole."""

    device: OfferedDevice
    free: int
    vm_uid: str = ""
