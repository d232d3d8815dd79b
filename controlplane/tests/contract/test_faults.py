"""What a person reads when the control plane cannot start or has to stop: one sentence and an exit code."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from quantix_lab.control_plane import ControlPlane, ControlPlaneError

PORT_TAKEN, DISK_FULL, CORRUPT, FOREIGN = 10, 11, 12, 13


def refusal(control_plane: ControlPlane) -> tuple[int | None, str]:
    with pytest.raises(ControlPlaneError) as refused:
        control_plane.start()
    return refused.value.exit_code, str(refused.value)


def test_a_taken_port_names_the_process(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, sentence = refusal(ControlPlane(tmp_path, flags=[f"--port={port}"]))
    assert code == PORT_TAKEN
    assert sentence.startswith(f"Port {port} is taken by ")
    assert f"(pid {os.getpid()})" in sentence
    assert not (tmp_path / "data").exists()


def test_a_disk_without_room_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    code, sentence = refusal(ControlPlane(tmp_path, flags=["--need-disk-mib=1000000000"]))
    assert code == DISK_FULL
    assert "1000000000 MiB are needed. Try: free some" in sentence
    assert not (tmp_path / "data").exists()


def test_a_directory_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data/letter.txt").write_text("mine")
    code, sentence = refusal(ControlPlane(tmp_path))
    assert code == FOREIGN
    assert "is not a data directory of Quantix: it holds letter.txt." in sentence
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["letter.txt"]


@pytest.fixture(scope="module")
def used(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The root of a control plane that ran and was stopped."""
    root = tmp_path_factory.mktemp("used")
    with ControlPlane(root) as running:
        running.kubectl("create", "configmap", "kept", "--from-literal=a=b")
    return root


@pytest.fixture
def copy(used: Path, tmp_path: Path) -> Path:
    # sparse: the store preallocates 64 MiB that hold nothing
    subprocess.run(["cp", "-a", "--sparse=always", f"{used}/.", str(tmp_path)], check=True)
    return tmp_path


def test_a_newer_directory_says_by_whom_and_when(copy: Path) -> None:
    path = copy / "data/cluster.json"
    marker = json.loads(path.read_text())
    path.write_text(json.dumps({**marker, "format": 99, "madeBy": "9.0.0"}))
    code, sentence = refusal(ControlPlane(copy))
    assert code == FOREIGN
    assert f"belongs to cluster {marker['id']} (made 0 min ago by 9.0.0), newer than this" in sentence


def only(pattern: str, root: Path) -> Path:
    found = sorted(root.glob(pattern))
    assert found, f"no {pattern}"
    return found[0]


def scribble(path: Path) -> None:
    """Overwrites what follows the first two pages with something that is never right."""
    with path.open("r+b") as file:
        file.seek(8192)
        file.write(b"\xa5" * 400_000)


DAMAGE: dict[str, Callable[[Path], object]] = {
    "database overwritten": lambda etcd: scribble(only("member/snap/db", etcd)),
    "database cut": lambda etcd: os.truncate(only("member/snap/db", etcd), 40_000),
    "database empty": lambda etcd: os.truncate(only("member/snap/db", etcd), 0),
    "database gone": lambda etcd: only("member/snap/db", etcd).unlink(),
    "log overwritten": lambda etcd: scribble(only("member/wal/*.wal", etcd)),
    "log gone": lambda etcd: shutil.rmtree(only("member/wal", etcd)),
    "marker unreadable": lambda etcd: (etcd.parent / "cluster.json").write_text("{"),
    "authority unreadable": lambda etcd: (etcd.parent / "pki/ca.key").write_text("no key"),
    "key of the secrets gone": lambda etcd: (etcd.parent / "pki/secrets-encryption.yaml").unlink(),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_directory_is_one_sentence_and_never_a_panic(copy: Path, damage: str) -> None:
    DAMAGE[damage](copy / "data/etcd")
    code, sentence = refusal(ControlPlane(copy))
    assert code == CORRUPT
    assert sentence.startswith(f"The data directory {copy / 'data'} is damaged: ")
    assert "Try: restore it from a backup" in sentence
    assert "goroutine " not in (copy / "serve.log").read_text()


def test_an_undamaged_copy_starts(copy: Path) -> None:
    with ControlPlane(copy) as running:
        assert running.kubectl("get", "configmap", "kept", "-o", "jsonpath={.data.a}") == "b"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[tuple[Path, int]]:
    """A directory with a file system of 300 MiB in a mount namespace of its own, and a process in there."""
    directory = tmp_path / "small"
    directory.mkdir()
    script = f"mount -t tmpfs -o size=300m none {directory} && echo mounted && exec cat"
    holder = subprocess.Popen(
        ["unshare", "--mount", "sh", "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"mounted\n"
        yield directory, holder.pid
    finally:
        holder.kill()
        holder.communicate()


def fill(directory: Path) -> Path:
    """Fills the file system of the directory to the last block."""
    ballast = directory / "ballast"
    with ballast.open("wb", buffering=0) as file:
        for size in (1 << 20, 4096):
            try:
                while True:
                    file.write(bytes(size))
            except OSError as error:
                assert error.errno == 28  # noqa: PT017 - the end of the disk is the point
    return ballast


def test_a_disk_that_runs_full_ends_it_and_keeps_what_was_acknowledged(
    tmp_path: Path, small_disk: tuple[Path, int]
) -> None:
    directory, holder = small_disk
    outside = Path(f"/proc/{holder}/root{directory}")
    root = tmp_path / "own"
    flags = [f"--data-dir={directory / 'data'}", "--need-disk-mib=64"]
    running = ControlPlane(root, flags=flags, wrapper=["nsenter", f"--mount=/proc/{holder}/ns/mnt"])
    running.start()
    try:
        ballast = fill(outside)
        written = []
        for number in range(500):
            try:
                running.kubectl(
                    "create", "configmap", f"c{number}", f"--from-literal=text={'x' * 100_000}", timeout_s=30
                )
            except ControlPlaneError:
                break
            written.append(f"c{number}")
        assert running.wait_for_end(timeout_s=30) == DISK_FULL
        assert f"The disk of {directory / 'data'} is full. Try: free some space" in running.last_line()
        ballast.unlink()
        running.start()
        there = running.kubectl("get", "configmaps", "-o", "jsonpath={.items[*].metadata.name}").split()
        assert set(written) <= set(there)
    finally:
        running.stop()
