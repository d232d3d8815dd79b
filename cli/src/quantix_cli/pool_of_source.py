"""A volume made from another one, or from a snapshot, goes where that is, as the disks of a clone do.

The API itself takes the default pool where spec names none (api.md): so the pool is written into spec.
"""

from __future__ import annotations

from contextlib import suppress

from quantix_api.resources import STORAGE_POOLS, VIRTUAL_MACHINE_SNAPSHOTS, VOLUMES
from quantix_cli.nouns import Manifest, look
from quantix_cli.session import Session
from quantix_client.errors import Forbidden, NotFound


async def name_pool_of_source(session: Session, manifest: Manifest) -> None:
    """Of a new Volume that names no pool. An encrypted one does not go into Ceph, where none can be yet; of a
    source that is not seen, or nowhere yet, nothing is known.
    """
    spec, namespace = manifest["spec"], manifest["metadata"].get("namespace")
    with suppress(Forbidden, NotFound):
        pool = "" if spec.get("pool") else await _pool(session, look(spec, "source", {}), namespace)
        if pool and not (spec.get("encryption") and await _is_in_ceph(session, pool)):
            spec["pool"] = pool


async def _pool(session: Session, source: Manifest, namespace: str | None) -> str:
    if source.get("volume"):
        volume = await session.api.get(VOLUMES, source["volume"], namespace)
        return str(look(volume, "status.pool", ""))
    if source.get("snapshot"):
        wanted = source["snapshot"]
        kept = await session.api.get(VIRTUAL_MACHINE_SNAPSHOTS, wanted["name"], namespace)
        disks = (disk for disk in look(kept, "status.disks", []) if disk["name"] == wanted["disk"])
        return str(next((disk.get("pool") or "" for disk in disks), ""))
    return ""


async def _is_in_ceph(session: Session, pool: str) -> bool:
    return look(await session.api.get(STORAGE_POOLS, pool), "spec.rbd") is not None
