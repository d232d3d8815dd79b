"""`qx vm snapshot`, `qx snapshot restore` and `qx volume create --from-snapshot`, as typed and told."""

from __future__ import annotations

from typing import Any

import pytest

from quantix_api.resources import (
    STORAGE_POOLS,
    VIRTUAL_MACHINE_RESTORES,
    VIRTUAL_MACHINE_SNAPSHOTS,
    VIRTUAL_MACHINES,
    VOLUMES,
)
from quantix_cli.exits import CommandError, Exit
from quantix_cli.nouns import NOUNS, World
from quantix_cli.vm.snapshots import lost_by, taken
from quantix_lab.qx_session import qx_session, typed

from .test_migrating import Api, Manifest, condition, obj

DISKS = [{"name": "root"}, {"name": "data"}]


def vm(host: str = "", **spec: Any) -> Manifest:
    status = {"assignment": {"epoch": 1, "host": host}} if host else {"assignment": {"epoch": 2}}
    return obj(VIRTUAL_MACHINES, "web-1", {"powerState": "Running", "disks": DISKS, **spec}, status)


def snapshot(phase: str, **status: Any) -> Manifest:
    said = {"phase": phase, "disks": DISKS, "virtualMachineUID": "uid-web-1", "host": "h1", **status}
    return obj(VIRTUAL_MACHINE_SNAPSHOTS, "before", {"virtualMachine": "web-1"}, said)


def restore(phase: str, **status: Any) -> Manifest:
    spec = {"virtualMachine": "web-1", "snapshot": "before"}
    return obj(VIRTUAL_MACHINE_RESTORES, "web-1-x", spec, {"phase": phase, "host": "h1", **status})


def api(*ends: Manifest, machine: Manifest | None = None) -> Api:
    pool = obj(STORAGE_POOLS, "local", {"dir": {"path": "/p"}, "default": True})
    found = {
        "VirtualMachine": [machine or vm()],
        "VirtualMachineSnapshot": [snapshot("Ready")],
        "StoragePool": [pool],
    }
    return Api([*ends], **found)


async def test_a_snapshot_is_made_watched_and_told(capsys: pytest.CaptureFixture[str]) -> None:
    still = condition("Quiesced", "True", "Frozen", "")
    done = snapshot("Ready", memoryHandle="m", conditions=[still])
    world = api(snapshot("Taking", progress={"doneBytes": 1, "totalBytes": 2}), done)
    words = "vm snapshot web-1 --name before --memory --quiesce required --disk root --disk data --protect"
    assert await typed(qx_session(world), words) == Exit.DONE
    (made,) = world.created
    assert made["metadata"]["name"] == "before"
    assert made["spec"] == {
        "virtualMachine": "web-1",
        "disks": ["root", "data"],
        "memory": True,
        "quiesce": "Required",
        "deletionProtection": True,
    }
    said = "before keeps 2 disks and the memory of web-1; its file systems were held still.\n"
    assert capsys.readouterr().err == said


async def test_without_a_name_it_is_called_after_the_vm_and_the_moment(
    capsys: pytest.CaptureFixture[str],
) -> None:
    world = api()
    assert await typed(qx_session(world), "vm snapshot web-1 --no-wait") == Exit.DONE
    (made,) = world.created
    name = made["metadata"]["name"]
    assert name.startswith("web-1-20")
    assert made["spec"] == {"virtualMachine": "web-1"}
    assert f"qx snapshot explain {name}" in capsys.readouterr().err


async def test_a_disk_that_the_vm_does_not_have_is_refused_before_anything_is_made() -> None:
    world = api()
    with pytest.raises(CommandError) as refused:
        await typed(qx_session(world), "vm snapshot web-1 --disk rot")
    assert refused.value.exit_code == Exit.NOT_FOUND
    assert "it has root, data" in refused.value.message
    assert world.created == []


async def test_one_name_for_several_is_refused_before_anything_is_asked() -> None:
    other = obj(VIRTUAL_MACHINES, "web-2", {"disks": DISKS}, {})
    world = Api([], VirtualMachine=[vm(), other])
    with pytest.raises(CommandError) as refused:
        await typed(qx_session(world), "vm snapshot web-* --name before")
    assert refused.value.message == "One name is not enough for several snapshots."
    assert refused.value.hint == "leave --name out: each gets VM-DATE-TIME"
    assert world.created == []


async def test_a_snapshot_that_was_refused_says_why(capsys: pytest.CaptureFixture[str]) -> None:
    message = "Only a VM that runs has memory to keep, and web-1 does not. Try: qx vm start web-1."
    ready = condition("Ready", "False", "NotRunning", message)
    world = api(snapshot("Failed", host=None, conditions=[ready]))
    assert await typed(qx_session(world), "vm snapshot web-1 --memory") == Exit.REFUSED
    assert "has memory to keep, and web-1 does not (NotRunning)" in capsys.readouterr().err


async def test_a_wait_that_is_too_long_ends_with_8_and_the_snapshot_goes_on(
    capsys: pytest.CaptureFixture[str],
) -> None:
    ready = condition("Ready", "False", "MigrationRunning", "web-1 is being moved to another host.")
    world = api(snapshot("Pending", conditions=[ready]))
    assert await typed(qx_session(world), "vm snapshot web-1") == Exit.TIMED_OUT
    assert "web-1 is being moved to another host. It goes on." in capsys.readouterr().err


async def test_a_restore_asks_for_the_name_of_the_vm(capsys: pytest.CaptureFixture[str]) -> None:
    world = api()
    with pytest.raises(CommandError) as refused:
        await typed(qx_session(world), "snapshot restore before --yes")
    assert refused.value.exit_code == Exit.USAGE
    assert refused.value.hint == "--confirm web-1"
    assert "What was written to root, data of web-1" in capsys.readouterr().err
    assert world.created == []


async def test_a_restore_is_made_watched_and_told_with_what_stays(capsys: pytest.CaptureFixture[str]) -> None:
    done = restore("Restored", differences=["spec.cpu.cores"])
    world = api(restore("Restoring"), done, machine=vm(powerState="Stopped"))
    words = "snapshot restore before --disk root --no-memory --confirm web-1"
    assert await typed(qx_session(world), words) == Exit.DONE
    (made,) = world.created
    assert made["spec"] == {
        "virtualMachine": "web-1",
        "snapshot": "before",
        "disks": ["root"],
        "memory": "Never",
        "ttlSecondsAfterFinished": 86400,
    }
    said = capsys.readouterr().err
    assert "web-1 is as before kept it." in said
    assert "differ in: cpu.cores." in said
    assert "qx vm start web-1" in said


async def test_a_vm_that_runs_is_switched_off_only_on_demand(capsys: pytest.CaptureFixture[str]) -> None:
    world = api(machine=vm("h1"))
    with pytest.raises(CommandError) as refused:
        await typed(qx_session(world), "snapshot restore before --confirm web-1")
    assert refused.value.exit_code == Exit.REFUSED
    assert await typed(qx_session(world), "snapshot restore before --stop --confirm web-1 --no-wait") == 0
    (made,) = world.created
    assert made["spec"]["stop"] == "Force"
    assert "switched off as by pulling the plug" in capsys.readouterr().err


async def test_a_snapshot_of_a_vm_that_is_gone_still_makes_volumes() -> None:
    world = api()
    world.kinds["VirtualMachineSnapshot"] = [snapshot("Ready", virtualMachineUID="uid-of-before")]
    with pytest.raises(CommandError) as refused:
        await typed(qx_session(world), "snapshot restore before --confirm web-1")
    assert refused.value.exit_code == Exit.NOT_FOUND
    assert "--from-snapshot before" in str(refused.value.hint)


async def test_a_volume_is_made_from_a_disk_of_a_snapshot() -> None:
    world = api()
    words = "volume create old --from-snapshot before --disk root --no-wait"
    await typed(qx_session(world), words)
    (made,) = world.created
    assert made["kind"] == VOLUMES.kind
    assert made["spec"]["source"] == {"snapshot": {"name": "before", "disk": "root"}}


async def test_a_disk_that_the_snapshot_does_not_have_is_refused_before() -> None:
    world = api()
    words = "volume create old --from-snapshot before --disk dat --no-wait"
    with pytest.raises(CommandError, match="Snapshot before has no disk dat") as refused:
        await typed(qx_session(world), words)
    assert (refused.value.exit_code, refused.value.hint) == (Exit.REFUSED, "one of root, data")
    assert world.created == []
    world.kinds["VirtualMachineSnapshot"] = [snapshot("Taking", disks=[])]
    await typed(qx_session(world), words)
    assert world.created, "what it will have is not known yet"


@pytest.mark.parametrize("words", ["--from-snapshot before", "--disk root --size 1GiB"])
async def test_a_disk_and_its_snapshot_go_together(words: str) -> None:
    with pytest.raises(CommandError) as refused:
        await typed(qx_session(api()), f"volume create old {words}")
    assert refused.value.exit_code == Exit.USAGE


def test_what_could_not_be_held_still_is_told() -> None:
    late = condition("Quiesced", "False", "FreezeTimedOut", "The guest did not hold still within 10 s.")
    assert taken(snapshot("Ready", conditions=[late])) == (
        "before keeps 2 disks of web-1; the guest did not hold still within 10 s."
    )


def test_only_the_disks_that_are_named_lose_something() -> None:
    (told,) = lost_by(snapshot("Ready", takenAt="2026-11-01T10:00:00Z"), vm(), ("data",), stop=True)
    assert told == "What was written to data of web-1 since 2026-11-01T10:00:00Z is lost."


def test_a_row_tells_what_is_kept_of_which_vm() -> None:
    cells: Any = NOUNS["snapshot"].cells
    world: World = World.__new__(World)
    shown = [cell.text for cell in cells(snapshot("Taking", progress={"percent": 40}), world)]
    assert shown == ["web-1", "root, data", "-", "-", "40 %"]
