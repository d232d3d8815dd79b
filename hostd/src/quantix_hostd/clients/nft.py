"""The host's packet filter: our own table `ip quantix`, and a look at what others do to forwarded packets.

Used by `host.network`. Only our table is ever written; a firewall that drops what guests send cannot be
overruled from it (a later verdict of drop wins), so that is only found and reported.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from quantix_hostd.clients.command import run

_TABLE = "quantix"


class NftClient:
    """`namespace` is the name of a network namespace (None: our own)."""

    def __init__(self, namespace: str | None = None) -> None:
        self._nft = ["nft"] if namespace is None else ["ip", "netns", "exec", namespace, "nft"]

    async def our_table(self) -> str:
        """The text of our table as nft prints it, "" when there is none."""
        result = await run(*self._nft, "list", "table", "ip", _TABLE, check=False)
        return result.stdout if result.code == 0 else ""

    async def replace_our_table(self, text: str) -> None:
        """Put `text` (from `render_masquerade`) in the place of our table, in one step."""
        await run(*self._nft, "-f", "-", stdin=f"table ip {_TABLE}\ndelete table ip {_TABLE}\n{text}")

    async def forward_blockers(self, device: str) -> tuple[str, ...]:
        """The chains of others that drop forwarded packets by policy and know no exception for `device`."""
        result = await run(*self._nft, "-j", "list", "ruleset")
        document = json.loads(result.stdout) if result.stdout.strip() else {}
        return find_forward_blockers(document.get("nftables", []), device)


def render_masquerade(prefixes: Iterable[str], bridge: str) -> str:
    """Our table: packets from `prefixes` that leave by anything but `bridge` get the host's own address.

    Written exactly as `nft list` prints it, so that both can be compared.
    """
    rules = [f'\t\tip saddr {prefix} oifname != "{bridge}" masquerade' for prefix in sorted(set(prefixes))]
    chain = ["\tchain postrouting {", "\t\ttype nat hook postrouting priority srcnat; policy accept;"]
    return "\n".join([f"table ip {_TABLE} {{", *chain, *rules, "\t}", "}", ""])


def find_forward_blockers(rules: Iterable[dict[str, Any]], device: str) -> tuple[str, ...]:
    """From nft's JSON: base chains of IPv4 forwarding with policy drop, unless a rule there accepts
    `device`.
    """
    items = list(rules)
    tables_with_exception = {
        (rule["family"], rule["table"])
        for rule in (item["rule"] for item in items if "rule" in item)
        if device in json.dumps(rule["expr"]) and '"accept"' in json.dumps(rule["expr"])
    }
    return tuple(
        f"{chain['family']} {chain['table']} {chain['name']}"
        for chain in (item["chain"] for item in items if "chain" in item)
        if chain.get("hook") == "forward"
        and chain.get("policy") == "drop"
        and chain["family"] in ("ip", "inet")
        and chain["table"] != _TABLE
        and (chain["family"], chain["table"]) not in tables_with_exception
    )
