"""CPUs, memory and disks that change under a running guest, seen from inside it."""

from __future__ import annotations

import re
from typing import Any

import pytest

from quantix_api.conditions import condition_of
from quantix_lab.guest_console import GuestConsole
from quantix_lab.machine_view import MachineView, Manifest
from quantix_lab.memory_shortage import short_of_memory
from quantix_lab.roomy_guest import NAME, change
from quantix_lab.vm_manifests import dir_pool
from quantix_lab.waiting import wait_for, wait_removed

pytestmark = pytest.mark.usefixtures("same_qemu")


def root_and(view: MachineView, **disk: Any) -> list[Manifest]:
    """The list of disks: the first as it is, and this one."""
    root = view.get("virtualmachine", NAME)["spec"]["disks"][0]
    return [root, disk] if disk else [root]


def test_a_core_is_added(view: MachineView, console: GuestConsole) -> None:
    assert "1" in console.ask("nproc").split()
    change(view, cpu={"cores": 2})
    console.until("nproc", "2")


def test_memory_is_added_and_taken_back(view: MachineView, console: GuestConsole) -> None:
    def total_mib() -> int:
        found = re.search(r"MemTotal: +(\d+) kB", console.ask("grep MemTotal /proc/meminfo"))
        assert found is not None
        return int(found[1]) // 1024

    before = total_mib()
    change(view, memory={"size": "512Mi"})
    assert total_mib() == before + 256
    change(view, memory={"size": "256Mi"})
    assert total_mib() == before


def test_memory_is_taken_while_the_host_runs_short_and_comes_back(
    view: MachineView, console: GuestConsole
) -> None:
    """32 MiB are all that spec lets the host take."""

    def free_mib() -> int:
        found = re.search(r"MemFree: +(\d+) kB", console.ask("grep MemFree /proc/meminfo"))
        assert found is not None
        return int(found[1]) // 1024

    before = free_mib()
    change(view, memory={"minSize": "224Mi"})
    with short_of_memory(view.service("hostd"), view.layout.root):
        wait_for("the guest to have less", lambda: (free_mib() < before - 24, view.events(NAME)), 40)
    wait_for("the guest to have all again", lambda: (free_mib() > before - 8, view.events(NAME)), 40)
    assert {"MemoryTaken", "MemoryGivenBack"} <= set(" ".join(view.events(NAME)).split())


def test_a_disk_comes_is_written_grown_limited_and_leaves(view: MachineView, console: GuestConsole) -> None:
    scratch: dict[str, Any] = {"name": "scratch", "size": "16Mi"}
    vm = change(view, disks=root_and(view, **scratch))
    console.until("ls /sys/block", "vdb")
    assert "HotPlugged" in " ".join(view.events(NAME))
    console.ask("echo mark > /dev/vdb; sync")
    scratch |= {"size": "32Mi", "qos": {"iops": 50}}
    change(view, disks=root_and(view, **scratch))
    console.until("cat /sys/block/vdb/size", str(32 * 1024**2 // 512))
    domain = f"qx-{vm['metadata']['uid']}"
    assert "<total_iops_sec>50</total_iops_sec>" in view.virsh("dumpxml", domain)
    change(view, disks=root_and(view))
    left = console.ask("ls /sys/block").split()
    assert ("vda" in left, "vdb" in left) == (True, False)
    # what was written is there for the next guest, and for this one under the same epoch
    view.wait_ready(f"{NAME}-scratch", kind="volume")
    change(view, disks=root_and(view, **scratch))
    console.until("head -c 4 /dev/vdb", "mark")


def test_cpu_time_is_limited_while_it_runs(view: MachineView, roomy: Manifest) -> None:
    change(view, cpu={"limit": "500m", "weight": 200})
    tuned = view.virsh("schedinfo", f"qx-{roomy['metadata']['uid']}")
    assert re.search(r"global_quota\s*: 50000", tuned)
    assert re.search(r"cpu_shares\s*: 400", tuned)
    change(view, cpu={"limit": None, "weight": None})


def test_its_disks_move_to_another_pool_while_it_writes(view: MachineView, console: GuestConsole) -> None:
    machine = view.machine
    path = machine.root / "var/lib/quantix/pools/second"
    view.apply(dir_pool("second", path))
    view.wait_ready("second", kind="storagepool")
    scratch = {"name": "scratch", "size": "32Mi"}
    change(view, disks=root_and(view, **scratch))
    console.until("ls /sys/block", "vdb")
    console.ask("dd if=/dev/urandom of=/dev/vdb bs=1M seek=4 count=24 2>/dev/null; sync")
    of_disks = "dd if=/dev/vdb bs=1M skip=4 2>/dev/null | md5sum; md5sum /bin/busybox"
    sums = f"echo 3 > /proc/sys/vm/drop_caches; {of_disks}"
    before = re.findall("[0-9a-f]{32}", console.ask(sums))
    assert len(before) == 2
    writes = "while [ ! -e /tmp/enough ]; do i=$((i+1)); echo $i > /dev/vdb; sync; echo $i > /tmp/last; done"
    console.ask(f"({writes}) & sleep 1")
    uids = {}
    for name in (f"{NAME}-scratch", f"{NAME}-root"):
        uids[name] = view.get("volume", name)["metadata"]["uid"]
        moved = machine.qx("volume", "move", name, "--pool", "second", timeout_s=120)
        assert f"{name} is in pool second." in moved.stderr
    console.ask("touch /tmp/enough; sleep 2")
    assert re.findall("[0-9a-f]{32}", console.ask(sums)) == before
    last, found = console.ask("cat /tmp/last").split()[0], console.ask("head -n 1 /dev/vdb").split()[0]
    assert int(last) > 20
    assert found == last, "every write of the guest is in the new place"
    vm = view.wait_ready(NAME, reason="Running")
    opened = view.virsh("dumpxml", f"qx-{vm['metadata']['uid']}")
    for uid in uids.values():
        assert f"{path}/volumes/{uid}/data" in opened
        wait_removed(machine.root / "var/lib/quantix/pools/local/volumes" / uid, 30)
    assert "Moved" in " ".join(view.events(f"{NAME}-root"))


@pytest.mark.parametrize(
    ("wish", "back"),
    [
        ({"boot": {"menuSeconds": 1}}, {"boot": None}),
        ({"identity": {"machineType": "pc-q35-6.2"}}, {"identity": None}),
    ],
    ids=["boot menu", "machine type"],
)
def test_what_is_taken_back_waits_for_no_restart(
    view: MachineView, roomy: Manifest, wish: Manifest, back: Manifest
) -> None:
    def waiting() -> tuple[bool, list[str]]:
        """Whether status is about the present spec, and what waits for a restart."""
        vm = view.get("virtualmachine", NAME)
        current = condition_of(vm).get("observedGeneration") == vm["metadata"]["generation"]
        return current, [item["path"] for item in vm["status"]["runtime"].get("pendingChanges", [])]

    def pending() -> tuple[bool, object]:
        current, paths = waiting()
        return current and bool(paths), paths

    def nothing_pending() -> tuple[bool, object]:
        current, paths = waiting()
        return current and not paths, paths

    view.patch("virtualmachine", NAME, {"spec": wish})
    wait_for("the wish to wait for a restart", pending, 15)
    view.patch("virtualmachine", NAME, {"spec": back})
    wait_for("nothing to wait for a restart", nothing_pending, 15)
