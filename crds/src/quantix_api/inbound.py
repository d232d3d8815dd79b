"""Which security groups count for a NIC, and what their rules let in. Pure; of the standard library alone.

Used by the models, by the operator, which turns rules into rows, and by `qx`, which says why nothing answers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from ipaddress import ip_address, ip_network
from typing import Any

DEFAULT_GROUP = "default"
"""The group of its namespace that a NIC is in which names none."""


def groups_that_count(port_security: str, named: Sequence[str] | None) -> tuple[str, ...]:
    """The groups of a NIC: none without port security, `default` where nothing is said (`named` is None)."""
    if port_security == "Disabled":
        return ()
    return (DEFAULT_GROUP,) if named is None else tuple(named)


def peers_let_in(groups: Iterable[Mapping[str, Any]], port: int) -> list[Mapping[str, Any]] | None:
    """Whom these SecurityGroups (JSON) let in on a TCP port: peers as their rules have them, each a `cidr` or
    a `group`. None: anyone; []: nobody.
    """
    found: list[Mapping[str, Any]] = []
    for rule in _rules_for(groups, port):
        if not rule.get("from"):
            return None
        found += rule["from"]
    return found


def is_among(peers: Iterable[Mapping[str, Any]], address: str) -> bool:
    """Whether a peer's `cidr` holds the address; who is in a `group` is not looked up."""
    prefixes = (ip_network(peer["cidr"], strict=False) for peer in peers if peer.get("cidr"))
    return any(ip_address(address) in prefix for prefix in prefixes)


def _rules_for(groups: Iterable[Mapping[str, Any]], port: int) -> Iterator[Mapping[str, Any]]:
    for group in groups:
        for rule in (group.get("spec") or {}).get("ingress") or ():
            ports = rule.get("ports") or ({"port": 1, "endPort": 65535},)
            fits = any(one["port"] <= port <= (one.get("endPort") or one["port"]) for one in ports)
            if fits and rule.get("protocol", "Any") in ("TCP", "Any"):
                yield rule
