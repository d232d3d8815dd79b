"""What Ceph itself says of the RBD images of volumes: who has one open, and whom its claim names.

Outside all knowledge of the product, by the programs of Ceph's administrator. Used by end-to-end tests.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from quantix_lab.ceph_cluster import CephCluster
from quantix_lab.ceph_pools import FAST

Held = tuple[str, int]
"""Host and epoch."""


def watchers(cluster: CephCluster, handle: str) -> list[str]:
    """The addresses of the clients that have the image of a volume open, one for each client."""
    said = json.loads(cluster.rbd("status", f"{FAST}/{handle}", "--format", "json"))
    return sorted(str(watcher["address"]).partition(":")[0] for watcher in said["watchers"])


def holder(cluster: CephCluster, handle: str) -> Held | None:
    """Who may write to a volume by its claim; None where nobody may."""
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "claim"
        where = ("-p", FAST, "getomapval", f"quantix.claim.{handle}", "claim", str(file))
        cluster.run("rados", *where)
        held = json.loads(file.read_bytes())["holder"]
    return (held["host"], held["epoch"]) if held else None
