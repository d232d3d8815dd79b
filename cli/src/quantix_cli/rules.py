"""Rules of a security group in words: `tcp:80,443`, `udp:6000-6100`, `icmp`, `any`, and peers. Pure.

Used by `qx securitygroup create|set|explain`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from ipaddress import ip_address, ip_network
from typing import Any

from quantix_cli.exits import CommandError, Exit
from quantix_cli.nouns import Manifest

PROTOCOLS = {"tcp": "TCP", "udp": "UDP", "icmp": "ICMP", "any": "Any"}
_PORTS = re.compile(r"(\d{1,5})(?:-(\d{1,5}))?")
_GROUP = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?")
_MOST_PORT = 65535


def parse_rule(written: str, peers: Sequence[str], side: str) -> Manifest:
    """The rule; `side` is `from` or `to`. Raises CommandError (2)."""
    word, colon, ports = written.lower().partition(":")
    if word not in PROTOCOLS or (colon and word not in ("tcp", "udp")):
        known = "tcp:80, tcp:80,443, udp:6000-6100, tcp, icmp or any"
        raise CommandError(Exit.USAGE, f"{written} is no rule.", f"one such as {known}")
    rule: dict[str, Any] = {} if word == "any" else {"protocol": PROTOCOLS[word]}
    if colon:
        rule["ports"] = [_ports(part, written) for part in ports.split(",")]
    return rule | ({side: [parse_peer(peer) for peer in peers]} if peers else {})


def parse_peer(written: str) -> Manifest:
    """Addresses (`10.0.0.0/8`, `10.0.0.5`) or the name of a group. Raises CommandError (2)."""
    try:
        address = ip_address(written)
    except ValueError:
        pass
    else:
        return {"cidr": f"{written}/{address.max_prefixlen}"}
    if "/" in written or ":" in written:
        try:
            return {"cidr": str(ip_network(written))}
        except ValueError as error:
            raise CommandError(Exit.USAGE, f"{written} is no network: {error}.", "10.0.0.0/8") from error
    if not _GROUP.fullmatch(written):
        said = f"{written} is neither addresses nor a security group."
        raise CommandError(Exit.USAGE, said, "10.0.0.0/8, or the name of a group")
    return {"group": written}


def told_rule(rule: Manifest, side: str) -> str:
    """`tcp:80,443 from 10.0.0.0/8, group lb`."""
    protocol = str(rule.get("protocol", "Any")).lower()
    ports = ",".join(_told_ports(ports) for ports in rule.get("ports", []))
    peers = [peer.get("cidr") or f"group {peer.get('group')}" for peer in rule.get(side, [])]
    return f"{protocol}{f':{ports}' if ports else ''} {side} {', '.join(peers) or 'anyone'}"


def added(rules: Sequence[Manifest], new: Sequence[Manifest], side: str) -> list[Manifest]:
    """`rules` with those of `new` that are not there yet."""
    known = {told_rule(rule, side) for rule in rules}
    return [*rules, *(rule for rule in new if told_rule(rule, side) not in known)]


def removed(rules: Sequence[Manifest], gone: Sequence[Manifest], side: str) -> list[Manifest]:
    """`rules` without those of `gone`. Raises CommandError (5) for one that is not there."""
    words = [told_rule(rule, side) for rule in rules]
    for rule in gone:
        if told_rule(rule, side) not in words:
            there_are = f" There are: {'; '.join(words)}." if words else " There is none."
            said = f"No rule says {told_rule(rule, side)}.{there_are}"
            raise CommandError(Exit.NOT_FOUND, said, f"the words of one of these, with --{side}")
    leaving = {told_rule(rule, side) for rule in gone}
    return [rule for rule in rules if told_rule(rule, side) not in leaving]


def _ports(part: str, written: str) -> Manifest:
    found = _PORTS.fullmatch(part)
    first = int(found[1]) if found else 0
    last = int(found[2]) if found and found[2] else first
    if not 1 <= first <= last <= _MOST_PORT:
        raise CommandError(
            Exit.USAGE, f"{written}: {part or 'nothing'} is no port.", "tcp:80 or tcp:8000-8100"
        )
    return {"port": first} | ({"endPort": last} if last != first else {})


def _told_ports(ports: Manifest) -> str:
    last = f"-{ports['endPort']}" if "endPort" in ports else ""
    return f"{ports.get('port')}{last}"
