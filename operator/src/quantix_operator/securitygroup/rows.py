"""The northbound rows of one SecurityGroup: a port group and an access rule for each thing it allows.

Pure; called by the controller. Rules only allow, so their order never matters; what no group allows is
dropped by the cluster's base group.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from quantix_api import SecurityGroup, identity
from quantix_api.inbound import DEFAULT_GROUP
from quantix_api.security_group import EgressRule, IngressRule, Peer
from quantix_operator.northbound.groups import INBOUND, OUTBOUND, RULE_PRIORITY, acl
from quantix_operator.northbound.match import (
    FAMILIES,
    AddressSetName,
    Direction,
    Family,
    PortRange,
    Prefixes,
    parse_prefixes,
    render_rule,
)
from quantix_operator.northbound.rows import DesiredRow, Owner, SetRef

INLINE_PREFIXES = 5
"""More prefixes than this go into an address set, which a host expands once."""


@dataclass(frozen=True)
class GroupPlan:
    """The rows of a group, and the groups that it names and that are not there."""

    rows: tuple[DesiredRow, ...]
    missing: tuple[str, ...]


def security_group_owner(cluster_uid: str, group: SecurityGroup) -> Owner:
    """The owner of the rows of a SecurityGroup."""
    return Owner(cluster_uid, group.metadata.uid, "SecurityGroup", group.key)


def group_set(owner: Owner) -> SetRef:
    """The members of a SecurityGroup's port group."""
    return SetRef(*owner.ref("Port_Group"), "ports")


def lists_egress(group: SecurityGroup) -> bool:
    """Whether the group restricts what its members may send."""
    return group.spec.egress is not None


def plan_group(owner: Owner, group: SecurityGroup, uids: Mapping[str, str]) -> GroupPlan:
    """The port group and its rules; `uids` are the groups of the namespace by name.

    A peer group that is not there allows nothing; it is named in `missing`.
    """
    name = identity.port_group_name(owner.uid)
    rows: dict[str, DesiredRow] = {}
    missing: set[str] = set()
    parent = SetRef(*owner.ref("Port_Group"), "acls")
    port_group = owner.row("Port_Group", name=name)
    rules: list[tuple[Direction, IngressRule | EgressRule, tuple[Peer, ...]]] = [
        *((INBOUND, rule, rule.from_) for rule in group.spec.ingress),
        *((OUTBOUND, rule, rule.to) for rule in group.spec.egress or ()),
    ]
    for direction, rule, peers in rules:
        missing.update(peer.group for peer in peers if peer.group is not None and peer.group not in uids)
        for family in FAMILIES:
            for row in _rule_rows(owner, parent, direction, rule, _peers(owner, peers, family, uids), family):
                rows[str(row.ref.uuid)] = row
    return GroupPlan((port_group, *rows.values()), tuple(sorted(missing)))


@dataclass(frozen=True)
class _PeerMatch:
    match: AddressSetName | Prefixes | None
    rows: tuple[DesiredRow, ...] = ()


def _rule_rows(
    owner: Owner,
    parent: SetRef,
    direction: Direction,
    rule: IngressRule | EgressRule,
    peers: Iterable[_PeerMatch],
    family: Family,
) -> Iterator[DesiredRow]:
    ports = [PortRange(item.port, item.end_port or item.port) for item in rule.ports]
    for peer in peers:
        yield from peer.rows
        match = render_rule(
            direction, identity.port_group_name(owner.uid), family, rule.protocol, ports, peer.match
        )
        yield acl(owner, parent, direction, RULE_PRIORITY, match, "allow-related")


def _peers(
    owner: Owner, peers: tuple[Peer, ...], family: Family, uids: Mapping[str, str]
) -> Iterator[_PeerMatch]:
    """What a rule's peers match in one family: anyone when it names none."""
    if not peers:
        yield _PeerMatch(None)
        return
    for peer in peers:
        if peer.group is not None and peer.group in uids:
            # northd keeps these two sets for each port group (ovn-nb(5), Port_Group)
            yield _PeerMatch(AddressSetName(f"{identity.port_group_name(uids[peer.group])}_ip{family}"))
    prefixes = parse_prefixes((peer.cidr for peer in peers if peer.cidr is not None), family)
    if len(prefixes) > INLINE_PREFIXES:
        texts = [str(prefix) for prefix in prefixes]
        key = hashlib.sha256(",".join(texts).encode()).hexdigest()[:32]
        name = f"qx_as_{owner.ref('Address_Set', key).uuid.hex}"
        row = owner.row("Address_Set", key, name=name, addresses=frozenset(texts))
        yield _PeerMatch(AddressSetName(name), (row,))
    elif prefixes:
        yield _PeerMatch(Prefixes(prefixes))


def default_group(namespace: str) -> dict[str, object]:
    """The group `default` of a namespace as the operator makes it once; the user's from then on."""
    return {
        "apiVersion": "quantix.io/v1alpha1",
        "kind": "SecurityGroup",
        "metadata": {
            "name": DEFAULT_GROUP,
            "namespace": namespace,
            "labels": {"app.kubernetes.io/managed-by": "quantix"},
        },
        "spec": {
            "ingress": [
                {"protocol": "Any", "from": [{"group": DEFAULT_GROUP}]},
                {"protocol": "ICMP"},
                {"protocol": "TCP", "ports": [{"port": 22}, {"port": 3389}]},
            ]
        },
    }
