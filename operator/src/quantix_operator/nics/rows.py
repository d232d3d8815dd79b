"""The northbound rows of one VM: a switch port for each NIC, and its limits.

Pure; called by `nics.ports`. A port lives as long as its VM: it is the record of MAC and addresses. Starting
and stopping changes nothing but `requested-chassis`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from quantix_api import identity
from quantix_api.quantities import size_bytes
from quantix_api.vm_devices import NicQoS
from quantix_operator.ipam.ledger import Allocation
from quantix_operator.northbound.limits import bandwidth
from quantix_operator.northbound.match import Direction, of_port
from quantix_operator.northbound.rows import DesiredRow, Owner, RowRef, SetRef
from quantix_operator.topology.view import NetworkView

NO_CHASSIS = "quantix-none"
"""A chassis that cannot exist. Without any, a left-over interface on some host could claim the port."""
LINK_LOCAL = "fe80::/64"
_DIRECTIONS: tuple[Direction, ...] = ("to-lport", "from-lport")
_LIMIT_PRIORITY = 1000


@dataclass(frozen=True)
class PortPlan:
    """All that the rows of a NIC depend on. `groups` are the sets of ports that it is in, `limits` its most
    bits in a second by direction.
    """

    nic: str
    view: NetworkView
    allocation: Allocation
    secured: bool
    groups: frozenset[SetRef]
    limits: Mapping[Direction, int] = field(default_factory=dict)


def vm_rows(
    owner: Owner, hostname: str, chassis: Sequence[str], ports: Sequence[PortPlan]
) -> list[DesiredRow]:
    """The ports of a VM and their limits; `chassis` are the UIDs of the hosts that may bind them now, two
    while it moves.
    """
    options = {"requested-chassis": ",".join(chassis) or NO_CHASSIS}
    if hostname:
        # In quotes of its own: unquoted, northd's answer to DHCP is one that no ovn-controller can parse
        options["hostname"] = f'"{hostname}"'
    rows = [_port(owner, options, port) for port in ports]
    return [*rows, *(row for port in ports for row in _limits(owner, port))]


def refs_of_nic(owner: Owner, nic: str) -> tuple[RowRef, ...]:
    """Every row that a NIC may have."""
    limits = (owner.ref("QoS", _limit_key(nic, direction)) for direction in _DIRECTIONS)
    return (owner.ref("Logical_Switch_Port", nic), *limits)


def limits_of(qos: NicQoS | None) -> dict[Direction, int]:
    """A NIC's limits in bits a second: ingress is what the guest receives, egress what it sends."""
    if qos is None:
        return {}
    wanted: dict[Direction, str | None] = {
        "to-lport": qos.ingress_bits_per_second,
        "from-lport": qos.egress_bits_per_second,
    }
    return {direction: size_bytes(rate) for direction, rate in wanted.items() if rate is not None}


def _limits(owner: Owner, port: PortPlan) -> Iterator[DesiredRow]:
    name = UUID(identity.nic_port_name(owner.cluster, owner.uid, port.nic))
    rules = SetRef(*port.view.switch, "qos_rules")
    for direction, bits_per_second in port.limits.items():
        yield owner.row(
            "QoS",
            _limit_key(port.nic, direction),
            parents=[rules],
            priority=_LIMIT_PRIORITY,
            direction=direction,
            match=of_port(direction, name),
            bandwidth=bandwidth(bits_per_second),
        )


def _limit_key(nic: str, direction: Direction) -> str:
    return f"{nic}/{direction}"


def _port(owner: Owner, options: dict[str, str], port: PortPlan) -> DesiredRow:
    view, allocation = port.view, port.allocation
    address = " ".join((allocation.mac, *allocation.addresses))
    dhcp4, dhcp6 = view.dhcp_options(4), view.dhcp_options(6)
    return owner.row(
        "Logical_Switch_Port",
        port.nic,
        parents=[view.ports, *port.groups],
        name=identity.nic_port_name(owner.cluster, owner.uid, port.nic),
        type="",
        addresses=frozenset({address} if port.secured else {address, "unknown"}),
        port_security=frozenset({_secured(port)} if port.secured else set[str]()),
        dhcpv4_options=dhcp4.uuid if dhcp4 is not None else None,
        dhcpv6_options=dhcp6.uuid if dhcp6 is not None else None,
        options=options,
    )


def _secured(port: PortPlan) -> str:
    """Whose sender a guest may be. Link-local addresses need not be EUI-64: without the whole prefix such a
    guest's neighbour solicitations are dropped, and with them all its IPv6.
    """
    view, allocation = port.view, port.allocation
    allowed = [allocation.mac, *allocation.addresses]
    if not allocation.addresses and not view.subnets:
        # A wire without subnets of ours: only the MAC is checked
        return allocation.mac
    if view.v6 is not None and view.v6.slaac:
        allowed.append(view.v6.cidr)
    return " ".join([*allowed, LINK_LOCAL])
