"""What becomes of an image while it is received, copied and deleted. Only the web server is a fake."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import hashlib
import json
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import pytest

from quantix_api import Image
from quantix_api.errors import PermanentError, TransientError, WaitingError
from quantix_api.layout import Layout
from quantix_api.messages import as_error
from quantix_client.api import ApiClient
from quantix_client.errors import ServerFault
from quantix_hostd.clients.files import FileOwner
from quantix_hostd.clients.http_download import Download, Kept
from quantix_hostd.clients.http_source import HttpSource
from quantix_hostd.clients.patience import PatientThreads
from quantix_hostd.clients.peer_source import PeerSource
from quantix_hostd.clients.pool_dir import PoolDir
from quantix_hostd.clients.qemu_img import QemuImg
from quantix_hostd.image.controller import ImageController, ImageTools
from quantix_hostd.image.fetching import OtherHosts
from quantix_hostd.image.holders import Holders
from quantix_hostd.pools import HostPools
from quantix_hostd.transfer.room import Room
from quantix_hostd.transfer.upload_slots import UploadSlots
from quantix_hostd.volume.based_on import volumes_based_on
from quantix_lab.dir_pools import dir_pool
from quantix_lab.fake_status_api import FakeStatusApi
from quantix_lab.image_hosts import DISK, KEY, UID, ImageHosts, image_manifest
from quantix_lab.open_sandbox import OpenSandbox
from quantix_lab.told_events import ToldEvents
from quantix_lab.waiting import eventually_async


class Silent:
    """A server that answers and then sends nothing."""

    def __init__(self) -> None:
        self.open_now = 0

    @asynccontextmanager
    async def open(self, url: str, kept: Kept | None = None) -> AsyncIterator[Download]:
        self.open_now += 1
        try:
            yield Download(1 << 10, self._nothing())
        finally:
            self.open_now -= 1

    async def _nothing(self) -> AsyncIterator[bytes]:
        await asyncio.Event().wait()
        yield b""


class OneHost:
    """Host h1 with the pools a (the default) and b."""

    def __init__(self, root: Path) -> None:
        self.api = FakeStatusApi()
        self.images: dict[str, dict[str, Any]] = {}
        self.server = Silent()
        self.others = ImageHosts(root, "h2", "h3")
        self.woken: list[str] = []
        self.events = ToldEvents()
        pools: dict[str, dict[str, Any]] = {}
        for name in ("a", "b"):
            (root / name).mkdir()
            spec = {"dir": {"path": str(root / name)}, "default": name == "a"}
            pools[name] = {"metadata": {"name": name}, "spec": spec}
        threads = PatientThreads(patience_s=0.5)
        self.pools = HostPools(pools, {}, "h1", Layout(root), FileOwner.current(), threads=threads)
        self.based_on: list[Path] = []
        self.controller = self.restarted()

    def restarted(self) -> ImageController:
        """As after a restart of hostd: nothing is remembered but what lies on disk."""
        return ImageController(
            ImageTools(
                api=cast(ApiClient, self.api),
                images=self.images,
                pools=self.pools,
                qemu_img=QemuImg(OpenSandbox()),
                source=cast(HttpSource, self.server),
                hosts=OtherHosts(Holders(self.others, "h1"), PeerSource(self.others.trust_of("h1"))),
                room=Room(),
                slots=UploadSlots("h1"),
                volumes_based_on=lambda pool, uid: self.based_on or volumes_based_on(pool, uid),
                events=self.events,
                host="h1",
            ),
            self.woken.append,
        )

    def put(
        self, name: str, namespace: str = "default", status: dict[str, Any] | None = None, **metadata: Any
    ) -> Image:
        about = {"name": name, "namespace": namespace, "uid": f"uid-{name}", "generation": 1, **metadata}
        spec: dict[str, Any] = {"url": f"http://images.example/{name}"} if status is None else {"upload": {}}
        manifest: dict[str, Any] = {
            "metadata": about,
            "spec": spec,
            "status": {"host": "h1", **(status or {})},
        }
        self.images[f"{namespace}/{name}"] = self.api.put(manifest)
        return Image.model_validate(manifest)

    def ready(self, name: str) -> dict[str, Any]:
        conditions = self.api.objects[f"uid-{name}"]["status"]["conditions"]
        return next(item for item in conditions if item["type"] == "Ready")

    async def pool(self, name: str) -> PoolDir:
        return await dir_pool(self.pools, name)

    async def silence(self, name: str, freed: threading.Event) -> None:
        """Let a pool hang until then."""
        pool = await self.pool(name)
        with pytest.raises(TransientError):
            await self.pools.ask(pool, lambda: freed.wait(20))

    async def connections(self, wanted: int) -> None:
        """Returns once so many downloads are open."""
        await eventually_async(f"{wanted} downloads", lambda: self.server.open_now == wanted)


@pytest.fixture
async def host(tmp_path: Path) -> AsyncIterator[OneHost]:
    made = OneHost(tmp_path)
    async with made.others:
        yield made
        await made.controller.stop()


@pytest.fixture
def freed() -> Iterator[threading.Event]:
    """Set once pools that hang are to answer again."""
    made = threading.Event()
    yield made
    made.set()


async def test_images_that_other_hosts_keep_are_known_too_and_else_those_of_this_host(host: OneHost) -> None:
    host.put("here")
    host.put("there")
    del host.images["default/there"]

    async def names() -> set[str]:
        return {image["metadata"]["name"] for image in await host.controller.everywhere()}

    assert await names() == {"here", "there"}
    host.api.list_failure = ServerFault("It has lost its store.")
    assert await names() == {"here"}


async def test_deleting_an_image_ends_its_download_and_its_copies_into_other_pools(host: OneHost) -> None:
    image = host.put("debian")
    await host.controller.reconcile("default/debian")
    with pytest.raises(WaitingError):
        await host.controller.ensure_copy(image, await host.pool("b"))
    await host.connections(2)
    deleted = host.put("debian", deletionTimestamp="2026-01-02T00:00:00Z")
    await host.controller.reconcile("default/debian")
    assert host.server.open_now == 0
    assert [list((await host.pool(name)).images.iterdir()) for name in ("a", "b")] == [[], []]
    with pytest.raises(WaitingError) as caught:
        await host.controller.ensure_copy(deleted, await host.pool("b"))
    assert caught.value.reason == "SourceNotFound"
    await asyncio.sleep(0)
    assert host.server.open_now == 0


async def test_a_namespace_that_holds_all_its_downloads_keeps_no_other_one_waiting(host: OneHost) -> None:
    names = [f"slow-{number}" for number in range(6)]
    for name in names:
        host.put(name, "greedy")
        await host.controller.reconcile(f"greedy/{name}")
    await host.connections(4)
    host.put("debian")
    await host.controller.reconcile("default/debian")
    await host.connections(5)
    assert "waits" not in host.ready("debian")["message"]
    assert "waits" not in host.ready("slow-3")["message"]
    queued = host.ready("slow-4")
    assert (queued["reason"], queued["message"].partition(":")[0]) == (
        "ImageDownloading",
        "slow-4 waits for its turn",
    )
    host.put("slow-0", "greedy", deletionTimestamp="2026-01-02T00:00:00Z")
    await host.controller.reconcile("greedy/slow-0")
    await host.connections(5)
    await host.controller.reconcile("greedy/slow-4")
    assert host.ready("slow-4")["message"].startswith("slow-4 is being downloaded.")


async def test_a_copy_that_waits_for_its_turn_says_so_too(host: OneHost) -> None:
    images = [host.put(f"slow-{number}", "greedy") for number in range(5)]
    messages = []
    for image in images:
        with pytest.raises(WaitingError) as caught:
            await host.controller.ensure_copy(image, await host.pool("b"))
        messages.append("waits for its turn" in caught.value.message)
        await asyncio.sleep(0)
    assert messages == [False] * 4 + [True]


async def test_two_volumes_that_want_one_copy_begin_it_once(host: OneHost) -> None:
    image, pool = host.put("debian"), await host.pool("b")
    waits = await asyncio.gather(
        *(host.controller.ensure_copy(image, pool) for _ in range(3)), return_exceptions=True
    )
    assert {type(wait) for wait in waits} == {WaitingError}
    await host.connections(1)
    await asyncio.sleep(0.05)
    assert host.server.open_now == 1


async def test_a_pool_that_hangs_keeps_no_image_from_volumes_in_others(
    host: OneHost, freed: threading.Event
) -> None:
    fetched, sent = host.put("debian"), host.put("sent", status={})
    pool = await host.pool("b")
    await host.silence("a", freed)
    pool.image("uid-sent").write_bytes(_DISK)
    await host.controller.ensure_copy(sent, pool)
    with pytest.raises(WaitingError) as fetching:
        await host.controller.ensure_copy(fetched, pool)
    assert fetching.value.reason == "ImageDownloading"
    await host.connections(1)
    pool.image("uid-sent").unlink()
    with pytest.raises(TransientError, match="pool a") as unknown:
        await host.controller.ensure_copy(sent, pool)
    assert unknown.value.reason == "PoolUnreachable", "it may lie there, so nobody is asked to send it again"


async def test_a_pool_that_is_broken_keeps_no_image_from_volumes_in_others(
    host: OneHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    image, pool, broken = host.put("debian"), await host.pool("b"), (await host.pool("a")).path
    really = Path.is_file

    def stale(path: Path) -> bool:
        if path.is_relative_to(broken):
            raise OSError(errno.ESTALE, "Stale file handle", str(path))
        return really(path)

    monkeypatch.setattr(Path, "is_file", stale)
    with pytest.raises(WaitingError) as fetching:
        await host.controller.ensure_copy(image, pool)
    assert fetching.value.reason == "ImageDownloading"


async def test_a_pool_that_hangs_keeps_a_deleted_image_and_says_so(
    host: OneHost, freed: threading.Event
) -> None:
    host.put("debian", deletionTimestamp="2026-01-02T00:00:00Z")
    await host.silence("b", freed)
    with pytest.raises(TransientError):
        await host.controller.reconcile("default/debian")
    assert host.ready("debian")["reason"] == "PoolUnreachable"
    freed.set()

    async def is_gone() -> bool:
        with contextlib.suppress(TransientError):
            await host.controller.reconcile("default/debian")
        return bool(host.api.objects["uid-debian"]["status"].get("data") == "Absent")

    await eventually_async("the image is gone", is_gone)


_DISK = b"\0" * 510 + b"\x55\xaa" + b"x" * 1536


async def send(*pieces: bytes, breaks: bool = False) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece
    if breaks:
        raise as_error(TransientError, "ImageUnreachable")


async def test_an_upload_that_broke_off_is_asked_for_at_once_and_goes_on_from_there(host: OneHost) -> None:
    host.put("sent", status={})
    with pytest.raises(TransientError):
        await host.controller.receive_upload("default/sent", send(_DISK[:1024], breaks=True), 2048)
    await host.controller.reconcile("default/sent")
    assert host.ready("sent")["reason"] == "WaitingForUpload"
    assert host.ready("sent")["message"].startswith("1 KiB of 2 KiB arrived before the last upload broke off")
    kept = await host.controller.kept_of_upload("default/sent")
    assert kept is not None
    assert (kept.offset_bytes, kept.checksum) == (
        1024,
        f"sha256:{hashlib.sha256(_DISK[:1024]).hexdigest()}",
    )
    received = await host.controller.receive_upload("default/sent", send(_DISK[1024:]), 2048, 1024)
    assert received.checksum == f"sha256:{hashlib.sha256(_DISK).hexdigest()}"
    assert (await host.pool("a")).image("uid-sent").read_bytes() == _DISK


@pytest.mark.parametrize(("length", "offset"), [(2048, 1000), (4096, 1024)])
async def test_a_rest_that_does_not_follow_what_is_kept_changes_nothing(
    host: OneHost, length: int, offset: int
) -> None:
    host.put("sent", status={})
    with pytest.raises(TransientError):
        await host.controller.receive_upload("default/sent", send(_DISK[:1024], breaks=True), 2048)
    with pytest.raises(PermanentError, match="1024 bytes are kept of a file of 2048") as caught:
        await host.controller.receive_upload("default/sent", send(b""), length, offset)
    assert caught.value.reason == "NotWaiting"
    assert await host.controller.kept_of_upload("default/sent") is not None


async def test_an_upload_from_the_beginning_takes_the_place_of_what_is_kept(host: OneHost) -> None:
    host.put("sent", status={})
    with pytest.raises(TransientError):
        await host.controller.receive_upload("default/sent", send(b"other" * 100, breaks=True), 2048)
    await host.controller.receive_upload("default/sent", send(_DISK), 2048)
    assert (await host.pool("a")).image("uid-sent").read_bytes() == _DISK


async def test_of_a_deleted_image_nothing_stays_that_a_broken_upload_left(host: OneHost) -> None:
    host.put("sent", status={})
    with pytest.raises(TransientError):
        await host.controller.receive_upload("default/sent", send(_DISK[:1024], breaks=True), 2048)
    host.put("sent", status={}, deletionTimestamp="2026-01-02T00:00:00Z")
    await host.controller.reconcile("default/sent")
    assert list((await host.pool("a")).images.iterdir()) == []
    assert host.api.objects["uid-sent"]["status"]["data"] == "Absent"


async def test_an_upload_whose_file_vanished_is_asked_for_again_and_not_called_a_download(
    host: OneHost,
) -> None:
    checked = {"checksum": f"sha256:{'a' * 64}", "format": "Raw", "virtualSize": "1Gi", "data": "Present"}
    image = host.put("sent", status=checked)
    with pytest.raises(WaitingError) as caught:
        await host.controller.ensure_copy(image, await host.pool("b"))
    assert caught.value.reason == "WaitingForUpload"
    assert host.woken == ["default/sent"], "the image itself says it soon"
    await host.controller.reconcile("default/sent")
    assert host.ready("sent")["reason"] == "WaitingForUpload"
    assert host.api.objects["uid-sent"]["status"]["checksum"] == checked["checksum"]


def disk_of(host: OneHost, home: str) -> Image:
    """The image that the other hosts may have, kept by `home`."""
    manifest = image_manifest()
    manifest["status"]["host"] = home
    host.images[KEY] = host.api.put(manifest)
    return Image.model_validate(manifest)


async def test_a_volume_gets_an_image_from_another_host_and_shows_how_far_it_is(host: OneHost) -> None:
    reads = host.others["h2"].has().pools.slow = asyncio.Event()
    image, pool = disk_of(host, "h2"), await host.pool("a")

    async def waits(sentence: str) -> bool:
        with pytest.raises(WaitingError) as caught:
            await host.controller.ensure_copy(image, pool)
        assert caught.value.reason == "ImageDownloading"
        return sentence in caught.value.message

    assert host.controller.progress(image) is None
    await eventually_async("its sender", lambda: waits("disk is being copied from host h2."))
    reads.set()
    await eventually_async("the file", lambda: pool.image(UID).exists())
    await host.controller.ensure_copy(image, pool)
    assert pool.image(UID).read_bytes() == DISK
    assert host.controller.progress(image) is None


async def test_a_volume_whose_image_no_host_sends_says_which_ones_have_it(host: OneHost) -> None:
    await host.others["h2"].has().stop()
    image, pool = disk_of(host, "h2"), await host.pool("a")
    said: list[WaitingError] = []

    async def told() -> bool:
        with pytest.raises(WaitingError) as caught:
            await host.controller.ensure_copy(image, pool)
        said.append(caught.value)
        return caught.value.reason == "ImageUnreachable"

    await eventually_async("why it does not come", told)
    assert said[-1].message == (
        "disk is on host h2 and nowhere else, and cannot be copied from there: it refuses connections."
    )


async def test_an_image_whose_file_vanished_comes_back_from_a_host_that_has_a_copy(host: OneHost) -> None:
    host.others["h3"].has()
    disk_of(host, "h1")
    await host.controller.reconcile(KEY)
    pool = await host.pool("a")
    await eventually_async("the file", lambda: pool.image(UID).exists() and bool(host.woken))
    host.images[KEY] = host.api.objects[UID]
    await host.controller.reconcile(KEY)
    ready = next(item for item in host.api.objects[UID]["status"]["conditions"] if item["type"] == "Ready")
    assert (ready["reason"], pool.image(UID).read_bytes()) == ("Verified", DISK)


async def _copied(host: OneHost) -> PoolDir:
    """The pool that has a copy of an image that host h2 keeps."""
    host.others["h2"].has()
    image, pool = disk_of(host, "h2"), await host.pool("a")
    with pytest.raises(WaitingError):
        await host.controller.ensure_copy(image, pool)
    await eventually_async("the file", lambda: pool.image(UID).exists())
    return pool


async def test_a_copy_goes_with_its_image_which_another_host_keeps(host: OneHost) -> None:
    pool = await _copied(host)
    await host.restarted().tidy()
    assert pool.image(UID).exists(), "the API has its Image"
    (pool.images / "0ff1ce").write_bytes(b"of somebody else")
    host.others.image = {}
    await host.restarted().tidy()
    assert [path.name for path in pool.images.iterdir()] == ["0ff1ce"]
    assert json.loads(host.pools.layout.image_copies.read_text()) == {}


async def test_a_copy_that_a_volume_stands_on_stays_and_so_does_one_while_the_api_is_away(
    host: OneHost,
) -> None:
    pool = await _copied(host)
    host.based_on = [pool.volumes / "web-root"]
    host.others.image = {}
    await host.restarted().tidy()
    assert pool.image(UID).exists()
    host.based_on, host.others.is_away = [], True
    with pytest.raises(TransientError):
        await host.restarted().tidy()
    assert pool.image(UID).exists()
    host.others.is_away = False
    await host.restarted().tidy()
    assert not pool.image(UID).exists()


async def test_a_copy_of_an_image_that_is_going_goes_and_the_hosts_own_do_not(host: OneHost) -> None:
    pool = await _copied(host)
    own = host.put("own", status={})
    pool.image(own.metadata.uid).write_bytes(_DISK)
    host.others.image["metadata"]["deletionTimestamp"] = "2026-01-02T00:00:00Z"
    await host.restarted().tidy()
    assert [path.name for path in pool.images.iterdir()] == [own.metadata.uid]
