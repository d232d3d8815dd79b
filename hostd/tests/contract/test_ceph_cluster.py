"""The Ceph that other tests use: it stores what QEMU writes, its daemons can be taken away, and it leaves
nothing that runs.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from quantix_lab.ceph_cluster import CephCluster, running_ceph
from quantix_lab.open_vswitch import inside, network_namespace
from quantix_lab.waiting import wait_for

_READY_S = 10.0
# how much longer it may take on a machine that other tests share
_SHARED = 3


@pytest.fixture(scope="module")
def ceph() -> Iterator[CephCluster]:
    with tempfile.TemporaryDirectory(prefix="qx") as directory, running_ceph(Path(directory)) as cluster:
        cluster.make_pool("quantix")
        yield cluster


def _qemu_io(cluster: CephCluster, image: str, *commands: str) -> list[str]:
    """The command that has QEMU read and write in an image, as its guests' disks are."""
    name = f"rbd:quantix/{image}:conf={cluster.config}"
    steps = [word for command in commands for word in ("-c", command)]
    there = inside(cluster.namespace) if cluster.namespace else []
    return [*there, "qemu-io", "-f", "raw", *steps, name]


def _done(command: list[str], timeout_s: float = 60) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_qemu_reads_what_it_wrote(ceph: CephCluster) -> None:
    ceph.rbd("create", "--size", "1G", "quantix/disk")

    said = _done(_qemu_io(ceph, "disk", "write -P 0x5a 1M 64k", "read -P 0x5a 1M 64k"))

    assert "read 65536/65536 bytes at offset 1048576" in said
    assert "Pattern verification failed" not in said


def test_a_user_has_images_in_its_own_pool_only(ceph: CephCluster) -> None:
    ceph.make_pool("theirs")
    key = ceph.make_user("quantix", "quantix")
    keyring = ceph.config.with_name("quantix.keyring")
    keyring.write_text(f"[client.quantix]\n\tkey = {key}\n")

    def as_user(*words: str) -> int:
        identity = ("--id", "quantix", "--keyring", str(keyring))
        command = ["rbd", "-c", str(ceph.config), *identity, *words]
        return subprocess.run(command, capture_output=True, timeout=30, check=False).returncode

    assert as_user("create", "--size", "1G", "quantix/own") == 0
    assert as_user("create", "--size", "1G", "theirs/foreign") != 0


def test_a_write_waits_for_an_osd_that_was_killed(ceph: CephCluster) -> None:
    ceph.rbd("create", "--size", "1G", "quantix/stalled")
    ceph.osds[0].kill()

    writing = subprocess.Popen(_qemu_io(ceph, "stalled", "write -P 0x77 0 4k"), stdout=subprocess.PIPE)
    time.sleep(2)
    was_waiting = writing.poll() is None
    ceph.osds[0].start()

    assert was_waiting
    assert b"wrote 4096/4096" in writing.communicate(timeout=60)[0]


def test_a_write_waits_for_an_osd_that_is_frozen(ceph: CephCluster) -> None:
    ceph.rbd("create", "--size", "1G", "quantix/frozen")
    ceph.osds[0].freeze()

    writing = subprocess.Popen(_qemu_io(ceph, "frozen", "write -P 0x77 0 4k"), stdout=subprocess.PIPE)
    time.sleep(2)
    was_waiting = writing.poll() is None
    ceph.thaw_osd()

    assert was_waiting
    assert b"wrote 4096/4096" in writing.communicate(timeout=60)[0]


def test_a_monitor_comes_back_with_what_it_knew(ceph: CephCluster) -> None:
    ceph.mon.kill()
    ceph.mon.start()

    assert "quantix" in ceph.ceph("osd", "pool", "ls").split()


@pytest.mark.soak
def test_of_three_osds_a_frozen_one_is_taken_out_and_writing_goes_on_within_a_namespace() -> None:
    with (
        network_namespace() as namespace,
        tempfile.TemporaryDirectory(prefix="qx") as directory,
        running_ceph(Path(directory), "127.0.0.1", namespace=namespace, osds=3, mgr=True) as three,
    ):
        three.make_pool("quantix")
        three.rbd("create", "--size", "1G", "quantix/disk")
        three.await_capacity()
        three.osds[2].freeze()

        def seen_down() -> tuple[bool, object]:
            up = json.loads(three.ceph("osd", "stat", "-f", "json"))["num_up_osds"]
            return up == 2, up

        wait_for("the frozen OSD to be marked down", seen_down, 40)
        assert "wrote 4096/4096" in _done(_qemu_io(three, "disk", "write 0 4k"))


def test_it_is_ready_soon_and_leaves_no_process() -> None:
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="qx") as directory, running_ceph(Path(directory)) as cluster:
        cluster.make_pool("quantix")
        cluster.rbd("create", "--size", "1G", "quantix/disk")
        took_s = time.monotonic() - began
        cluster.osds[0].freeze()
        pids = [daemon.pid for daemon in cluster.daemons]

    assert took_s < _READY_S * _SHARED, f"{took_s:.1f} s"
    assert not [pid for pid in pids if Path("/proc", str(pid)).exists()]
