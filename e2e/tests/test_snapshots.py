"""Snapshots of a VM, seen from inside the guest before and after: one story, in the order of the tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from quantix_lab.guest_console import guest_console, wait_booted
from quantix_lab.machine_view import MachineView, Manifest
from quantix_lab.vm_manifests import small_vm
from quantix_lab.waiting import wait_for

# far behind whatever the image keeps on its disk
AT = 1_900_000
NAME = "kept"


@pytest.fixture(scope="module")
def kept(view: MachineView) -> Iterator[Manifest]:
    """A guest that runs on a disk of the image."""
    root = {"name": "root", "image": "shared/tiny", "size": "1Gi"}
    view.apply(small_vm(NAME, disks=[root], gracePeriodSeconds=0))
    yield wait_booted(view, NAME)
    for kind, names in (
        ("vmrestore", ("--all",)),
        ("vm", (NAME, "again")),
        ("vmsnap", ("first", "second")),
        ("volume", (f"{NAME}-root", "again-root", "old-root")),
    ):
        view.machine.kubectl("delete", kind, *names, "--ignore-not-found", "--timeout=90s", timeout_s=120)


def write(view: MachineView, name: str, text: str) -> None:
    """Onto the disk of a guest, and into the memory of its shell, from inside it."""
    with guest_console(view.machine, name) as console:
        onto = f"dd of=/dev/vda bs=512 seek={AT} conv=notrunc 2>/dev/null"
        console.ask(f"mark={text}; echo {text} | {onto}; sync")


def read(view: MachineView, name: str) -> list[str]:
    """What is on the disk, by the disk itself, and in the shell's memory if it is the same one."""
    with guest_console(view.machine, name) as console:
        disk = f"dd if=/dev/vda skip={AT} bs=512 count=1 2>/dev/null | head -n 1"
        return console.ask(f'sync; echo 3 > /proc/sys/vm/drop_caches; {disk}; echo "in $mark"').split()


def snapshot(view: MachineView, name: str) -> Manifest:
    return view.get("virtualmachinesnapshot", name)


def test_a_guest_that_runs_is_kept_with_its_memory_and_runs_on(view: MachineView, kept: Manifest) -> None:
    write(view, NAME, "before")
    qemu = view.qemu(view.get("vm", NAME))
    taken = view.machine.qx("vm", "snapshot", NAME, "--name", "first", "--memory", timeout_s=180)
    assert "first keeps 1 disk and the memory of kept" in taken.stderr
    assert view.qemu(view.get("vm", NAME)) == qemu
    status = snapshot(view, "first")["status"]
    assert (status["phase"], status["data"]) == ("Ready", "Present")
    assert status["config"]["disks"][0]["image"] == "shared/tiny"
    assert read(view, NAME) == ["before", "in", "before"]


def test_a_restore_goes_on_at_that_instant_and_what_was_written_since_is_gone(
    view: MachineView, kept: Manifest
) -> None:
    write(view, NAME, "after")
    assert read(view, NAME) == ["after", "in", "after"]
    refused = view.machine.qx("snapshot", "restore", "first", "--confirm", NAME, check=False)
    assert refused.returncode == 6
    spec = view.get("vm", NAME)["spec"]
    back = view.machine.qx("snapshot", "restore", "first", "--stop", "--confirm", NAME, timeout_s=180)
    assert "kept is as first kept it." in back.stderr
    view.wait_ready(NAME, reason="Running")
    assert read(view, NAME) == ["before", "in", "before"]
    assert view.get("vm", NAME)["spec"] == spec
    wait_for(
        "what was done, as events",
        lambda: ({"SnapshotTaken", "RestoreDone"} <= set(view.events(NAME)), view.events(NAME)),
    )


def test_disks_alone_are_set_back_and_the_guest_boots(view: MachineView, kept: Manifest) -> None:
    write(view, NAME, "later")
    view.machine.qx("vm", "stop", NAME, "--now", "--yes", timeout_s=90)
    back = view.machine.qx("snapshot", "restore", "first", "--no-memory", "--confirm", NAME, timeout_s=180)
    assert f"qx vm start {NAME}" in back.stderr
    view.machine.qx("vm", "start", NAME, timeout_s=90)
    wait_booted(view, NAME)
    assert read(view, NAME)[:2] == ["before", "in"]


def test_a_vm_that_is_off_is_kept_and_a_volume_is_made_from_it(view: MachineView, kept: Manifest) -> None:
    write(view, NAME, "second")
    view.machine.qx("vm", "stop", NAME, "--now", "--yes", timeout_s=90)
    view.machine.qx("vm", "snapshot", NAME, "--name", "second", timeout_s=180)
    made = ("volume", "create", "old-root", "--from-snapshot", "first", "--disk", "root")
    view.machine.qx(*made, timeout_s=180)
    view.wait_ready("old-root", kind="volume")


def test_everything_goes_in_any_order_and_a_new_vm_has_what_was_kept(
    view: MachineView, kept: Manifest
) -> None:
    view.machine.qx("vm", "delete", NAME, "--volumes", "--yes", timeout_s=120)
    view.wait_gone("volume", f"{NAME}-root")
    disk = {"name": "root", "snapshot": "second"}
    view.apply(small_vm("again", disks=[disk], gracePeriodSeconds=0))
    view.wait_ready("again", reason="Running")
    for name in ("second", "first"):
        view.machine.qx("snapshot", "delete", name, "--yes", timeout_s=120)
        view.wait_gone("virtualmachinesnapshot", name)
    # a QEMU that has a file open reads it also once it is gone
    view.machine.qx("vm", "restart", "again", timeout_s=120)
    wait_booted(view, "again")
    assert read(view, "again")[:2] == ["second", "in"]
    assert not list((view.layout.local_pool / "snapshots").glob("*"))
