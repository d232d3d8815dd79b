"""What a host has in its hands in a real Ceph as it is killed, or frozen, another host goes on with, and
nothing of it is left.
"""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from quantix_api.errors import TransientError
from quantix_hostd.clients.ceph_claims import claim_object
from quantix_hostd.volume.recipe import Recipe
from quantix_lab.ceph_cluster import CephCluster
from quantix_lab.ceph_pools import FAST, access_to
from quantix_lab.waiting import eventually_async
from quantix_lab.work_in_ceph import MIB, REFUSED, HostInCeph, task

WORKS = ("grow", "remove", "copy")
MOMENTS = ("before take", "after take", "in it", "before free", "after free")


@pytest.fixture
def h2(ceph_cluster: CephCluster, tmp_path: Path) -> Iterator[HostInCeph]:
    with HostInCeph(access_to(ceph_cluster), tmp_path, "h2") as host:
        yield host


class Begun:
    """Work that host h1 has begun on a volume."""

    def __init__(self, cluster: CephCluster, root: Path, work: str) -> None:
        self.cluster, self.root, self.work = cluster, root, work
        self.handle, self.copy = str(uuid4()), str(uuid4())

    def run(self, moment: str, number: int) -> subprocess.Popen[bytes]:
        about = {"work": self.work, "handle": self.handle, "copy": self.copy}
        asked = self.root / "task.json"
        asked.write_text(task(access_to(self.cluster), self.root, **about, moment=moment, signal=number))
        words = [sys.executable, "-m", "quantix_lab.work_in_ceph"]
        with asked.open() as file:
            return subprocess.Popen(words, stdin=file)

    def left(self) -> list[str]:
        """All that bears its name in the pool, or that of what is copied from it."""
        images = self.cluster.rbd("ls", FAST).split()
        objects = self.cluster.run("rados", "-p", FAST, "ls").split()
        names = [*images, *(name for name in objects if name.startswith("quantix."))]
        return sorted(name for name in names if self.handle in name or self.copy in name)

    def is_done(self) -> bool:
        claims, names = [claim_object(self.handle), claim_object(self.copy)], self.left()
        if self.work == "remove":
            return names == []
        if self.work == "copy":
            return names == sorted([self.handle, self.copy, *claims])
        size = self.cluster.rbd("info", "--format", "json", f"{FAST}/{self.handle}")
        return names == sorted([self.handle, claims[0]]) and f'"size":{128 * MIB}' in size


async def is_stopped(process: subprocess.Popen[bytes]) -> bool:
    stat = await asyncio.to_thread(Path(f"/proc/{process.pid}/stat").read_text)
    return stat.rpartition(")")[2].split()[0] == "T"


@pytest.mark.parametrize(
    ("work", "moment"),
    [(work, moment) for work in WORKS for moment in MOMENTS if work != "remove" or "free" not in moment],
)
async def test_another_host_goes_on_once_a_host_that_was_killed_is_back(
    ceph_cluster: CephCluster, tmp_path: Path, h2: HostInCeph, work: str, moment: str
) -> None:
    begun = Begun(ceph_cluster, tmp_path, work)
    await h2.disks.make(h2.pool, Recipe(begun.handle, 64 * MIB))
    process = begun.run(moment, signal.SIGKILL)
    assert await asyncio.to_thread(process.wait, 60) == -signal.SIGKILL
    with HostInCeph(access_to(ceph_cluster), tmp_path, "h1") as h1:
        assert [note.uid for note in h1.notes.read()] == [begun.handle]
        held = (await h2.claim(begun.handle)).holder
        if moment in ("before take", "after free"):
            assert held is None
        else:
            assert held is not None
            with pytest.raises(TransientError, match="h1 has not let go"):
                await h2.do(work, begun.handle, begun.copy)
        await h1.start()
        assert h1.notes.read() == ()
    assert (await h2.claim(begun.handle)).holder is None
    await h2.do(work, begun.handle, begun.copy)
    assert begun.is_done()
    assert h2.notes.read() == ()


@pytest.mark.parametrize("work", WORKS)
async def test_a_host_that_thaws_before_it_has_the_claim_does_no_harm(
    ceph_cluster: CephCluster, tmp_path: Path, h2: HostInCeph, work: str
) -> None:
    """Another one has done the work meanwhile."""
    begun = Begun(ceph_cluster, tmp_path, work)
    await h2.disks.make(h2.pool, Recipe(begun.handle, 64 * MIB))
    process = begun.run("before take", signal.SIGSTOP)
    await eventually_async("its freeze", lambda: is_stopped(process), 60)
    await h2.do(work, begun.handle, begun.copy)
    process.send_signal(signal.SIGCONT)
    assert await asyncio.to_thread(process.wait, 60) == REFUSED, "the claim is not the one that it saw"
    assert begun.is_done()


@pytest.mark.parametrize("work", WORKS)
async def test_a_host_that_thaws_with_the_claim_ends_its_work_and_gives_it_back(
    ceph_cluster: CephCluster, tmp_path: Path, h2: HostInCeph, work: str
) -> None:
    begun = Begun(ceph_cluster, tmp_path, work)
    await h2.disks.make(h2.pool, Recipe(begun.handle, 64 * MIB))
    process = begun.run("after take", signal.SIGSTOP)
    await eventually_async("its freeze", lambda: is_stopped(process), 60)
    with pytest.raises(TransientError, match="h1 has not let go"):
        await h2.do(work, begun.handle, begun.copy)
    process.send_signal(signal.SIGCONT)
    assert await asyncio.to_thread(process.wait, 60) == 0
    assert begun.is_done()
    if work != "remove":
        assert (await h2.claim(begun.handle)).holder is None
