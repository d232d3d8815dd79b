"""A host with two pools and two Volumes, of which one is to be made from the other, for tests of their
controller. Disks and claims are real files.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from quantix_api.errors import QuantixError
from quantix_api.host_spec import HostSpec
from quantix_api.layout import Layout
from quantix_api.resources import Resource
from quantix_client.api import ApiClient
from quantix_client.clock import SystemClock
from quantix_client.errors import NotFound
from quantix_hostd.claims import Claim, VolumePlace
from quantix_hostd.clients.claim_store import LocalClaimStore
from quantix_hostd.clients.files import FileOwner
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
from quantix_lab.held_copies import HeldCopies
from quantix_lab.one_volume import Departed, SlowCopies
from quantix_lab.told_events import ToldEvents
from quantix_lab.volume_uploads import volume_uploads
from quantix_lab.waiting import eventually_async

CLUSTER = "cluster-1"


class NoSecrets:
    """None is there; `asked` names those that were wanted."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def get(self, resource: Resource, name: str, namespace: str | None = None) -> dict[str, Any]:
        self.asked.append(name)
        raise NotFound(f"There is no {resource.kind} {name}.")


class TwoVolumes:
    """Host `h1` with volume `source`, which is made, and `copy`, which is to be made from it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.api = FakeStatusApi()
        self.secrets = NoSecrets()
        self.volumes: dict[str, dict[str, Any]] = {}
        self.machines: dict[str, dict[str, Any]] = {}
        self.namespaces: dict[str, dict[str, Any]] = {}
        self.path, self.fast = root / "local", root / "fast"
        for path in (self.path, self.fast):
            path.mkdir()
        self.claims = LocalClaimStore()
        self.controllers: list[VolumeController] = []
        self.qemu_img = HeldCopies()
        self.controller = self.start()
        self.put("source", {"size": "1Mi"})
        self.put("copy", {"source": {"volume": "source"}, "copyMode": "Full"})

    def start(self) -> VolumeController:
        """Another process of hostd: what an earlier one was at it knows nothing of."""
        found = {path.name: _pool(path) for path in (self.path, self.fast)}
        self.qemu_img = HeldCopies()
        pools = HostPools(found, {}, "h1", Layout(self.root), FileOwner.current())
        maker = StorageByKind(DiskFileMaker(self.qemu_img, self.claims, CLUSTER))
        self.controller = VolumeController(
            VolumeTools(
                api=cast(ApiClient, self.api),
                passphrases=Passphrases(SecretValues(cast(ApiClient, self.secrets))),
                volumes=self.volumes,
                images={},
                snapshots={},
                restores={},
                machines=self.machines,
                namespaces=self.namespaces,
                pools=pools,
                copies=SlowCopies(),
                uploads=volume_uploads(self.volumes, pools, "h1"),
                maker=maker,
                room=Room(),
                claims=self.claims,
                guests=Departed(),
                events=ToldEvents(),
                live_moves=LiveMoves(pools, maker, lambda key: None, HostSpec, SystemClock()),
                cluster_uid=CLUSTER,
                host="h1",
            ),
            lambda key: None,
        )
        self.controllers.append(self.controller)
        return self.controller

    def put(self, name: str, spec: dict[str, Any], **metadata: Any) -> None:
        about = {"name": name, "namespace": "default", "uid": f"uid-{name}", "generation": 1}
        before = self.volumes.get(f"default/{name}", {"metadata": about, "status": {"host": "h1"}})
        manifest = {**before, "metadata": before["metadata"] | metadata, "spec": spec}
        self.volumes[f"default/{name}"] = self.api.put(manifest)

    def want_source_in(self, pool: str) -> None:
        """As a user asks for it and the operator grants it."""
        self.volumes["default/source"]["status"]["movingTo"] = pool
        self.put("source", {"size": "1Mi", "pool": pool})

    def said(self, name: str) -> str:
        """The message of its Ready."""
        conditions = self.volumes[f"default/{name}"]["status"]["conditions"]
        return next(str(item["message"]) for item in conditions if item["type"] == "Ready")

    async def settle(self) -> None:
        """Look at both until nothing is left to do."""

        async def both() -> bool:
            return {await self.reconcile("source"), await self.reconcile("copy")} == {"Available"}

        await eventually_async("both serve", both)

    async def reconcile(self, name: str) -> str:
        """One look; the reason that is told."""
        try:
            await self.controller.reconcile(f"default/{name}")
        except QuantixError:
            pass
        finally:
            self.volumes[f"default/{name}"] = self.api.objects[f"uid-{name}"]
        conditions = self.volumes[f"default/{name}"]["status"]["conditions"]
        return next(str(item["reason"]) for item in conditions if item["type"] == "Ready")

    async def until_copying(self) -> None:
        """Until the clone is being made, which does not end before `finish`."""
        assert await self.reconcile("source") == "Available"
        await self.reconcile("copy")
        assert await self.reconcile("copy") == "Copying"
        await eventually_async("the copy", lambda: self.qemu_img.copying == 1)

    @property
    def claim(self) -> Claim:
        """That of the source."""
        found = self.claims.read(VolumePlace(self.path, "uid-source"))
        assert found is not None
        return found

    def move(self, wanted: Claim) -> None:
        """Change the claim of the source, as another host or a VM's start does."""
        self.claims.compare_and_set(VolumePlace(self.path, "uid-source"), self.claim, wanted)

    def there(self) -> set[str]:
        """The handles of the volumes whose data lies in pool `local`."""
        return {entry.name for entry in (self.path / "volumes").iterdir()}

    async def finish(self) -> str:
        """Let the copy end; the reason that is told of the clone then."""
        self.qemu_img.may_copy.set()
        await eventually_async("the clone", lambda: "uid-copy" in self.there() and self.claim.holder is None)
        return await self.reconcile("copy")


def _pool(path: Path) -> dict[str, Any]:
    spec = {"dir": {"path": str(path)}, "default": path.name == "local"}
    return {"metadata": {"name": path.name}, "spec": spec}
