"""The port groups that belong to the cluster, and the form of an access rule.

Used by securitygroup (whose rules stand above the base), nics (membership) and cluster (the hosts' own legs).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from quantix_operator.northbound.match import FAMILIES, Direction, members
from quantix_operator.northbound.rows import DesiredRow, Owner, SetRef

BASE_GROUP = "qx_base"
"""Every NIC with port security: what no rule allows is dropped."""
EGRESS_GROUP = "qx_egress"
"""NICs of which no security group lists egress: everything may go out."""
WIRE_GROUP = "qx_wire"
"""NICs with port security on a wire whose DHCP is the site's."""
HOSTS_GROUP = "qx_hosts"
"""The hosts' own legs: nothing may come in that was not asked for."""

DROP_PRIORITY = 1000
BASE_PRIORITY = 1100
RULE_PRIORITY = 2000
GUARD_PRIORITY = 32000

INBOUND: Direction = "to-lport"
OUTBOUND: Direction = "from-lport"

# Neighbour discovery and multicast listeners: under a drop on OVN before 23.06, IPv6 ends without them
_NEIGHBOURS_IN = "(nd || nd_ra || mldv1 || mldv2)"
_NEIGHBOURS_OUT = "(nd || nd_rs || mldv1 || mldv2)"
_DHCP4_REQUEST = "ip4 && udp.src == 68 && udp.dst == 67"
_DHCP6_REQUEST = "ip6 && udp.src == 546 && udp.dst == 547"
_DHCP4_ANSWER = "ip4 && udp.src == 67 && udp.dst == 68"
_DHCP6_ANSWER = "ip6 && udp.src == 547 && udp.dst == 546"


def acl(
    owner: Owner, parent: SetRef, direction: Direction, priority: int, match: str, action: str
) -> DesiredRow:
    """One rule. Its UUID depends on what it says, so a rule that stays is not touched when others change."""
    digest = hashlib.sha256(match.encode()).hexdigest()[:32]
    return owner.row(
        "ACL",
        f"{parent.uuid}/{direction}/{priority}/{action}/{digest}",
        parents=[parent],
        direction=direction,
        priority=priority,
        match=match,
        action=action,
    )


def group_acls(owner: Owner, name: str) -> SetRef:
    """The set of rules of a port group that `port_group` made."""
    return SetRef(*owner.ref("Port_Group", name), "acls")


def port_group(owner: Owner, name: str) -> DesiredRow:
    """A port group; its members are the ports' own business."""
    return owner.row("Port_Group", name, name=name)


def cluster_groups(cluster: Owner) -> Iterator[DesiredRow]:
    """The groups that every port and every host leg can be in."""
    for name in (BASE_GROUP, EGRESS_GROUP, WIRE_GROUP, HOSTS_GROUP):
        yield port_group(cluster, name)
    base = group_acls(cluster, BASE_GROUP)
    for direction, neighbours in ((INBOUND, _NEIGHBOURS_IN), (OUTBOUND, _NEIGHBOURS_OUT)):
        member = members(direction, BASE_GROUP)
        yield acl(cluster, base, direction, DROP_PRIORITY, f"{member} && ip", "drop")
        for allowed in (neighbours, "igmp"):
            yield acl(cluster, base, direction, BASE_PRIORITY, f"{member} && {allowed}", "allow-related")
    for request in (_DHCP4_REQUEST, _DHCP6_REQUEST):
        match = f"{members(OUTBOUND, BASE_GROUP)} && {request}"
        yield acl(cluster, base, OUTBOUND, BASE_PRIORITY, match, "allow-related")
    yield from _free_outbound(cluster, EGRESS_GROUP)
    yield from _site_dhcp(cluster)
    hosts = group_acls(cluster, HOSTS_GROUP)
    inbound = members(INBOUND, HOSTS_GROUP)
    yield acl(cluster, hosts, INBOUND, DROP_PRIORITY, f"{inbound} && ip", "drop")
    yield acl(cluster, hosts, INBOUND, BASE_PRIORITY, f"{inbound} && {_NEIGHBOURS_IN}", "allow-related")
    yield from _free_outbound(cluster, HOSTS_GROUP)


def _site_dhcp(cluster: Owner) -> Iterator[DesiredRow]:
    """Answers of the site's DHCP servers come in, and no guest can pretend to be one.

    In a group and not on the wire's switch: a switch without a member of a group does not know the group, and
    no ovn-controller could parse the rule.
    """
    wire = group_acls(cluster, WIRE_GROUP)
    for answer in (_DHCP4_ANSWER, _DHCP6_ANSWER):
        inbound, outbound = (f"{members(way, WIRE_GROUP)} && {answer}" for way in (INBOUND, OUTBOUND))
        yield acl(cluster, wire, INBOUND, BASE_PRIORITY, inbound, "allow-related")
        yield acl(cluster, wire, OUTBOUND, GUARD_PRIORITY, outbound, "drop")


def _free_outbound(cluster: Owner, group: str) -> Iterator[DesiredRow]:
    for family in FAMILIES:
        match = f"{members(OUTBOUND, group)} && ip{family}"
        yield acl(cluster, group_acls(cluster, group), OUTBOUND, RULE_PRIORITY, match, "allow-related")
