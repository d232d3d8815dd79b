"""The text of our tables in the host's packet filter. Pure.

Used by the plan of `host.network`. `ip quantix` gives guests the host's address outside, `inet quantix` and
`arp quantix` keep them from this host and from what else the platform is made of; `clients.nft` puts them in.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import ip_address

from quantix_api.filter_tables import ARRIVAL_PORTS, TABLE
from quantix_hostd.facts.links import HOST_LEG

_ICMP = ("destination-unreachable", "echo-request", "time-exceeded", "parameter-problem")
_ICMPV6 = (
    *("destination-unreachable", "packet-too-big", "time-exceeded", "parameter-problem"),
    *("echo-request", "nd-neighbor-solicit", "nd-neighbor-advert"),
)
"""What guests may send to the host itself: pings, errors, and who has an address (RFC 4890, section 4.4).
Both in the order of their numbers, as `nft list` prints them."""

_FOR_OTHERS = "fib daddr type != local accept"
_A_TAP = '{0} != "qx-*" {0} != "' + HOST_LEG + '" {0} "qx*" drop'
_BY_A_TAP, _INTO_A_TAP = _A_TAP.format("iifname"), _A_TAP.format("oifname")
"""What comes in by a guest's tap itself (`domainxml.spec.tap_name`). It is the switch's, which hears it
before the packet filter does; without the kernel's datapath the host's own stack hears it too and answers.
And what that stack says there of itself: who its routers are, what groups it hears, its own address."""
_NO_WAY_BACK = "fib saddr . iif oif missing"
_FROM_ELSEWHERE = (
    f"meta nfproto ipv4 {_NO_WAY_BACK} drop",
    f'meta nfproto ipv6 {_NO_WAY_BACK} fib saddr oifname != "{HOST_LEG}" drop',
)
"""Sources that this host would not answer by the way that they came. IPv6 is not translated, so guests of the
networks to which the leg leads come with their own addresses."""
_TUNNELS = "udp dport 6081 drop"
"""Geneve, all that tunnels between hosts are made of: with the address that it gets on its way it would come
from a host. Not even as an answer, and to nobody: another host may not be known here yet."""
# before conntrack's -400, which keeps fragments of all devices together until a packet is whole
_BEFORE_FRAGMENTS = "-450"


def render_tables(
    prefixes: Iterable[str],
    bridge: str,
    wires: Iterable[str] = (),
    senders: Iterable[str] = (),
    platform: Iterable[str] | None = None,
) -> str:
    """Our tables. Packets from `prefixes` that leave by anything but `bridge` get the host's own address;
    what comes in by `bridge` for an address of the host itself, whichever, opens no connection, neither to
    the host nor to a container whose port is published there; nor does what the host takes as meant for all.
    What comes in by it from an address that has no place there goes nowhere, and what is forwarded from there
    begins nothing with the addresses of `platform`; while these are not known (None), with nobody.
    What comes in by a guest's tap is not for the host at all, whatever it says, and the host says nothing
    there. So it is with `wires` that are ports of the switch: that of tunnels, whose bridge hears and answers
    with the same MAC, and those of the site, on which the host has no address.
    `senders` are the addresses of the hosts that send guests now: from there alone a connection to the ports
    where QEMU receives begins. One that has begun is never ended: a guest may be on its way by it.

    Written exactly as `nft list` prints it, so that both can be compared.
    """
    masquerade = (f'ip saddr {prefix} oifname != "{bridge}" masquerade' for prefix in sorted(set(prefixes)))
    closed = (
        "ct state established,related accept",
        f"icmp type {{ {', '.join(_ICMP)} }} accept",
        f"icmpv6 type {{ {', '.join(_ICMPV6)} }} accept",
        "drop",
    )
    from_guests = f'iifname != "{bridge}" accept'
    nat = ("postrouting", "nat hook postrouting priority srcnat", masquerade)
    # Before anybody's rules give the packet another destination: it would be forwarded, and never come in
    for_us = (from_guests, *_FROM_ELSEWHERE, _FOR_OTHERS, *closed)
    addressed = ("prerouting", "filter hook prerouting priority mangle", for_us)
    for_others = (from_guests, *_forwarded(platform))
    forwarded = ("forwarded", "filter hook forward priority filter", for_others)
    received = ("input", "filter hook input priority filter", (from_guests, *closed))
    ports = sorted(set(wires))
    by_a_port = (_BY_A_TAP, *(f'iifname "{wire}" drop' for wire in ports))
    into_a_port = (_INTO_A_TAP, *(f'oifname "{wire}" drop' for wire in ports))
    heard = ("heard", f"filter hook prerouting priority {_BEFORE_FRAGMENTS}", by_a_port)
    said = ("said", "filter hook output priority raw", into_a_port)
    asked = ("input", "filter hook input priority filter", by_a_port)
    asks = ("output", "filter hook output priority filter", into_a_port)
    arriving = ("arriving", "filter hook input priority filter", _arriving(senders))
    guards = _table("inet", heard, said, addressed, received, forwarded, arriving)
    return _table("ip", nat) + guards + _table("arp", asked, asks)


def _forwarded(platform: Iterable[str] | None) -> Iterator[str]:
    """For what guests send to others. It gets this host's address only after it was here."""
    # it would come from there with the address of the leg, whose guests know it for the host itself
    yield f'oifname "{HOST_LEG}" drop'
    yield _TUNNELS
    if platform is None:
        yield "ct state established,related accept"
        yield "drop"
        return
    # of floating IPs, to hosts as to everybody; what guests began is looked at at each packet
    yield "ct direction reply accept"
    known = sorted(map(ip_address, set(platform)), key=int)
    for family, version in (("ip", 4), ("ip6", 6)):
        addresses = [str(address) for address in known if address.version == version]
        if addresses:
            yield f"{family} daddr {_any_of(addresses)} drop"


def _any_of(values: list[str]) -> str:
    return f"{{ {', '.join(values)} }}" if len(values) > 1 else values[0]


def _arriving(senders: Iterable[str]) -> Iterator[str]:
    # programs of the host itself: the kernel gives ports of this range to any of them
    yield 'iifname "lo" accept'
    yield "ct state established,related accept"
    for sender in sorted(set(senders)):
        yield f"{'ip6' if ':' in sender else 'ip'} saddr {sender} accept"
    # TCP is named last: a condition on its ports is false of all that is none, neighbour discovery included
    yield f"tcp dport {'-'.join(map(str, ARRIVAL_PORTS))} drop"


def _table(family: str, *chains: tuple[str, str, Iterable[str]]) -> str:
    """Chains are (name, hook, rules)."""
    body = "\n".join(_chain(*chain) for chain in chains)
    return f"table {family} {TABLE} {{\n{body}}}\n"


def _chain(name: str, hook: str, rules: Iterable[str]) -> str:
    body = "".join(f"\t\t{line}\n" for line in (f"type {hook}; policy accept;", *rules))
    return f"\tchain {name} {{\n{body}\t}}\n"
