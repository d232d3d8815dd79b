"""The controller of volumes in the world of a host's VMs, for tests of what both do to one volume."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, cast

from quantix_api.errors import QuantixError
from quantix_api.resources import (
    IMAGES,
    NAMESPACES,
    VIRTUAL_MACHINE_RESTORES,
    VIRTUAL_MACHINE_SNAPSHOTS,
    VIRTUAL_MACHINES,
    VOLUMES,
)
from quantix_client.api import ApiClient
from quantix_hostd.clients.qemu_img import QemuImg
from quantix_hostd.secret_values import SecretValues
from quantix_hostd.transfer.room import Room
from quantix_hostd.virtualmachine.departed import DepartedGuests
from quantix_hostd.virtualmachine.objects import StoredObjects
from quantix_hostd.volume.controller import VolumeController
from quantix_hostd.volume.disk_file import DiskFileMaker
from quantix_hostd.volume.passphrases import Passphrases
from quantix_hostd.volume.storage import StorageByKind
from quantix_hostd.volume.tools import VolumeTools
from quantix_lab.mortality import Mortality
from quantix_lab.one_volume import SlowCopies
from quantix_lab.vm_world import CLUSTER, HOST, VmWorld
from quantix_lab.volume_uploads import volume_uploads


class VolumesPart:
    """hostd's part that acts on volumes; one made anew is that of a hostd that was restarted."""

    def __init__(self, world: VmWorld, qemu_img: QemuImg | None = None, mortal: Mortality | None = None):
        guard = mortal.guard if mortal else lambda client: client
        claims = guard(world.claims)
        objects = StoredObjects(HOST, world.stores, lambda: world.synced)
        self.world = world
        self.controller = VolumeController(
            VolumeTools(
                api=cast(ApiClient, guard(world.api)),
                passphrases=Passphrases(SecretValues(world.api)),
                volumes=world.stores[VOLUMES],
                images=world.stores[IMAGES],
                snapshots=world.stores[VIRTUAL_MACHINE_SNAPSHOTS],
                restores=world.stores[VIRTUAL_MACHINE_RESTORES],
                machines=world.stores[VIRTUAL_MACHINES],
                namespaces=world.stores[NAMESPACES],
                pools=world.pools,
                copies=SlowCopies(),
                uploads=volume_uploads(world.stores[VOLUMES], world.pools, HOST),
                maker=_files_only(world, qemu_img) if qemu_img else world.disks,
                room=Room(),
                claims=claims,
                guests=DepartedGuests(objects, world.records, world.hypervisor, world.processes),
                events=world.events,
                live_moves=world.live_moves,
                cluster_uid=CLUSTER,
                host=HOST,
            ),
            world.woken.append,
        )

    async def look(self, key: str) -> dict[str, Any]:
        """One look at a volume, and the watch that follows it; its status then."""
        store = self.world.stores[VOLUMES]
        store[key] = self.world.api.put(store[key])
        with suppress(QuantixError):
            await self.controller.reconcile(key)
        store[key] = self.world.api.objects[store[key]["metadata"]["uid"]]
        status: dict[str, Any] = store[key]["status"]
        return status


def _files_only(world: VmWorld, qemu_img: QemuImg) -> StorageByKind:
    """What makes disks in directories with a qemu-img of the test's own."""
    return StorageByKind(DiskFileMaker(qemu_img, world.claims, CLUSTER))
