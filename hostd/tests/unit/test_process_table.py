"""QEMU by its command line: exact items only."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from quantix_hostd.clients.process import ProcessTable
from quantix_hostd.facts.process import DomainProcesses, QemuProcess

UUID = "6f1e8a52-3c7d-4f0e-9b1a-2d5c8e7f9a01"
NAME = f"qx-{UUID}"
NONE = DomainProcesses()


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    (tmp_path / "self").mkdir()
    (tmp_path / "meminfo").write_text("")
    return tmp_path


def add(proc: Path, pid: int, *items: str, state: str = "S") -> None:
    (proc / str(pid)).mkdir()
    (proc / str(pid) / "cmdline").write_bytes("\0".join(items).encode() + b"\0")
    (proc / str(pid) / "stat").write_text(f"{pid} (qemu) S (x) {state} 1 2 3\n")


def test_a_qemu_is_its_domains_by_name_whatever_its_uuid(proc: Path) -> None:
    add(proc, 10, "/usr/bin/qemu-system-x86_64", "-name", f"guest={NAME},debug-threads=on", "-uuid", UUID)
    found = DomainProcesses(own=(QemuProcess(10, UUID, NAME, "S"),))
    table = ProcessTable(proc)
    assert table.of_domain(UUID, NAME) == found
    assert table.of_domain("another", NAME) == found
    assert table.of_domain("another", "another") == NONE


def test_a_qemu_without_a_name_is_its_domains_by_uuid(proc: Path) -> None:
    add(proc, 10, "qemu", "-uuid", UUID.upper())
    assert ProcessTable(proc).of_domain(UUID, NAME).own == (QemuProcess(10, UUID.upper(), "", "S"),)


def test_a_guest_of_another_name_with_the_same_uuid_is_somebody_elses(proc: Path) -> None:
    add(proc, 10, "qemu", "-name", "guest=imported,debug-threads=on", "-uuid", UUID.upper())
    add(proc, 11, "qemu", "-name", "guest=qx-another", "-uuid", UUID)
    found = ProcessTable(proc).of_domain(UUID, NAME)
    assert found.own == ()
    assert [process.pid for process in found.others] == [10, 11]


@pytest.mark.parametrize(("before", "after"), [("-900", "150"), ("0", "150"), ("300", "300")])
def test_the_kernel_is_told_to_end_a_qemu_earlier_and_never_later(
    proc: Path, before: str, after: str
) -> None:
    add(proc, 10, "qemu", "-uuid", UUID)
    score = proc / "10/oom_score_adj"
    score.write_text(f"{before}\n")
    table = ProcessTable(proc)
    table.raise_oom_score(QemuProcess(10, UUID, NAME, "S"), 150)
    assert score.read_text().strip() == after
    table.raise_oom_score(QemuProcess(11, UUID, NAME, "S"), 150)


def test_text_that_only_contains_the_uuid_is_no_qemu(proc: Path) -> None:
    add(proc, 10, "grep", f"-uuid {UUID}")
    add(proc, 11, "tail", "-f", f"/var/log/{NAME}.log")
    add(proc, 12, "sh", "-c", f"qemu -uuid {UUID} -name guest={NAME}")
    add(proc, 13, "qemu", "-uuid")
    assert ProcessTable(proc).of_domain(UUID, NAME) == NONE


def test_the_longer_name_of_another_is_not_taken_for_ours(proc: Path) -> None:
    add(proc, 10, "qemu", "-name", f"guest={NAME}2,x=y", "-uuid", "other")
    assert ProcessTable(proc).of_domain(UUID, NAME) == NONE


def test_a_process_that_ends_while_we_look_is_passed_over(proc: Path) -> None:
    (proc / "10").mkdir()
    add(proc, 11, "qemu", "-uuid", UUID, state="D")
    assert ProcessTable(proc).of_domain(UUID, NAME).own == (QemuProcess(11, UUID, "", "D"),)


def test_only_the_very_process_is_ended() -> None:
    lives = "import time; print('up', flush=True); time.sleep(60)"
    child = subprocess.Popen([sys.executable, "-c", lives, "-uuid", UUID], stdout=subprocess.PIPE)
    assert child.stdout is not None
    try:
        # Popen returns a moment before the kernel has the new command line to show
        assert child.stdout.readline() == b"up\n"
        table = ProcessTable()
        found = next(process for process in table.of_domain(UUID, NAME).own if process.pid == child.pid)
        table.end(QemuProcess(child.pid, "another", "", "S"), force=True)
        table.end(QemuProcess(child.pid, UUID, NAME, "S"), force=True)
        assert child.poll() is None
        table.end(found, force=True)
        assert child.wait(10) == -9
        table.end(found, force=True)
    finally:
        child.kill()
        child.wait()
        child.stdout.close()


def test_our_own_process_is_no_qemu() -> None:
    assert os.getpid() not in {process.pid for process in ProcessTable().of_domain(UUID, NAME).own}
