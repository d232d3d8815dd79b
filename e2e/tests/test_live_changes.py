"""What changes under a running guest, seen from inside it: one QEMU from the first test to the last."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from quantix_lab.guest_console import GuestConsole, guest_console
from quantix_lab.machine_view import MachineView, Manifest
from quantix_lab.vm_manifests import condition, small_vm
from quantix_lab.waiting import wait_for

NAME = "roomy"
# a kernel that may be given memory above 4 GiB sets 64 MiB aside for devices (swiotlb)
MEMORY = {"size": "256Mi", "maxSize": "512Mi"}


@pytest.fixture(scope="module")
def roomy(view: MachineView) -> Iterator[Manifest]:
    """A guest with room to grow that has booted."""
    view.apply(small_vm(NAME, cpu={"cores": 1, "maxCores": 2}, memory=MEMORY, gracePeriodSeconds=0))
    vm = view.wait_ready(NAME, reason="Running")
    wait_for(
        "the guest to boot", lambda: ("quantix-guest ready" in view.printed(vm), view.printed(vm)[-300:])
    )
    yield vm
    view.machine.kubectl("delete", "vm", NAME, "--timeout=60s", timeout_s=90)


@pytest.fixture
def console(view: MachineView, roomy: Manifest) -> Iterator[GuestConsole]:
    with guest_console(view.machine, NAME) as opened:
        yield opened


@pytest.fixture(autouse=True)
def _same_qemu(view: MachineView, roomy: Manifest) -> Iterator[None]:
    """Nothing here restarts the guest, and nothing is left to restart it for."""
    before = view.qemu(roomy)
    yield
    after = view.get("virtualmachine", NAME)
    assert view.qemu(after) == before
    assert condition(after, "RestartRequired") == {}


def change(view: MachineView, **spec: Any) -> Manifest:
    """Patch the VM's spec and wait until it is as spec wants it."""
    view.patch("virtualmachine", NAME, {"spec": spec})
    return view.wait_ready(NAME, reason="Running")


def ask(console: GuestConsole, command: str) -> str:
    """What a command in the guest prints, without the echo of the line that asks for it."""
    said = console.run(f'{command}; echo "en"ded', until="ended")
    return said.partition("\n")[2].replace("ended", "").partition("#")[0].strip()


def until(console: GuestConsole, command: str, wanted: str) -> None:
    """Wait until a command in the guest prints this."""

    def look() -> tuple[bool, object]:
        said = ask(console, command)
        return wanted in said.split(), said

    wait_for(f"{command} to say {wanted}", look, 40)


def root_and(view: MachineView, **disk: Any) -> list[Manifest]:
    """The list of disks: the first as it is, and this one."""
    root = view.get("virtualmachine", NAME)["spec"]["disks"][0]
    return [root, disk] if disk else [root]


def test_a_core_is_added(view: MachineView, console: GuestConsole) -> None:
    assert "1" in ask(console, "nproc").split()
    change(view, cpu={"cores": 2})
    until(console, "nproc", "2")


def test_memory_is_added_and_taken_back(view: MachineView, console: GuestConsole) -> None:
    def total_mib() -> int:
        found = re.search(r"MemTotal: +(\d+) kB", ask(console, "grep MemTotal /proc/meminfo"))
        assert found is not None
        return int(found[1]) // 1024

    before = total_mib()
    change(view, memory={"size": "512Mi"})
    assert total_mib() == before + 256
    change(view, memory={"size": "256Mi"})
    assert total_mib() == before


def test_a_disk_comes_is_written_grown_limited_and_leaves(view: MachineView, console: GuestConsole) -> None:
    scratch = {"name": "scratch", "size": "16Mi"}
    vm = change(view, disks=root_and(view, **scratch))
    until(console, "ls /sys/block", "vdb")
    assert "HotPlugged" in " ".join(view.events(NAME))
    ask(console, "echo mark > /dev/vdb; sync")
    scratch |= {"size": "32Mi", "qos": {"iops": 50}}
    change(view, disks=root_and(view, **scratch))
    until(console, "cat /sys/block/vdb/size", str(32 * 1024**2 // 512))
    domain = f"qx-{vm['metadata']['uid']}"
    assert "<total_iops_sec>50</total_iops_sec>" in view.virsh("dumpxml", domain)
    change(view, disks=root_and(view))
    left = ask(console, "ls /sys/block").split()
    assert ("vda" in left, "vdb" in left) == (True, False)
    # what was written is there for the next guest, and for this one under the same epoch
    view.wait_ready(f"{NAME}-scratch", kind="volume")
    change(view, disks=root_and(view, **scratch))
    until(console, "head -c 4 /dev/vdb", "mark")


def test_a_nic_comes_gets_its_lease_and_leaves(view: MachineView, console: GuestConsole) -> None:
    first = view.get("virtualmachine", NAME)["spec"]["nics"][0]
    vm = change(view, nics=[first, {"name": "eth1", "network": "shared/default"}])
    address = vm["status"]["nics"][1]["addresses"][0]
    until(console, "ip -4 -o addr show eth1 | awk '{ print $4 }'", f"{address}/24")
    change(view, nics=[first])
    left = ask(console, "ls /sys/class/net").split()
    assert ("eth0" in left, "eth1" in left) == (True, False)


def test_the_cable_is_pulled_and_put_in_again(view: MachineView, console: GuestConsole) -> None:
    first = view.get("virtualmachine", NAME)["spec"]["nics"][0]
    for state, carrier in (("Down", "0"), ("Up", "1")):
        change(view, nics=[first | {"linkState": state}])
        until(console, "cat /sys/class/net/eth0/carrier", carrier)


def test_cpu_time_is_limited_while_it_runs(view: MachineView, roomy: Manifest) -> None:
    change(view, cpu={"limit": "500m", "weight": 200})
    tuned = view.virsh("schedinfo", f"qx-{roomy['metadata']['uid']}")
    assert re.search(r"global_quota\s*: 50000", tuned)
    assert re.search(r"cpu_shares\s*: 400", tuned)
    change(view, cpu={"limit": None, "weight": None})
