"""What Ceph says of the room in one of its pools. Pure; used by `pool_rbd`.

Once a pool is full Ceph marks it so, for all of its quota is used or an OSD that it lies on is at the full
ratio, and its clients hold back each write until the mark goes (docs.ceph.com, "Set pool quotas", "No free
drive space"; Pacific, 16.2). No client hears of an error but one that asks for it (`clients.ceph`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from quantix_api.message_table_phrases import CEPH_OSD_FULL, CEPH_QUOTA_USED
from quantix_hostd.clients.pool_dir import Space


def room_of(name: str, df: Mapping[str, Any], pools: Sequence[Mapping[str, Any]]) -> Space:
    """The room of the pool that Ceph calls `name`: of the answers to `df detail` and `osd pool ls detail`.

    All zero while no manager of the cluster tells it. A quota is all that there is.
    """
    of_pools = {pool["name"]: pool["stats"] for pool in df.get("pools", ())}
    stats: Mapping[str, Any] = of_pools.get(name, {})
    stored, free = int(stats.get("stored", 0)), int(stats.get("max_avail", 0))
    capacity, quota = stored + free, int(stats.get("quota_bytes", 0))
    if quota and capacity:
        capacity, free = min(capacity, quota), min(free, max(quota - stored, 0))
    full = why_full(name, pools)
    return Space(capacity, 0 if full else free, full)


def why_full(name: str, pools: Sequence[Mapping[str, Any]]) -> str:
    """Why Ceph takes no write in the pool, "" while it does: of the answer to `osd pool ls detail`."""
    flags = next((pool["flags_names"].split(",") for pool in pools if pool["pool_name"] == name), ())
    if "full_quota" in flags:
        return CEPH_QUOTA_USED
    return CEPH_OSD_FULL if "full" in flags else ""
