"""The host's packet filter: our own tables, and a look at what others do to forwarded packets.

Used by `host.network`. `ip quantix` gives guests the host's address outside, `inet quantix` and `arp quantix`
keep them from the host itself. Only these are ever written; a firewall that drops what guests send cannot be
overruled from them (a later verdict of drop wins), so that is only found and reported.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from quantix_api.filter_tables import FAMILIES, TABLE
from quantix_hostd.clients.command import run


class NftClient:
    """`namespace` is the name of a network namespace (None: our own)."""

    def __init__(self, namespace: str | None = None) -> None:
        self._nft = ["nft"] if namespace is None else ["ip", "netns", "exec", namespace, "nft"]

    async def our_tables(self) -> str:
        """The text of our tables as nft prints it, "" when there are none."""
        texts = []
        for family in FAMILIES:
            result = await run(*self._nft, "list", "table", family, TABLE, check=False)
            texts.append(result.stdout if result.code == 0 else "")
        return "".join(texts)

    async def replace_our_tables(self, text: str) -> None:
        """Put `text` (from `render_tables`) in the place of our tables, in one step."""
        # Named first, so that deleting one that was not there is no error
        emptied = [f"table {family} {TABLE}\ndelete table {family} {TABLE}\n" for family in FAMILIES]
        await run(*self._nft, "-f", "-", stdin="".join((*emptied, text)))

    async def forward_blockers(self, device: str) -> tuple[str, ...]:
        """The chains of others that drop forwarded packets by policy and know no exception for `device`."""
        result = await run(*self._nft, "-j", "list", "ruleset")
        document = json.loads(result.stdout) if result.stdout.strip() else {}
        return find_forward_blockers(document.get("nftables", []), device)


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
        and chain["table"] != TABLE
        and (chain["family"], chain["table"]) not in tables_with_exception
    )
