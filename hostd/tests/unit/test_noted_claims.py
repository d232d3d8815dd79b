"""What a host holds in Ceph for work of its own is free again, whenever its hostd is killed and whatever
became of the volume meanwhile.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from quantix_api.layout import Layout
from quantix_hostd.claims import CephPool, VolumePlace, take
from quantix_hostd.clients.claim_notes import ClaimNote, ClaimNotes
from quantix_lab.hosts_of_ceph import CLUSTER, POOL, CephInMemory, Process
from quantix_lab.two_volumes import TwoVolumes
from quantix_lab.waiting import eventually_async

NOTED = ClaimNote(VolumePlace(CephPool(POOL), "uid-data"), "default/data", "uid-data")
GROWN: dict[str, Any] = {"size": "2Mi", "pool": POOL}
GRANTED = {
    "type": "SizeGranted",
    "status": "True",
    "reason": "Granted",
    "message": "",
    "observedGeneration": 1,
}

Leave = Callable[[CephInMemory], None]


@pytest.fixture
def ceph(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> CephInMemory:
    return CephInMemory(monkeypatch, tmp_path)


@pytest.fixture
def h1(ceph: CephInMemory) -> Process:
    return ceph.start("h1")


def to_grow(ceph: CephInMemory, host: str) -> None:
    ceph.put("data", GROWN, host, conditions=[GRANTED])


def to_go(ceph: CephInMemory, host: str) -> None:
    ceph.put("data", {"size": "1Mi", "pool": POOL}, host, deleted=True)


def to_be_copied(ceph: CephInMemory, host: str) -> None:
    ceph.put("data", {"size": "1Mi", "pool": POOL}, "h3")
    ceph.put("copy", {"source": {"volume": "data"}, "pool": POOL}, host)


async def works(process: Process, work: Callable[[CephInMemory, str], None]) -> None:
    """Until it is done, or hostd is killed in it."""
    if work is not to_be_copied:
        await process.look("data")
        return
    process.volumes["default/data"] = process.ceph.api.objects["uid-data"]
    process.may_copy.set()

    async def is_made() -> bool:
        return process.dead or await process.look("copy") == "Available"

    await eventually_async("the copy", is_made)


# before the claim is taken; before the work; in its midst, or before the claim is freed; after that
KILLS = [
    pytest.param(work, at, id=f"{work.__name__}-{at}")
    for work, steps in ((to_grow, 4), (to_go, 4), (to_be_copied, 6))
    for at in range(steps)
]


@pytest.mark.parametrize("gone", [False, True], ids=["another host has it", "it is gone"])
@pytest.mark.parametrize(("work", "dies_at"), KILLS)
async def test_a_claim_is_free_once_hostd_is_back_and_the_volume_is_not_its_own(
    ceph: CephInMemory,
    h1: Process,
    work: Callable[[CephInMemory, str], None],
    dies_at: int,
    gone: bool,
) -> None:
    ceph.put_there("data", {"size": "1Mi"}, "h1")
    work(ceph, "h1")
    h1.dies_at = dies_at
    await works(h1, work)
    assert h1.dead
    assert h1.noted() == [NOTED]
    h1, h2 = ceph.start("h1"), ceph.start("h2")
    if gone:
        for name in ("data", "copy"):
            ceph.gone(name)
    else:
        work(ceph, "h2")
        if ceph.holder("data") and (work is to_go or (work is to_grow and dies_at < 2)):
            assert await h2.look("data") == "InUse"
    await h1.start()
    assert (ceph.holder("data"), h1.noted()) == ("", [])
    if not gone:
        await works(h2, work)
        assert ceph.holder("data") == ""
        assert h2.noted() == []
        if work is to_go:
            assert "uid-data" not in ceph.images
            assert await h2.look("data") == "Deleting"
            assert ceph.api.objects["uid-data"]["status"]["data"] == "Absent"
        if work is to_grow:
            assert ceph.images["uid-data"].size_bytes == 2 << 20


@pytest.mark.parametrize(("work", "dies_at"), KILLS)
async def test_what_is_still_its_own_the_next_hostd_goes_on_with(
    ceph: CephInMemory, h1: Process, work: Callable[[CephInMemory, str], None], dies_at: int
) -> None:
    ceph.put_there("data", {"size": "1Mi"}, "h1")
    work(ceph, "h1")
    h1.dies_at = dies_at
    await works(h1, work)
    h1 = ceph.start("h1")
    await h1.start()
    await works(h1, work)
    await h1.start()
    assert (ceph.holder("data"), h1.noted()) == ("", [])
    if work is to_go:
        assert "uid-data" not in ceph.images
    if work is to_grow:
        assert ceph.images["uid-data"].size_bytes == 2 << 20


@pytest.mark.parametrize("work", [to_grow, to_go, to_be_copied])
async def test_work_that_ends_well_leaves_no_note(
    ceph: CephInMemory, h1: Process, work: Callable[[CephInMemory, str], None]
) -> None:
    ceph.put_there("data", {"size": "1Mi"}, "h1")
    work(ceph, "h1")
    await works(h1, work)
    assert (ceph.holder("data"), h1.noted()) == ("", [])


async def test_a_volume_that_leaves_while_its_pool_is_away_is_freed_later(
    ceph: CephInMemory, h1: Process, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """By a hostd that goes on all the time."""
    ceph.put_there("data", {"size": "1Mi"}, "h1")
    to_go(ceph, "h1")

    def silent(_: str) -> None:
        ceph.away = "h1"
        h1.step()

    monkeypatch.setattr(ceph.images, "remove_object", silent)
    await h1.look("data")
    assert (ceph.holder("data"), h1.noted()) == ("h1", [NOTED])
    to_go(ceph, "h2")
    await h1.look("data")
    await h1.controller.noted.look()
    assert (ceph.holder("data"), h1.noted()) == ("h1", [NOTED])
    assert capsys.readouterr().out.count("claim of earlier work is not looked at") == 1
    ceph.away = ""
    await h1.controller.noted.look()
    assert (ceph.holder("data"), h1.noted()) == ("", [])


async def test_a_volume_that_leaves_is_looked_at_at_once(ceph: CephInMemory, h1: Process) -> None:
    ceph.put_there("data", {"size": "1Mi"}, "h1")
    to_go(ceph, "h1")
    h1.dies_at = 1
    await h1.look("data")
    h1 = ceph.start("h1")
    await h1.start()
    assert ceph.holder("data") == "h1", "it goes on with it"
    to_go(ceph, "h2")
    await h1.look("data")
    assert (ceph.holder("data"), h1.noted()) == ("", [])


async def test_a_copy_that_goes_on_keeps_its_source(ceph: CephInMemory, h1: Process) -> None:
    """Whoever acts on the source: in Ceph that is often another host."""
    ceph.put_there("data", {"size": "1Mi"}, "h1")
    to_be_copied(ceph, "h1")
    h1.volumes["default/data"] = ceph.api.objects["uid-data"]
    await h1.look("copy")
    assert await h1.look("copy") == "Copying"
    await eventually_async("the copy", lambda: h1.copying == 1)
    h1.volumes.pop("default/data")
    await h1.controller.noted.look()
    await h1.look("data")
    assert (ceph.holder("data"), h1.noted()) == ("h1", [NOTED])
    # another host is to make it
    to_be_copied(ceph, "h2")
    await h1.look("copy")
    assert ceph.holder("data") == ""
    await h1.controller.noted.look()
    assert h1.noted() == []


async def test_nobody_begins_while_what_was_left_is_looked_at_and_none_twice(
    ceph: CephInMemory, h1: Process
) -> None:
    noted = h1.controller.noted
    async with noted.at_work(NOTED):
        with pytest.raises(Exception, match="h1 has not let go"):
            async with noted.at_work(NOTED):
                raise AssertionError
        assert h1.noted() == [NOTED]
    assert h1.noted() == []


async def test_work_that_cannot_be_noted_is_not_begun(
    ceph: CephInMemory, h1: Process, tmp_path: Path
) -> None:
    ceph.put_there("data", {"size": "1Mi"}, "h1")
    to_go(ceph, "h1")
    Layout(tmp_path / "h1").claims_for_work.mkdir(parents=True)
    await h1.controller.remember()
    await h1.controller.noted.look()
    assert await h1.look("data") == "PoolUnreachable"
    assert ceph.holder("data") == ""
    assert "uid-data" in ceph.images


async def test_what_a_vm_has_by_now_is_left_to_it(ceph: CephInMemory, h1: Process) -> None:
    ceph.put_there("data", {"size": "1Mi"}, "h2")
    h1.notes.note(NOTED)
    free = ceph.claim("data")
    assert free is not None
    held = take(free, "h1", 3, "a-vm", CLUSTER)
    h1.compare_and_set(NOTED.place, free, held)
    await h1.start()
    assert (ceph.claim("data"), h1.noted()) == (held, [])


async def test_the_note_of_what_is_removed_whole_goes(ceph: CephInMemory, h1: Process) -> None:
    """Of a hostd that was killed between the claim's end and the note's."""
    h1.notes.note(NOTED)
    await h1.start()
    assert h1.noted() == []


async def test_the_note_of_a_pool_that_is_no_more_goes(ceph: CephInMemory, h1: Process) -> None:
    h1.notes.note(NOTED)
    ceph.pools.clear()
    ceph.away = "h1"
    await h1.start()
    assert h1.noted() == []


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"a": 1}', '{"fast/x": ["x"]}', "[" * 100_000, '"' + "x" * (17 << 20) + '"']
)
async def test_damaged_notes_stop_nothing_and_are_written_over(
    ceph: CephInMemory, h1: Process, tmp_path: Path, content: str
) -> None:
    file = Layout(tmp_path / "h1").claims_for_work
    file.parent.mkdir(parents=True)
    file.write_text(content)
    await h1.start()
    ceph.put_there("data", {"size": "1Mi"}, "h1")
    to_go(ceph, "h1")
    await h1.look("data")
    assert (h1.noted(), "uid-data" in ceph.images) == ([], False)


def test_what_another_version_wrote_stays_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "claims-for-work.json"
    newer = {"fast/uid-1": {"key": "a/b", "uid": "uid-1", "why": "growth"}, "queue": [1]}
    file.write_text(json.dumps(newer))
    notes = ClaimNotes(file)
    known = ClaimNote(VolumePlace(CephPool("fast"), "uid-1"), "a/b", "uid-1")
    assert notes.read() == (known,)
    notes.note(known)
    notes.note(NOTED)
    assert json.loads(file.read_text()).items() > newer.items()
    notes.forget(NOTED)
    assert json.loads(file.read_text()) == newer


async def test_what_one_host_alone_reaches_is_not_noted(tmp_path: Path) -> None:
    two = TwoVolumes(tmp_path)
    await two.until_copying()
    assert two.claim.holder is not None
    assert not Layout(tmp_path).claims_for_work.exists()
    await two.controller.stop()
