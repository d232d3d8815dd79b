"""Whom the kernel ended for want of memory, by its own log."""

from __future__ import annotations

from pathlib import Path

import pytest

from quantix_hostd.clients.kernel_log import DevKmsg, was_killed

_GLOBAL = (
    "3,1201,54427486358,-;Out of memory: Killed process 4711 (qemu:qx-6f1e8a5) total-vm:221356kB, "
    "anon-rss:65280kB, file-rss:6660kB, shmem-rss:0kB, UID:64055 pgtables:188kB oom_score_adj:0\n"
)
_CGROUP = _GLOBAL.replace("Out of memory", "Memory cgroup out of memory")
_CONSTRAINED = _GLOBAL.replace("Out of memory", "Out of memory (oom_kill_allocating_task)")
_SPOOF = "12,1202,54427486358,-;guest says: Out of memory: Killed process 4712 (qemu) total-vm:1kB\n"


@pytest.mark.parametrize("record", [_GLOBAL, _CGROUP, _CONSTRAINED])
def test_a_process_that_the_kernel_ended_is_found_by_its_pid(record: str) -> None:
    assert was_killed([_SPOOF, record], 4711, 54427.0)


def test_an_earlier_process_of_the_same_pid_is_another() -> None:
    assert not was_killed([_GLOBAL], 4711, 54428.0)


@pytest.mark.parametrize("pid", [471, 711, 4712])
def test_nobody_else_is_taken_for_it(pid: int) -> None:
    assert not was_killed([_SPOOF, _GLOBAL], pid, 0.0)


def test_where_there_is_no_log_nothing_is_claimed(tmp_path: Path) -> None:
    assert DevKmsg(tmp_path / "kmsg").killed_for_memory(4711, 0.0) is False
