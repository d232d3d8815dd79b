"""The kind FloatingIP: an address outside that leads to a NIC of a VM, and from it."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from quantix_api.markers import Doc, Fixed, Live, Rule, unchanged
from quantix_api.model import AGE, READY, REASON, ApiModel, ApiObject, Column, Definition, Status
from quantix_api.resources import FLOATING_IPS
from quantix_api.scalars import IP, DeviceName, Name, SharedName

IPv4 = Annotated[
    IP,
    Rule(
        "!isIP(self) || ip(self).family() == 4",
        "must be an IPv4 address: guests' IPv6 addresses are reached as they are",
    ),
]


class FloatingIPSpec(ApiModel):
    """What is wanted."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        unchanged("network", message="network cannot change: make a new floating IP"),
        unchanged("address", message="address cannot change: make a new floating IP"),
        Rule("!has(self.nic) || has(self.virtualMachine)", "nic needs virtualMachine"),
    )

    network: Annotated[SharedName, Fixed("Network that the address is of: NAME here, or shared/NAME.")]
    address: Annotated[IPv4 | None, Fixed("The address, IPv4. Absent: chosen once and kept.")] = None
    virtual_machine: Annotated[
        Name | None, Live("VM of this namespace that it leads to. Absent: it leads nowhere and is kept.")
    ] = None
    nic: Annotated[DeviceName | None, Live("NIC of that VM. Absent: its first.")] = None


class FloatingIPStatus(Status):
    """What is so."""

    address: Annotated[IP | None, Doc("The address that it is.")] = None
    mode: Annotated[
        Literal["Distributed", "Centralized"] | None,
        Doc(
            "Where it is translated: Distributed on the host of the VM, Centralized on the host that carries "
            "the router's way out. Absent: it leads nowhere."
        ),
    ] = None
    nic: Annotated[DeviceName | None, Doc("NIC that it leads to.")] = None
    nic_address: Annotated[IP | None, Doc("Address of that NIC in its own network.")] = None
    router: Annotated[SharedName | None, Doc("Router that translates: NAME here, or shared/NAME.")] = None


class FloatingIP(ApiObject):
    """An address outside of its own that leads to a NIC of a VM, and that the guest goes out with."""

    DEFINITION: ClassVar[Definition] = Definition(
        FLOATING_IPS,
        ("fip",),
        (
            READY,
            Column("Address", ".status.address"),
            Column("VM", ".spec.virtualMachine"),
            REASON,
            AGE,
        ),
        selectable=(".spec.virtualMachine",),
    )

    spec: Annotated[FloatingIPSpec, Live("What is wanted.")]
    status: FloatingIPStatus = FloatingIPStatus()
