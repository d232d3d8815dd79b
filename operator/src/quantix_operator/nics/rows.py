"""The northbound rows of one VM: a switch port for each NIC.

Pure; called by `nics.ports`. A port lives as long as its VM: it is the record of MAC and addresses. Starting
and stopping changes nothing but `requested-chassis`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from quantix_api import identity
from quantix_operator.network.view import NetworkView
from quantix_operator.nics.ledger import Assignment
from quantix_operator.northbound.rows import DesiredRow, Owner, SetRef

NO_CHASSIS = "quantix-none"
"""A chassis that cannot exist. Without any, a left-over interface on some host could claim the port."""
LINK_LOCAL = "fe80::/64"


@dataclass(frozen=True)
class PortPlan:
    """All that the row of a NIC depends on. `groups` are the sets of ports that it is in."""

    nic: str
    view: NetworkView
    assignment: Assignment
    secured: bool
    groups: frozenset[SetRef]


def vm_rows(
    owner: Owner, hostname: str, chassis: Sequence[str], ports: Sequence[PortPlan]
) -> list[DesiredRow]:
    """The ports of a VM; `chassis` are the UIDs of the hosts that may bind them now, two while it moves."""
    options = {"requested-chassis": ",".join(chassis) or NO_CHASSIS}
    if hostname:
        # In quotes of its own: unquoted, northd's answer to DHCP is one that no ovn-controller can parse
        options["hostname"] = f'"{hostname}"'
    return [_port(owner, options, port) for port in ports]


def _port(owner: Owner, options: dict[str, str], port: PortPlan) -> DesiredRow:
    view, assignment = port.view, port.assignment
    address = " ".join((assignment.mac, *assignment.addresses))
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
    view, assignment = port.view, port.assignment
    allowed = [assignment.mac, *assignment.addresses]
    if not assignment.addresses and not view.subnets:
        # A wire without subnets of ours: only the MAC is checked
        return assignment.mac
    if view.v6 is not None and view.v6.slaac:
        allowed.append(view.v6.cidr)
    return " ".join([*allowed, LINK_LOCAL])
