"""A host with one pool and one Volume for tests of their controller. Disks and claims are real files."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, cast

from quantix_api import Image
from quantix_api.errors import TransientError
from quantix_api.host_spec import HostSpec
from quantix_api.layout import Layout
from quantix_api.messages import as_error, as_wait
from quantix_client.api import ApiClient
from quantix_client.clock import SystemClock
from quantix_hostd.clients.claim_store import LocalClaimStore
from quantix_hostd.clients.files import FileOwner
from quantix_hostd.clients.pool import Pool
from quantix_hostd.clients.qemu_img import Disk, QemuImg
from quantix_hostd.copy_bounds import CopyBounds
from quantix_hostd.facts.copies import CopyProgress
from quantix_hostd.pools import HostPools
from quantix_hostd.secret_values import SecretValues
from quantix_hostd.transfer.room import Room
from quantix_hostd.volume.controller import VolumeController
from quantix_hostd.volume.disk_file import DiskFileMaker
from quantix_hostd.volume.live_moves import LiveMoves
from quantix_hostd.volume.passphrases import Passphrases
from quantix_hostd.volume.storage import StorageByKind
from quantix_hostd.volume.tools import VolumeTools
from quantix_lab.fake_status_api import FakeStatusApi
from quantix_lab.open_sandbox import OpenSandbox
from quantix_lab.told_events import ToldEvents
from quantix_lab.volume_uploads import volume_uploads

UID = "6c1e0000-0000-4000-8000-000000000001"

KEY = "default/data"

MIB = 1 << 20


class SlowCopies:
    """Of images: they come from host h2, and never arrive. `came`: how far each has."""

    def __init__(self) -> None:
        self.came: CopyProgress | None = None

    async def ensure_copy(self, image: Image, pool: Pool) -> None:
        raise as_wait("ImageDownloading", 1.0, image=image.metadata.name, sender="host h2")

    def progress(self, image: Image) -> CopyProgress | None:
        return self.came


class SlowQemuImg(QemuImg):
    """Begins copies that never end."""

    def __init__(self) -> None:
        super().__init__(OpenSandbox())
        self.copying: list[Path] = []

    async def copy(self, source: Disk, target: Disk, bounds: CopyBounds) -> None:
        self.copying.append(target.path)
        try:
            await asyncio.Event().wait()
        finally:
            self.copying.remove(target.path)


class Departed:
    """Knows which VMs are gone from the host, unless libvirt cannot be asked."""

    def __init__(self) -> None:
        self.uids: set[str] = set()
        self.libvirt_is_away = False

    async def is_gone(self, vm_uid: str, epoch: int) -> bool:
        if self.libvirt_is_away:
            raise as_error(TransientError, "LibvirtDown", said="there is no connection to it")
        return vm_uid in self.uids


class OneVolume:
    """A host `h1` with one Volume that the scheduler gave to it; copies end only `copies_with` a QEMU."""

    def __init__(self, root: Path, copies_with: QemuImg | None = None) -> None:
        self.api = FakeStatusApi()
        self.volumes: dict[str, dict[str, Any]] = {}
        self.images: dict[str, dict[str, Any]] = {}
        self.machines: dict[str, dict[str, Any]] = {}
        self.namespaces: dict[str, dict[str, Any]] = {}
        self.path = root / "pool"
        spec = {"dir": {"path": str(self.path)}, "default": True}
        self.pool: dict[str, Any] = {"metadata": {"name": "local"}, "spec": spec}
        self.known_pools = {"local": self.pool}
        # what is there already an earlier hostd has left
        self.path.mkdir(exist_ok=True)
        claims = LocalClaimStore()
        self.qemu_img = SlowQemuImg()
        self.copies = SlowCopies()
        self.departed = Departed()
        self.woken: list[str] = []
        self.events = ToldEvents()
        pools = HostPools(self.known_pools, {}, "h1", Layout(root), FileOwner.current())
        self.uploads = volume_uploads(
            self.volumes,
            pools,
            "h1",
            api=self.api,
            namespaces=self.namespaces,
            qemu_img=copies_with,
            look_again=self.woken.append,
        )
        maker = StorageByKind(DiskFileMaker(copies_with or self.qemu_img, claims, "cluster-1"))
        self.controller = VolumeController(self._tools(pools, maker, claims), self.woken.append)
        metadata = {"name": "data", "namespace": "default", "uid": UID, "generation": 1}
        self.put({"metadata": metadata, "spec": {"size": "1Mi"}, "status": {"host": "h1"}})

    def _tools(self, pools: HostPools, maker: StorageByKind, claims: LocalClaimStore) -> VolumeTools:
        return VolumeTools(
            api=cast(ApiClient, self.api),
            passphrases=Passphrases(SecretValues(cast(ApiClient, self.api))),
            volumes=self.volumes,
            images=self.images,
            snapshots={},
            restores={},
            machines=self.machines,
            namespaces=self.namespaces,
            pools=pools,
            copies=self.copies,
            uploads=self.uploads,
            maker=maker,
            room=Room(),
            claims=claims,
            guests=self.departed,
            events=self.events,
            live_moves=LiveMoves(pools, maker, self.woken.append, HostSpec, SystemClock()),
            cluster_uid="cluster-1",
            host="h1",
        )

    @property
    def directory(self) -> Path:
        return self.path / "volumes" / UID

    @property
    def status(self) -> dict[str, Any]:
        status: dict[str, Any] = self.api.objects[UID]["status"]
        return status

    def put(self, manifest: dict[str, Any]) -> None:
        self.volumes[KEY] = self.api.put(manifest)

    def ask_for(self, size: str) -> None:
        volume = self.volumes[KEY]
        volume["spec"]["size"] = size
        volume["metadata"]["generation"] += 1
        self.put(volume)

    def answer(self, status: str, reason: str, message: str = "") -> None:
        """The operator says whether the pool has room for the size."""
        volume = self.volumes[KEY]
        generation = volume["metadata"]["generation"]
        said = {"type": "SizeGranted", "status": status, "reason": reason, "message": message}
        kept = [item for item in volume["status"]["conditions"] if item["type"] != "SizeGranted"]
        volume["status"]["conditions"] = [*kept, {**said, "observedGeneration": generation}]
        self.put(volume)

    async def reconcile(self) -> None:
        try:
            await self.controller.reconcile(KEY)
        finally:
            self.volumes[KEY] = self.api.objects[UID]

    def ready(self) -> dict[str, Any]:
        return next(item for item in self.status["conditions"] if item["type"] == "Ready")
