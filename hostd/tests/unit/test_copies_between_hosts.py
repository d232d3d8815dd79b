"""Images that a host copies from other hosts: over real TLS, with whatever may go wrong on the way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import pytest

from quantix_api import Image
from quantix_api.errors import WaitingError
from quantix_hostd.clients.files import FileOwner
from quantix_hostd.clients.http_download import Download, Kept
from quantix_hostd.clients.http_source import HttpSource
from quantix_hostd.clients.peer_source import PeerSource, validator_of
from quantix_hostd.clients.pool_dir import PoolDir
from quantix_hostd.clients.qemu_img import QemuImg
from quantix_hostd.image.fetching import OtherHosts
from quantix_hostd.image.holders import Holders
from quantix_hostd.image.intake import Intake
from quantix_hostd.transfer.draft import read_note
from quantix_hostd.transfer.received import Received
from quantix_hostd.transfer.receiving import Receiving
from quantix_hostd.transfer.room import Room
from quantix_hostd.transfer.transfers import Transfer
from quantix_lab.clocks import HastyClock
from quantix_lab.image_hosts import CHECKSUM, DISK, UID, ImageHosts, image_manifest
from quantix_lab.open_sandbox import OpenSandbox
from quantix_lab.waiting import eventually_async

ME = "h2"


class Mirror:
    """The server of a URL."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    @asynccontextmanager
    async def open(self, url: str, kept: Kept | None = None) -> AsyncIterator[Download]:
        self.asked.append(url)

        async def chunks() -> AsyncIterator[bytes]:
            yield DISK

        yield Download(len(DISK), chunks())


class Wanting:
    """Host h2, which wants the image."""

    def __init__(self, root: Path, hosts: ImageHosts) -> None:
        root.mkdir(exist_ok=True)
        self.pool = PoolDir("local", root, FileOwner.current(), ME)
        self.pool.prepare(create=True)
        self.mirror = Mirror()
        self._hosts = hosts

    def restarted(self) -> Intake:
        """What takes images in, in a hostd that was just started."""
        qemu_img = QemuImg(OpenSandbox())
        receiving = Receiving("image", qemu_img, Room(), lambda _: None)
        source = PeerSource(self._hosts.trust_of(ME))
        others = OtherHosts(Holders(self._hosts, ME), source, HastyClock())
        return Intake(cast(HttpSource, self.mirror), qemu_img, receiving, others)

    async def fetched(self, image: Image) -> Transfer[Received]:
        transfer = self.restarted().download(self.pool, image)
        assert transfer.task is not None
        await asyncio.wait_for(transfer.task, 30)
        return transfer

    @property
    def content(self) -> bytes:
        return self.pool.image(UID).read_bytes()


def uploaded() -> Image:
    return Image.model_validate(image_manifest())


def with_url() -> Image:
    return Image.model_validate(image_manifest(url="http://mirror.example/disk"))


@pytest.fixture
async def hosts(tmp_path: Path) -> AsyncIterator[ImageHosts]:
    async with ImageHosts(tmp_path, "h1", "h3") as running:
        yield running


@pytest.fixture
def wanting(tmp_path: Path, hosts: ImageHosts) -> Wanting:
    return Wanting(tmp_path / "h2", hosts)


def said(transfer: Transfer[Received]) -> tuple[str, str]:
    assert isinstance(transfer.error, WaitingError)
    return transfer.error.reason, transfer.error.message


async def test_an_image_that_was_sent_to_one_host_is_copied_by_another(
    hosts: ImageHosts, wanting: Wanting
) -> None:
    hosts["h1"].has()
    transfer = await wanting.fetched(uploaded())
    assert transfer.error is None
    assert (wanting.content, transfer.sender, transfer.done_bytes) == (DISK, "host h1", len(DISK))
    assert read_note(wanting.pool, UID) is None


async def test_a_copy_serves_when_the_host_that_it_came_from_is_away(
    hosts: ImageHosts, wanting: Wanting
) -> None:
    hosts["h3"].has()
    await hosts["h1"].stop()
    transfer = await wanting.fetched(uploaded())
    assert (transfer.error, transfer.sender) == (None, "host h3")
    assert wanting.content == DISK


async def test_another_host_goes_on_where_one_broke_off(hosts: ImageHosts, wanting: Wanting) -> None:
    for name in ("h1", "h3"):
        hosts[name].has()
    first, second = await Holders(hosts, ME).of(uploaded())
    hosts[first.name].pools.breaks_after = 2
    transfer = await wanting.fetched(uploaded())
    assert (transfer.error, transfer.sender) == (None, f"host {second.name}")
    assert transfer.resumed, "all of it was sent twice"
    assert wanting.content == DISK


async def test_a_copy_that_broke_off_goes_on_after_a_restart(hosts: ImageHosts, wanting: Wanting) -> None:
    hosts["h1"].has().pools.breaks_after = 2
    reason, sentence = said(await wanting.fetched(uploaded()))
    assert reason == "ImageUnreachable"
    assert sentence.startswith("disk is on host h1 and nowhere else, and cannot be copied from there: ")
    kept = read_note(wanting.pool, UID)
    assert kept is not None
    assert kept.validator == validator_of(CHECKSUM)
    hosts["h1"].pools.breaks_after = None
    transfer = await wanting.fetched(uploaded())
    assert (transfer.error, transfer.resumed) == (None, True)
    assert wanting.content == DISK


async def test_what_another_host_damaged_is_not_taken(hosts: ImageHosts, wanting: Wanting) -> None:
    hosts["h1"].has(DISK[:-1] + b"x")
    reason, sentence = said(await wanting.fetched(uploaded()))
    assert reason == "ImageUnreachable"
    assert sentence.endswith("what it sends is another file.")
    assert list(wanting.pool.images.iterdir()) == []
    hosts["h3"].has()
    transfer = await wanting.fetched(uploaded())
    assert (transfer.error, wanting.content) == (None, DISK)


async def test_what_two_hosts_sent_and_does_not_fit_together_is_copied_whole(
    hosts: ImageHosts, wanting: Wanting
) -> None:
    hosts["h1"].has(b"x" + DISK[1:]).pools.breaks_after = 2
    assert said(await wanting.fetched(uploaded()))[0] == "ImageUnreachable"
    assert read_note(wanting.pool, UID) is not None
    await hosts["h1"].stop()
    hosts["h3"].has()
    transfer = await wanting.fetched(uploaded())
    assert (transfer.error, wanting.content) == (None, DISK)


async def test_nobody_but_the_host_of_that_name_is_asked(
    hosts: ImageHosts, wanting: Wanting, tmp_path: Path
) -> None:
    await hosts["h1"].stop()
    await hosts["h1"].start(as_name="h9")
    hosts["h1"].has()
    reason, sentence = said(await wanting.fetched(uploaded()))
    assert reason == "ImageUnreachable"
    assert "its certificate is refused" in sentence


async def test_where_all_that_have_it_are_away_they_are_named(hosts: ImageHosts, wanting: Wanting) -> None:
    for name in ("h1", "h3"):
        await hosts[name].has().stop()
    hosts["h1"].lost = True
    reason, sentence = said(await wanting.fetched(uploaded()))
    assert reason == "ImageUnreachable"
    assert sentence == (
        "disk is on hosts h3, h1 and nowhere else, and cannot be copied from there: "
        "h3: it refuses connections; h1: it refuses connections."
    )


async def test_where_no_host_has_it_the_file_is_waited_for(hosts: ImageHosts, wanting: Wanting) -> None:
    lost = image_manifest()
    lost["status"]["data"] = "Absent"
    reason, sentence = said(await wanting.fetched(Image.model_validate(lost)))
    assert reason == "WaitingForUpload"
    assert sentence.startswith("Neither h1 nor any other host has its file any more")


async def test_a_server_is_asked_only_where_no_host_sends_it(hosts: ImageHosts, wanting: Wanting) -> None:
    hosts["h1"].has()
    assert (await wanting.fetched(with_url())).sender == "host h1"
    assert wanting.mirror.asked == []
    wanting.pool.image(UID).unlink()
    await hosts["h1"].stop()
    transfer = await wanting.fetched(with_url())
    assert (transfer.error, transfer.sender) == (None, "")
    assert (wanting.mirror.asked, wanting.content) == (["http://mirror.example/disk"], DISK)


async def test_a_server_is_asked_while_the_api_says_of_no_host(hosts: ImageHosts, wanting: Wanting) -> None:
    hosts["h1"].has()
    hosts.is_away = True
    transfer = await wanting.fetched(with_url())
    assert (transfer.error, len(wanting.mirror.asked)) == (None, 1)


async def test_who_has_no_turn_yet_is_asked_again(hosts: ImageHosts, wanting: Wanting) -> None:
    reads = hosts["h1"].has().pools.slow = asyncio.Event()
    asked = PeerSource(hosts.trust_of(ME))
    peer = (await Holders(hosts, ME).of(uploaded()))[0]
    intake = wanting.restarted()
    async with (
        asked.open(peer, uploaded().key, CHECKSUM),
        asked.open(peer, uploaded().key, CHECKSUM),
    ):
        transfer = intake.download(wanting.pool, uploaded())
        await eventually_async("the host to be busy", lambda: transfer.busy == "host h1")
        assert transfer.running
        reads.set()
    assert transfer.task is not None
    await asyncio.wait_for(transfer.task, 30)
    assert (transfer.error, transfer.busy, wanting.content) == (None, "", DISK)
