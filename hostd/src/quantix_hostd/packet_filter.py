"""The text of our tables in the host's packet filter. Pure.

Used by the plan of `host.network`. `ip quantix` gives guests the host's address outside, `inet quantix` keeps
them from the host itself; `clients.nft` puts them in.
"""

from __future__ import annotations

from collections.abc import Iterable

TABLE = "quantix"
FAMILIES = ("ip", "inet")
_ICMP = ("destination-unreachable", "echo-request", "time-exceeded", "parameter-problem")
_ICMPV6 = (
    *("destination-unreachable", "packet-too-big", "time-exceeded", "parameter-problem"),
    *("echo-request", "nd-neighbor-solicit", "nd-neighbor-advert"),
)
"""What guests may send to the host itself: pings, errors, and who has an address (RFC 4890, section 4.4).
Both in the order of their numbers, as `nft list` prints them."""


def render_tables(prefixes: Iterable[str], bridge: str) -> str:
    """Our tables. Packets from `prefixes` that leave by anything but `bridge` get the host's own address;
    what comes in by `bridge` for an address of the host itself, whichever, opens no connection.

    Written exactly as `nft list` prints it, so that both can be compared.
    """
    masquerade = (f'ip saddr {prefix} oifname != "{bridge}" masquerade' for prefix in sorted(set(prefixes)))
    guard = (
        f'iifname != "{bridge}" accept',
        "ct state established,related accept",
        f"icmp type {{ {', '.join(_ICMP)} }} accept",
        f"icmpv6 type {{ {', '.join(_ICMPV6)} }} accept",
        "drop",
    )
    return _table("ip", "postrouting", "nat hook postrouting priority srcnat", masquerade) + _table(
        "inet", "input", "filter hook input priority filter", guard
    )


def _table(family: str, chain: str, hook: str, rules: Iterable[str]) -> str:
    lines = [f"type {hook}; policy accept;", *rules]
    body = "".join(f"\t\t{line}\n" for line in lines)
    return f"table {family} {TABLE} {{\n\tchain {chain} {{\n{body}\t}}\n}}\n"
