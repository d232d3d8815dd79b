"""What the room of snapshots acts with: a part of `bundles`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from quantix_api.resources import (
    NAMESPACES,
    VIRTUAL_MACHINE_RESTORES,
    VIRTUAL_MACHINE_SNAPSHOTS,
    VIRTUAL_MACHINES,
)
from quantix_hostd.snapshot.kept import KeptStore
from quantix_hostd.snapshot.storage import SnapshotStorage
from quantix_hostd.snapshot.tools import SnapshotTools
from quantix_hostd.virtualmachine.tools import VmTools

if TYPE_CHECKING:
    from quantix_hostd.assembly import Hostd


def snapshot_tools(hostd: Hostd, vms: VmTools) -> SnapshotTools:
    """For snapshots, and what is set back to them; `hostd` has made its volumes and VMs by then."""
    stores, layout = hostd.watches.stores, hostd.settings.layout
    return SnapshotTools(
        api=hostd.api,
        snapshots=stores[VIRTUAL_MACHINE_SNAPSHOTS],
        restores=stores[VIRTUAL_MACHINE_RESTORES],
        namespaces=stores[NAMESPACES],
        pools=hostd.pools,
        storage=SnapshotStorage(layout, hostd.qemu_img, hostd.storage.states),
        kept=KeptStore(layout),
        vms=vms,
        guests=hostd.machines,
        states=vms.states,
        lending=hostd.volumes.lending,
        room=hostd.room,
        passphrases=hostd.passphrases,
        events=hostd.events,
        look_again=partial(hostd.dispatcher.add, VIRTUAL_MACHINES),
        cluster_uid=hostd.cluster_uid,
        host=hostd.settings.name,
    )


@asynccontextmanager
async def kept_memory(hostd: Hostd, pool: str, snapshot: str) -> AsyncIterator[Path]:
    """What a snapshot keeps of a guest's memory."""
    storage = SnapshotStorage(hostd.settings.layout, hostd.qemu_img, hostd.storage.states)
    async with storage.memory(await hostd.pools.pool(pool), snapshot, hostd.room) as path:
        yield path
