"""A whole machine with a pool in a real Ceph: a VM is made from an image there, lives through what breaks,
and leaves nothing.
"""

from __future__ import annotations

import base64
import json
import os
import re
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from quantix_lab.ceph_cluster import CephCluster, running_ceph
from quantix_lab.ceph_pools import FAST, add_fast_pool, ceph_pool, key_secret
from quantix_lab.guest_console import guest_console, wait_booted
from quantix_lab.leftovers import taken_away
from quantix_lab.machine_view import MachineView, Manifest
from quantix_lab.vm_manifests import small_vm
from quantix_lab.waiting import eventually, wait_for

_AWAY_S = 10.0
_GIB = 1 << 30


@pytest.fixture(scope="module")
def ceph(view: MachineView) -> Iterator[CephCluster]:
    """In the machine's own network, as its administrator would name it."""
    with tempfile.TemporaryDirectory(prefix="qx") as directory:
        inside = view.machine.network_namespace
        with running_ceph(Path(directory), "127.0.0.1", namespace=inside, mgr=True) as cluster:
            add_fast_pool(cluster)
            cluster.await_capacity()
            yield cluster


@pytest.fixture(scope="module")
def fast(view: MachineView, ceph: CephCluster) -> Iterator[Manifest]:
    """StoragePool `fast`, Ready."""
    with taken_away(view):
        view.apply(key_secret(ceph.keys[FAST]), ceph_pool(ceph))
        yield view.wait_ready("fast", kind="storagepool", reason="Reachable", namespace="", timeout_s=90)


def in_ceph(cluster: CephCluster) -> set[str]:
    """The RBD images."""
    return set(cluster.rbd("ls", FAST).split())


def vm_in_ceph(name: str) -> Manifest:
    disk = {"name": "root", "image": "shared/tiny", "pool": "fast", "reclaimPolicy": "Delete"}
    return small_vm(name, disks=[disk], nics=None, gracePeriodSeconds=0)


def handle_of(view: MachineView, volume: str) -> str:
    return str(view.get("volume", volume)["status"]["handle"])


def test_the_pool_tells_its_room_and_the_host_reads_the_key_of_this_pool_alone(
    view: MachineView, fast: Manifest
) -> None:
    assert fast["status"]["hosts"] == 1
    assert fast["status"]["capacity"] == fast["status"]["available"]
    role = json.loads(
        view.machine.kubectl(
            "get", "role", f"quantix-host-{view.machine.name}", "-n", "quantix-system", "-o", "json"
        ).stdout
    )
    assert [rule["resourceNames"] for rule in role["rules"]] == [["ceph"]]


def test_a_vm_of_an_image_boots_from_ceph_and_starts_again_after_its_qemu_was_killed(
    view: MachineView, fast: Manifest, ceph: CephCluster
) -> None:
    view.apply(vm_in_ceph("cloud-1"))
    made = view.wait_ready("cloud-1", reason="Running", timeout_s=120)
    wait_booted(view, "cloud-1")
    handle = handle_of(view, "cloud-1-root")
    volume = view.get("volume", "cloud-1-root")["status"]
    assert (volume["pool"], volume["data"]) == ("fast", "Present")
    assert handle in in_ceph(ceph)
    parent = json.loads(ceph.rbd("info", f"{FAST}/{handle}", "--format", "json"))["parent"]
    assert parent["image"].startswith("image.")

    (pid,) = view.qemus(made["metadata"]["uid"])
    os.kill(pid, signal.SIGKILL)

    def again() -> tuple[bool, object]:
        pids = view.qemus(made["metadata"]["uid"])
        return bool(pids) and pids != [pid], pids

    wait_for("another QEMU", again, 60)
    view.wait_ready("cloud-1", reason="Running")


def test_its_disk_grows_while_it_runs(view: MachineView, fast: Manifest, ceph: CephCluster) -> None:
    handle = handle_of(view, "cloud-1-root")
    disk = {"name": "root", "image": "shared/tiny", "pool": "fast", "reclaimPolicy": "Delete", "size": "2Gi"}
    view.patch("vm", "cloud-1", {"spec": {"disks": [disk]}})

    def larger() -> tuple[bool, object]:
        size = json.loads(ceph.rbd("info", f"{FAST}/{handle}", "--format", "json"))["size"]
        return size == 2 * _GIB, size

    wait_for("the RBD image to be larger", larger, 60)
    view.wait_ready("cloud-1", reason="Running")


def test_it_stays_as_it_is_while_ceph_is_away(view: MachineView, fast: Manifest, ceph: CephCluster) -> None:
    vm = view.get("vm", "cloud-1")
    pids = view.qemus(vm["metadata"]["uid"])
    ceph.osds[0].kill()
    time.sleep(_AWAY_S)
    assert view.qemus(vm["metadata"]["uid"]) == pids
    assert view.get("vm", "cloud-1")["status"]["phase"] == "Running"
    ceph.osds[0].start()

    view.wait_ready("fast", kind="storagepool", reason="Reachable", namespace="", timeout_s=90)
    view.wait_ready("cloud-1", reason="Running", timeout_s=90)
    assert view.qemus(vm["metadata"]["uid"]) == pids


def test_it_stops_and_starts_and_leaves_nothing_when_it_is_deleted(
    view: MachineView, fast: Manifest, ceph: CephCluster
) -> None:
    handle = handle_of(view, "cloud-1-root")
    view.machine.qx("vm", "stop", "cloud-1", timeout_s=90)
    view.machine.qx("vm", "start", "cloud-1", timeout_s=90)
    view.wait_ready("cloud-1", reason="Running")

    view.machine.kubectl("delete", "vm", "cloud-1", "--timeout=60s", timeout_s=90)
    view.wait_gone("volume", "cloud-1-root")

    assert handle not in in_ceph(ceph)
    assert handle not in ceph.run("rados", "-p", FAST, "ls")


def test_a_volume_moves_into_ceph_and_back(view: MachineView, fast: Manifest, ceph: CephCluster) -> None:
    spec = {"source": {"image": "shared/tiny"}, "pool": "local"}
    about = {"name": "mover", "namespace": "default"}
    view.apply({"apiVersion": "quantix.io/v1alpha1", "kind": "Volume", "metadata": about, "spec": spec})
    view.wait_ready("mover", kind="volume", reason="Available", timeout_s=90)
    handle = handle_of(view, "mover")
    for there in ("fast", "local"):
        view.patch("volume", "mover", {"spec": {"pool": there}})

        def moved(pool: str = there) -> tuple[bool, object]:
            status = view.get("volume", "mover")["status"]
            return status.get("pool") == pool and (handle in in_ceph(ceph)) == (pool == "fast"), status

        wait_for(f"the volume in pool {there}", moved, 120)
        view.wait_ready("mover", kind="volume", reason="Available")


def wait_in_ceph(view: MachineView, ceph: CephCluster, volume: str, is_there: bool) -> None:
    """What it left goes once it is sure that nobody has it any more."""
    handle = handle_of(view, volume)
    eventually(f"{volume} to lie in one pool alone", lambda: (handle in in_ceph(ceph)) == is_there, 60)


# without operator and qx: hostd/tests/contract/ceph/test_moves_in_ceph.py
@pytest.mark.soak
def test_the_disk_of_a_vm_that_runs_goes_into_ceph_and_back_with_all_that_it_holds(
    view: MachineView, fast: Manifest, ceph: CephCluster
) -> None:
    disks = [
        {"name": "root", "image": "shared/tiny", "pool": "local", "reclaimPolicy": "Delete"},
        {"name": "data", "size": "64Mi", "pool": "local", "reclaimPolicy": "Delete"},
    ]
    view.apply(small_vm("rooted", disks=disks, nics=None, gracePeriodSeconds=0))
    view.wait_ready("rooted", reason="Running", timeout_s=90)
    wait_booted(view, "rooted")
    uid = view.get("vm", "rooted")["metadata"]["uid"]
    pids, held = view.qemus(uid), _checksum(view, "dd if=/dev/urandom of=/dev/vdb bs=1M count=8 conv=fsync")
    for there in ("fast", "local"):
        for disk in ("root", "data"):
            volume = f"rooted-{disk}"
            view.machine.qx("volume", "move", volume, "--pool", there, timeout_s=150)
            assert view.get("volume", volume)["status"]["pool"] == there
            wait_in_ceph(view, ceph, volume, there == "fast")
        assert _checksum(view, "echo 3 > /proc/sys/vm/drop_caches") == held
        view.wait_ready("rooted", reason="Running")
    assert view.qemus(uid) == pids, "the same QEMU"

    view.machine.qx("volume", "move", "rooted-data", "--pool", "fast", timeout_s=150)
    view.machine.qx("volume", "resize", "rooted-data", "96MiB", timeout_s=60)
    with guest_console(view.machine, "rooted") as console:
        console.until("cat /sys/block/vdb/size", str((96 << 20) // 512))
    view.machine.kubectl("delete", "vm", "rooted", "--timeout=60s", timeout_s=90)


def _checksum(view: MachineView, first: str) -> str:
    """Of what the guest finds on its second disk, after that command."""
    with guest_console(view.machine, "rooted") as console:
        said = console.ask(f"{first} 2>/dev/null; head -c 8388608 /dev/vdb | md5sum", timeout_s=90)
    found: str = re.findall(r"([0-9a-f]{32})  -", said)[-1]
    return found


def test_a_key_that_ceph_refuses_is_told_until_it_is_corrected(
    view: MachineView, fast: Manifest, ceph: CephCluster
) -> None:
    wrong = base64.b64encode(b"\x01\x00" + bytes(26)).decode()
    view.apply(key_secret(wrong, "ceph-2"), ceph_pool(ceph, "slow", "ceph-2"))
    said = view.wait_reason("storagepool", "slow", "CredentialsRefused", namespace="", timeout_s=90)
    assert "correct Secret ceph-2" in said["message"]
