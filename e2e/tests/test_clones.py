"""A VM with an encrypted disk and its clone, seen from inside both: one story, in the order of the tests."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from quantix_lab.guest_console import guest_console, wait_booted
from quantix_lab.machine_view import MachineView, Manifest
from quantix_lab.vm_manifests import dir_pool, ipv4, small_vm
from quantix_lab.waiting import wait_for

PASSPHRASE = "correct-horse-battery-staple"
SECRET = {
    "apiVersion": "v1",
    "kind": "Secret",
    "metadata": {"name": "disk-key", "namespace": "default"},
    "stringData": {"passphrase": PASSPHRASE},
}
# qx would not send it while its Secret is not there
ENCRYPTED = {
    "apiVersion": "quantix.io/v1alpha1",
    "kind": "Volume",
    "metadata": {"name": "source-data", "namespace": "default"},
    "spec": {"size": "16Mi", "encryption": {"secretRef": {"name": "disk-key"}}},
}
LATE = {
    "apiVersion": "quantix.io/v1alpha1",
    "kind": "Volume",
    "metadata": {"name": "late", "namespace": "default"},
    "spec": {"source": {"volume": "source-root"}},
}
# far behind whatever the image keeps on its disk
AT = 1_900_000


@pytest.fixture(scope="module")
def source(view: MachineView) -> Iterator[Manifest]:
    """A guest that runs on a disk of the image, and that an encrypted one was plugged into."""
    root = {"name": "root", "image": "shared/tiny", "size": "1Gi"}
    view.apply(small_vm("source", disks=[root], gracePeriodSeconds=0))
    view.apply(ENCRYPTED)
    wait_booted(view, "source")
    view.machine.qx("vm", "attach", "source", "--volume", "source-data", "--name", "data", "--no-wait")
    waiting = view.wait_reason("volume", "source-data", "SecretNotFound")
    assert "disk-key" in waiting["message"]
    view.apply(SECRET)
    with guest_console(view.machine, "source") as console:
        console.ask("until [ -e /dev/vdb ]; do sleep 1; done", timeout_s=60)
    yield view.wait_ready("source", reason="Running")
    for name in ("source", "copy"):
        view.machine.kubectl("delete", "vm", name, "--ignore-not-found", "--timeout=60s", timeout_s=90)
    volumes = ("source-root", "source-data", "copy-root", "copy-data", "late")
    view.machine.kubectl("delete", "volume", *volumes, "--ignore-not-found", "--timeout=60s", timeout_s=90)
    view.machine.kubectl("delete", "secret", "disk-key")


def write(view: MachineView, name: str, text: str) -> None:
    """Onto both disks of a guest, from inside it."""
    with guest_console(view.machine, name) as console:
        onto = "dd of=/dev/$disk bs=512 seek=$at conv=notrunc 2>/dev/null"
        each = f"for at in {AT}:vda 64:vdb; do disk=${{at#*:}}; at=${{at%:*}}; echo {text} | {onto}; done"
        console.ask(f"{each}; sync")


def read(view: MachineView, name: str) -> list[str]:
    """What stands there on both disks."""
    with guest_console(view.machine, name) as console:
        one = "bs=512 count=1 2>/dev/null | head -n 1"
        both = f"dd if=/dev/vda skip={AT} {one}; dd if=/dev/vdb skip=64 {one}"
        return console.ask(both).split()


def data_of(view: MachineView, volume: str) -> bytes:
    status = view.get("volume", volume)["status"]
    pool = view.layout.local_pool.with_name(status["pool"])
    path: Path = pool / "volumes" / status["handle"] / "data"
    return path.read_bytes()


def test_what_a_guest_writes_to_its_encrypted_disk_is_in_no_file(view: MachineView, source: Manifest) -> None:
    write(view, "source", "mark-of-the-source")
    wait_for(
        "the mark in the plain disk", lambda: (b"mark-of-the-source" in data_of(view, "source-root"), "")
    )
    assert b"mark-of-the-source" not in data_of(view, "source-data")
    assert PASSPHRASE not in view.virsh("dumpxml", "--security-info", f"qx-{source['metadata']['uid']}")
    assert PASSPHRASE.encode() not in Path(f"/proc/{view.qemu(source)}/cmdline").read_bytes()
    assert view.virsh("secret-list").split()[3:] == []


def test_a_clone_waits_for_its_source_to_end_and_has_what_that_wrote(
    view: MachineView, source: Manifest
) -> None:
    asked = view.machine.qx("vm", "clone", "source", "copy")
    assert "source runs: its disks are copied once it is off; leave it off until" in asked.stderr
    said = view.wait_reason("volume", "copy-root", "VolumeInUse")["message"]
    assert "Volume source-root is copied once VM source is off" in said
    view.machine.qx("vm", "stop", "source", "--now", "--yes", timeout_s=90)
    copy = wait_booted(view, "copy")
    assert read(view, "copy") == ["mark-of-the-source"] * 2
    encryption = view.get("volume", "copy-data")["spec"]["encryption"]
    assert encryption == {"secretRef": {"name": "disk-key", "key": "passphrase"}}
    assert b"mark-of-the-source" not in data_of(view, "copy-data")
    assert ipv4(copy) != ipv4(source)
    assert copy["status"]["resolved"]["uuid"] != source["status"]["resolved"]["uuid"]


def test_what_the_clone_writes_is_not_in_its_source(view: MachineView, source: Manifest) -> None:
    write(view, "copy", "mark-of-the-clone")
    view.machine.qx("vm", "start", "source", timeout_s=90)
    wait_booted(view, "source")
    assert read(view, "source") == ["mark-of-the-source"] * 2
    assert read(view, "copy") == ["mark-of-the-clone"] * 2


def test_a_source_goes_once_its_copies_are_made_and_a_later_vm_has_what_the_clone_left_also_in_another_pool(
    view: MachineView, source: Manifest
) -> None:
    view.apply(LATE)
    view.wait_reason("volume", "late", "VolumeInUse")
    deleted = view.machine.qx("vm", "delete", "source", "--volumes", "--yes", timeout_s=120)
    assert "Volume source-root goes once what is still to be made from it is made: late." in deleted.stderr
    view.wait_gone("volume", "source-root")
    view.wait_ready("late", kind="volume")
    assert b"mark-of-the-source" in data_of(view, "late")
    view.machine.kubectl("delete", "vm", "copy", "--timeout=60s", timeout_s=90)
    disks = [{"name": name, "cloneOf": f"source-{name}"} for name in ("root", "data")]
    view.apply(small_vm("copy", gracePeriodSeconds=0, disks=disks))
    wait_booted(view, "copy")
    view.apply(dir_pool("second", view.layout.local_pool.with_name("second")))
    view.wait_ready("second", kind="storagepool")
    moved = view.machine.qx("volume", "move", "copy-data", "--pool", "second", timeout_s=120)
    assert moved.stderr.endswith("copy-data is in pool second.\n")
    # what it took over is read here for the first time, and from where it is now
    assert read(view, "copy") == ["mark-of-the-clone"] * 2
    assert b"mark-of-the-clone" not in data_of(view, "copy-data")
    told = view.machine.qx("vm", "explain", "copy").stdout
    assert "copy-data, copy-root, with the data of an earlier VM of this name" in told


def test_no_log_tells_a_passphrase(view: MachineView, source: Manifest) -> None:
    logs = [path for path in view.layout.log.rglob("*.log") if path.name != "console.log"]
    assert [str(path) for path in logs if PASSPHRASE in path.read_text(errors="replace")] == []
    told = view.machine.kubectl("get", "vm,volume,event", "-A", "-o", "json").stdout
    assert json.loads(told)["items"]
    assert PASSPHRASE not in told
