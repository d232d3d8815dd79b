"""What lends volumes that are copied, for tests of what copies them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from quantix_api.layout import Layout
from quantix_hostd.claims import ClaimStore
from quantix_hostd.clients.files import FileOwner
from quantix_hostd.pools import HostPools
from quantix_hostd.volume.lending import Lending
from quantix_hostd.volume.noted_claims import NotedClaims


def lending_at(
    root: Path, claims: ClaimStore, on_return: Callable[[str], None], cluster_uid: str = "cluster-1"
) -> Lending:
    """Of host `h1`, with its notes below `root`; no volume is its own."""
    pools = HostPools({}, {}, "h1", Layout(root), FileOwner.current())
    noted = NotedClaims(claims, pools, "h1", lambda _: False, lambda _: False)
    return Lending(claims, noted, "h1", cluster_uid, on_return)
