"""What becomes of a volume that is made of a file that somebody sends. Disks, drafts and claims are real
files, and QEMU's tools work without their sandbox.
"""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from quantix_api import Volume
from quantix_api.errors import PermanentError, QuantixError, TransientError
from quantix_client.errors import Unreachable
from quantix_hostd.clients.qemu_img import QemuImg
from quantix_lab.one_volume import KEY, MIB, UID, OneVolume
from quantix_lab.open_sandbox import OpenSandbox
from quantix_lab.waiting import eventually_async

DISK = bytes(510) + b"\x55\xaa" + bytes(range(256)) * (2 * MIB // 256 - 2)
ANOTHER = "6c1e0000-0000-4000-8000-0000000000aa"
GOING = "2026-01-02T00:00:00Z"


def sent(tmp_path: Path, **spec: Any) -> OneVolume:
    """A host with a volume that waits for its file."""
    volume = OneVolume(tmp_path, QemuImg(OpenSandbox()))
    manifest = volume.volumes[KEY]
    manifest["spec"] = {"source": {"upload": {}}, **spec}
    manifest["status"]["pool"] = "local"
    volume.put(manifest)
    return volume


def left(volume: OneVolume) -> list[str]:
    return sorted(entry.name for entry in (volume.path / "images").iterdir())


async def pieces(content: bytes, breaks: QuantixError | None = None) -> AsyncIterator[bytes]:
    yield content
    if breaks is not None:
        raise breaks


async def begun(volume: OneVolume, sendings: int) -> None:
    """Until so many are under way."""

    def drafts() -> bool:
        return len([*(volume.path / "images").glob("*.part")]) == sendings

    await eventually_async(f"{sendings} sendings", drafts)


async def until(volume: OneVolume, reason: str) -> None:
    """Looks again and again, as the queue does."""
    for _ in range(200):
        await volume.reconcile()
        if volume.ready()["reason"] == reason:
            return
        await asyncio.sleep(0.05)
    raise AssertionError(volume.ready())


async def send(volume: OneVolume, content: bytes = DISK) -> None:
    await volume.uploads.receive_upload(KEY, pieces(content), len(content))


def delete(volume: OneVolume) -> None:
    volume.volumes[KEY]["metadata"]["deletionTimestamp"] = GOING
    volume.put(volume.volumes[KEY])


def stored(volume: OneVolume) -> bytes:
    """What a guest would read."""
    flat = volume.path / "flat"
    words = ["qemu-img", "convert", "-f", "qcow2", "-O", "raw", str(volume.directory / "data"), str(flat)]
    subprocess.run(words, check=True)
    return flat.read_bytes()


async def test_it_waits_for_its_file_and_says_what_to_type(tmp_path: Path) -> None:
    volume = sent(tmp_path)
    await volume.reconcile()
    assert (volume.ready()["status"], volume.ready()["reason"]) == ("False", "WaitingForUpload")
    assert volume.ready()["message"] == (
        "The file of volume data was not sent yet. Try: qx volume upload FILE --name data."
    )
    assert volume.status["phase"] == "Pending"
    assert "data" not in volume.status, "who deletes it waits for this host's word"


@pytest.mark.parametrize(("size", "capacity"), [(None, 2 * MIB), ("8Mi", 8 * MIB)])
async def test_the_file_becomes_its_data_and_goes(tmp_path: Path, size: str | None, capacity: int) -> None:
    volume = sent(tmp_path, **({"size": size} if size else {}))
    await volume.reconcile()
    await send(volume)
    assert left(volume) == [UID]
    await until(volume, "Available")
    assert (volume.status["data"], volume.status["phase"]) == ("Present", "Available")
    assert Volume.model_validate(volume.volumes[KEY]).status.capacity == f"{capacity // MIB}Mi"
    assert left(volume) == []
    assert stored(volume) == DISK + bytes(capacity - len(DISK))
    with pytest.raises(PermanentError, match="Volume data takes no file: it has its data") as refused:
        await send(volume)
    assert refused.value.reason == "NotWaiting"


async def test_it_is_told_while_it_is_sent_and_another_is_refused(tmp_path: Path) -> None:
    volume = sent(tmp_path)
    await volume.reconcile()
    goes_on = asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield DISK[:MIB]
        await goes_on.wait()
        yield DISK[MIB:]

    sending = asyncio.create_task(volume.uploads.receive_upload(KEY, slow(), len(DISK)))
    await begun(volume, 1)
    await volume.reconcile()
    assert (volume.ready()["reason"], volume.status["phase"]) == ("Creating", "Creating")
    assert volume.ready()["message"].startswith("The file of volume data is being sent.")
    assert volume.status["progress"]["totalBytes"] == len(DISK)
    with pytest.raises(PermanentError, match="another sends it"):
        await send(volume)
    goes_on.set()
    await sending
    with pytest.raises(PermanentError, match="sent already"):
        await send(volume)
    await until(volume, "Available")


async def test_a_file_is_not_longer_than_its_sender_said(tmp_path: Path) -> None:
    volume = sent(tmp_path)
    await volume.reconcile()
    taken = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal taken
        while taken < 8 * MIB:
            yield bytes(1000)
            taken += 1000

    with pytest.raises(TransientError, match="4000 of 3500 bytes arrived"):
        await volume.uploads.receive_upload(KEY, endless(), 3500)
    stored_bytes = sum(entry.stat().st_size for entry in (volume.path / "images").glob("*.part"))
    assert (taken, stored_bytes) == (3000, 3000), "it takes no room that it was not promised"


async def test_an_upload_that_broke_off_goes_on_also_after_a_restart(tmp_path: Path) -> None:
    volume = sent(tmp_path)
    await volume.reconcile()
    broke_off = TransientError("ImageUnreachable", "The upload broke off.")
    with pytest.raises(TransientError):
        await volume.uploads.receive_upload(KEY, pieces(DISK[:MIB], broke_off), len(DISK))
    await volume.reconcile()
    assert volume.ready()["reason"] == "WaitingForUpload"
    assert "1 MiB of 2 MiB of the file of volume data arrived" in volume.ready()["message"]
    (tmp_path / "restarted").mkdir()
    later = sent(tmp_path / "restarted")
    (later.path).rmdir()
    volume.path.rename(later.path)
    note = await later.uploads.kept_of_upload(KEY)
    assert note is not None
    assert (note.offset_bytes, note.length_bytes) == (MIB, len(DISK))
    await later.uploads.receive_upload(KEY, pieces(DISK[MIB:]), len(DISK), MIB)
    await until(later, "Available")
    assert stored(later) == DISK


async def test_a_file_that_was_there_as_hostd_died_is_made_into_the_volume(tmp_path: Path) -> None:
    volume = sent(tmp_path)
    (volume.path / "images").mkdir()
    (volume.path / "volumes").mkdir()
    (volume.path / "images" / UID).write_bytes(DISK)
    await until(volume, "Available")
    assert left(volume) == []
    # and one that lay there still, since hostd died once more
    (volume.path / "images" / UID).write_bytes(DISK)
    await volume.reconcile()
    assert (volume.ready()["reason"], left(volume)) == ("Available", [])


async def test_a_file_that_is_refused_leaves_nothing_and_is_told(tmp_path: Path) -> None:
    volume = sent(tmp_path)
    await volume.reconcile()
    with pytest.raises(PermanentError):
        await send(volume, b"KDMV" + bytes(MIB))
    await volume.reconcile()
    assert (volume.ready()["reason"], volume.status["phase"]) == ("ImageRefused", "Failed")
    assert "The file is a VMDK disk" in volume.ready()["message"]
    assert left(volume) == []
    await send(volume)
    await until(volume, "Available")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (DISK, "The file describes a disk of 2Mi; the volume takes one of 1Mi at most."),
        (DISK + bytes(80 * MIB), "long; the volume takes a disk of 1Mi at most."),
    ],
)
async def test_a_file_that_is_larger_than_the_volume_is_refused(
    tmp_path: Path, content: bytes, says: str
) -> None:
    volume = sent(tmp_path, size="1Mi")
    await volume.reconcile()
    with pytest.raises(PermanentError) as refused:
        await send(volume, content)
    assert refused.value.reason == "ImageRefused"
    assert says in str(refused.value)
    assert left(volume) == []


async def test_a_raw_file_without_boot_sector_is_taken_as_what_it_is_said_to_be(tmp_path: Path) -> None:
    volume = sent(tmp_path)
    volume.volumes[KEY]["spec"]["source"] = {"upload": {"format": "Raw"}}
    volume.put(volume.volumes[KEY])
    await volume.reconcile()
    await send(volume, b"d" * MIB)
    await until(volume, "Available")
    assert stored(volume) == b"d" * MIB


async def test_a_volume_that_is_deleted_while_it_is_sent_leaves_nothing(tmp_path: Path) -> None:
    volume = sent(tmp_path)
    await volume.reconcile()

    async def endless() -> AsyncIterator[bytes]:
        yield DISK[:MIB]
        await asyncio.Event().wait()

    sending = asyncio.create_task(volume.uploads.receive_upload(KEY, endless(), len(DISK)))
    await begun(volume, 1)
    delete(volume)
    await volume.reconcile()
    with pytest.raises(PermanentError, match="it was deleted meanwhile"):
        await sending
    assert (volume.ready()["reason"], volume.status["data"], left(volume)) == ("Deleting", "Absent", [])
    with pytest.raises(PermanentError, match="it is not on host h1"):
        await send(volume)


def give_away(volume: OneVolume) -> None:
    """To another host: the watch delivers it here no more."""
    volume.api.put(volume.volumes.pop(KEY) | {"status": {"host": "h2", "pool": "local"}})


def gone(volume: OneVolume) -> None:
    """Both from the API and for the watch."""
    volume.volumes.pop(KEY, None)
    del volume.api.objects[UID]


async def break_off(volume: OneVolume) -> None:
    """Send a half of it."""
    broke_off = TransientError("ImageUnreachable", "The upload broke off.")
    with pytest.raises(TransientError):
        await volume.uploads.receive_upload(KEY, pieces(DISK[:MIB], broke_off), len(DISK))


async def test_an_upload_ends_whose_volume_is_gone(tmp_path: Path) -> None:
    volume = sent(tmp_path)
    await volume.reconcile()
    await send(volume)
    gone(volume)
    await volume.controller.reconcile(KEY)
    assert left(volume) == []


async def test_the_host_that_a_volume_is_given_to_may_make_it_of_what_was_sent_here(tmp_path: Path) -> None:
    volume = sent(tmp_path)
    await volume.reconcile()
    await send(volume)
    (volume.path / f"images/.{UID}.h1.part").write_bytes(b"half of another try")
    give_away(volume)
    await tidied(volume)
    assert left(volume) == [UID], "both hosts may have this directory: the other one is reading"
    volume.api.get_failure = Unreachable("The API does not answer.")
    await tidied(volume)
    assert left(volume) == [UID]
    volume.api.get_failure = None
    volume.api.objects[UID]["status"]["data"] = "Present"
    await tidied(volume)
    assert left(volume) == [], "it is made: nobody needs it any more"
    await tidied(volume)
    assert volume.woken == [], "it is forgotten then"


async def test_an_upload_ends_whose_volume_was_made_anew_and_is_sent_again(tmp_path: Path) -> None:
    volume = sent(tmp_path)
    await volume.reconcile()
    never = asyncio.Event()

    async def endless() -> AsyncIterator[bytes]:
        yield DISK[:MIB]
        await never.wait()

    first = asyncio.create_task(volume.uploads.receive_upload(KEY, endless(), len(DISK)))
    await begun(volume, 1)
    manifest = volume.volumes[KEY]
    volume.volumes[KEY] = manifest | {"metadata": {**manifest["metadata"], "uid": ANOTHER}}
    second = asyncio.create_task(volume.uploads.receive_upload(KEY, endless(), len(DISK)))
    # no byte of one is in the other's file
    await begun(volume, 2)
    await volume.uploads.forget(KEY, volume.uploads.sent_for(KEY) - {ANOTHER})
    assert (await asyncio.wait({first, second}, timeout=5, return_when=asyncio.FIRST_COMPLETED))[0] == {first}
    with pytest.raises(PermanentError, match="it was deleted meanwhile"):
        await first
    assert [name.split(".")[1] for name in left(volume)] == [ANOTHER]
    await volume.uploads.stop()
    await asyncio.gather(second, return_exceptions=True)


async def test_what_a_broken_upload_left_goes_with_its_volume(tmp_path: Path) -> None:
    volume = sent(tmp_path)
    await volume.reconcile()
    await break_off(volume)
    assert len(left(volume)) == 2
    delete(volume)
    await volume.reconcile()
    assert (volume.status["data"], left(volume)) == ("Absent", [])


async def test_a_namespace_sends_four_files_at_once_at_most(tmp_path: Path) -> None:
    volume = sent(tmp_path)
    manifest = volume.volumes[KEY]
    keys = [f"default/data-{number}" for number in range(5)] + ["other/data"]
    for number, key in enumerate(keys):
        namespace, _, name = key.partition("/")
        about = {"name": name, "namespace": namespace, "uid": f"uid-{number}", "generation": 1}
        volume.volumes[key] = {**manifest, "metadata": about}
    never = asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield DISK[:MIB]
        await never.wait()

    sending = [asyncio.create_task(volume.uploads.receive_upload(key, slow(), len(DISK))) for key in keys[:4]]
    await begun(volume, 4)
    for asking in (volume.uploads.kept_of_upload(keys[4]), volume.uploads.receive_upload(keys[4], slow(), 9)):
        with pytest.raises(TransientError) as refused:
            await asking
        assert refused.value.reason == "TooManyUploads"
        assert str(refused.value) == (
            "Host h1 takes as many files of namespace default, or of all, as it does at once. "
            "Try: send it again once one of them has arrived."
        )
    assert not volume.uploads.sent_for(keys[4]), "nothing is noted for what is refused"
    await volume.uploads.receive_upload(keys[5], pieces(DISK), len(DISK))
    await volume.uploads.forget(keys[0], volume.uploads.sent_for(keys[0]))
    await asyncio.wait({sending[0]})
    await volume.uploads.receive_upload(keys[4], pieces(DISK), len(DISK))
    await volume.uploads.stop()
    ended = await asyncio.gather(*sending, return_exceptions=True)
    assert {type(end) for end in ended} == {PermanentError}


@pytest.mark.parametrize(
    ("manifest", "why"),
    [
        ({"spec": {"size": "1Mi"}}, "it is not made by upload"),
        ({"status": {"host": "h2"}}, "it is not on host h1"),
    ],
)
async def test_only_what_waits_for_a_file_here_takes_one(
    tmp_path: Path, manifest: dict[str, Any], why: str
) -> None:
    volume = sent(tmp_path)
    volume.put(volume.volumes[KEY] | manifest)
    with pytest.raises(PermanentError, match=why):
        await send(volume)


async def test_nothing_is_sent_into_a_pool_that_its_namespace_may_not_use(tmp_path: Path) -> None:
    volume = sent(tmp_path)
    volume.pool["spec"]["allowedNamespaces"] = {"team": "a"}
    with pytest.raises(PermanentError) as refused:
        await send(volume)
    assert refused.value.reason == "PoolNotFound"
    volume.namespaces["default"] = {"metadata": {"name": "default", "labels": {"team": "a"}}}
    await send(volume)


async def restarted(volume: OneVolume, tmp_path: Path) -> OneVolume:
    """Another hostd on the same host, which has heard of all objects."""
    later = OneVolume(tmp_path, QemuImg(OpenSandbox()))
    later.volumes.clear()
    later.volumes.update(volume.volumes)
    later.api.objects = volume.api.objects
    await later.uploads.remember()
    return later


async def tidied(volume: OneVolume) -> None:
    """Looks at what it tidies up, as the queue does."""
    volume.woken.clear()
    await volume.uploads.tidy()
    for key in volume.woken:
        await volume.controller.reconcile(key)


@pytest.mark.parametrize("whole", [True, False], ids=["whole", "broke off"])
async def test_what_was_sent_goes_also_where_hostd_restarted_meanwhile(tmp_path: Path, whole: bool) -> None:
    volume = sent(tmp_path)
    await volume.reconcile()
    await (send(volume) if whole else break_off(volume))
    gone(volume)
    later = await restarted(volume, tmp_path)
    assert left(later) != []
    await tidied(later)
    assert left(later) == []
    await tidied(later)
    assert later.woken == [], "it is forgotten then"
    again = await restarted(later, tmp_path)
    await tidied(again)
    assert again.woken == []


async def test_half_of_a_file_goes_where_its_volume_was_given_away_while_hostd_did_not_run(
    tmp_path: Path,
) -> None:
    volume = sent(tmp_path)
    await volume.reconcile()
    await break_off(volume)
    give_away(volume)
    later = await restarted(volume, tmp_path)
    await tidied(later)
    assert left(later) == []
    await tidied(later)
    assert later.woken == []


async def test_what_was_sent_stays_over_a_restart_while_its_volume_is_of_this_host(tmp_path: Path) -> None:
    volume = sent(tmp_path)
    await volume.reconcile()
    await send(volume)
    later = await restarted(volume, tmp_path)
    await tidied(later)
    assert (later.woken, left(later)) == ([], [UID])
    gone(later)
    await tidied(later)
    assert left(later) == []


async def test_what_was_sent_goes_once_its_pool_is_there_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    volume = sent(tmp_path)
    volume.pool["metadata"]["uid"] = "pool-1"
    await volume.reconcile()
    await send(volume)
    gone(volume)
    later = await restarted(volume, tmp_path)
    later.pool["metadata"]["uid"] = "pool-1"
    # an empty mount point is left where the pool was
    later.path.rename(tmp_path / "away")
    later.path.mkdir()
    for _ in range(3):
        await tidied(later)
    assert list(later.path.iterdir()) == []
    assert capsys.readouterr().out.count("not put away") == 1, "it is told once"
    later.path.rmdir()
    (tmp_path / "away").rename(later.path)
    await tidied(later)
    assert left(later) == []


@pytest.mark.parametrize("restarts", [True, False])
async def test_what_was_sent_goes_also_where_its_pool_is_made_anew_elsewhere(
    tmp_path: Path, restarts: bool
) -> None:
    volume = sent(tmp_path)
    await volume.reconcile()
    await send(volume)
    (tmp_path / "elsewhere").mkdir()
    gone(volume)
    later = OneVolume(tmp_path, QemuImg(OpenSandbox())) if restarts else volume
    spec = {"dir": {"path": str(tmp_path / "elsewhere")}, "default": True}
    later.known_pools["local"] = {"metadata": {"name": "local", "uid": "pool-2"}, "spec": spec}
    if restarts:
        gone(later)
        await later.uploads.remember()
    await tidied(later)
    assert left(later) == []


async def test_what_was_sent_goes_also_where_its_pool_went_while_hostd_did_not_run(tmp_path: Path) -> None:
    volume = sent(tmp_path)
    await volume.reconcile()
    await send(volume)
    gone(volume)
    later = OneVolume(tmp_path, QemuImg(OpenSandbox()))
    gone(later)
    later.known_pools.clear()
    await later.uploads.remember()
    await tidied(later)
    assert left(later) == []


async def test_what_was_sent_goes_also_where_its_pool_no_longer_takes_this_host(tmp_path: Path) -> None:
    volume = sent(tmp_path)
    await volume.reconcile()
    await send(volume)
    gone(volume)
    spec = {**volume.pool["spec"], "hostSelector": {"quantix.io/host": "h2"}}
    volume.known_pools["local"] = {**volume.pool, "spec": spec}
    await tidied(volume)
    assert left(volume) == []
