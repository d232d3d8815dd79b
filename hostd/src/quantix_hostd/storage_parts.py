"""What keeps data on this host, for both kinds of pool, put together once. Called by `assembly`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from quantix_hostd.ceph_pools import CephPools
from quantix_hostd.clients.ceph import CephClients
from quantix_hostd.clients.ceph_claims import CephClaimStore
from quantix_hostd.clients.ceph_state import CephStateObjects
from quantix_hostd.clients.claim_store import LocalClaimStore
from quantix_hostd.clients.claims_by_kind import ClaimsByKind
from quantix_hostd.clients.image_account import ImageAccount
from quantix_hostd.clients.qemu_img import QemuImg
from quantix_hostd.clients.rbd_import import RbdImport
from quantix_hostd.clients.state_store import StateByKind, StateFiles
from quantix_hostd.image.rbd_images import RbdImages
from quantix_hostd.pool_asks import PoolAsks
from quantix_hostd.pools import HostPools
from quantix_hostd.secret_values import SecretValues
from quantix_hostd.volume.disk_file import DiskFileMaker
from quantix_hostd.volume.rbd_disk import RbdDiskMaker
from quantix_hostd.volume.rbd_export import RbdExport
from quantix_hostd.volume.storage import StorageByKind


@dataclass(frozen=True)
class StorageParts:
    """One for a process. `cluster_uid` is "" while it is not known yet."""

    clients: CephClients
    claims: ClaimsByKind
    states: StateByKind
    pools_in_ceph: CephPools
    qemu_img: QemuImg
    importer: RbdImport
    cluster_uid: Callable[[], str]

    @classmethod
    def made(
        cls,
        host: str,
        secrets: SecretValues,
        qemu_img: QemuImg,
        account: ImageAccount | None,
        cluster_uid: Callable[[], str],
    ) -> StorageParts:
        """As a host has them; `account` as in `RbdImport`."""
        clients = CephClients(host)
        return cls(
            clients,
            ClaimsByKind(LocalClaimStore(), CephClaimStore(clients)),
            StateByKind(StateFiles(), CephStateObjects(clients)),
            CephPools(clients, secrets, cluster_uid),
            qemu_img,
            RbdImport(qemu_img, account),
            cluster_uid,
        )

    def disks(self, pools: HostPools) -> StorageByKind:
        """What makes the disks of volumes, once the cluster is known."""
        cluster_uid = self.cluster_uid()
        files = DiskFileMaker(
            self.qemu_img, self.claims, cluster_uid, PoolAsks(pools), RbdExport(pools.in_ceph), self.states
        )
        ceph = RbdDiskMaker(self.importer, self.claims, self.states, cluster_uid, pools.in_ceph)
        return StorageByKind(files, ceph)

    @property
    def images(self) -> RbdImages:
        """What keeps images in Ceph."""
        return RbdImages(self.importer, self.cluster_uid)
