"""The auditor of the lab, which must see two QEMUs that run one VM, and take nothing else for that."""

from __future__ import annotations

import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from quantix_lab.auditor import WINDOW, Auditor
from quantix_lab.boot_sectors import assemble
from quantix_lab.waiting import eventually

# two guests, as boot sectors: one goes round for ever (jmp to itself), one wakes four times a second
ROUND = b"\xeb\xfe".ljust(510, b"\0") + b"\x55\xaa"
RESTS = assemble("rests")
Start = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts a QEMU of the VM with this UUID; it is ended with the test."""
    with ExitStack() as running:

        def start_one(vm: str, *options: str, guest: bytes = ROUND) -> subprocess.Popen[bytes]:
            disk = tmp_path / f"{uuid.uuid4().hex}.raw"
            disk.write_bytes(guest)
            argv = ["qemu-system-x86_64", "-accel", "tcg", "-M", "q35", "-m", "32", "-nodefaults", "-display"]
            argv += ["none", "-name", "guest=round,debug-threads=on"]
            argv += ["-uuid", vm, "-drive", f"file={disk},format=raw,if=virtio", *options]
            machine = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
            running.callback(machine.wait, 10)
            running.callback(machine.kill)
            return machine

        yield start_one


@pytest.fixture
def auditor() -> Iterator[Auditor]:
    with Auditor() as looking:
        yield looking


def look_on(auditor: Auditor, looks: int = WINDOW) -> None:
    until = auditor.looks + looks
    eventually("the auditor looks", lambda: auditor.looks >= until, 30)


def test_two_that_run_one_vm_are_seen(auditor: Auditor, start: Start) -> None:
    vm = str(uuid.uuid4())
    pids = {start(vm).pid, start(vm).pid}
    eventually("both are seen", lambda: bool(auditor.violations), 30)
    assert {run.pid for run in auditor.violations[-1].runs} == pids
    with pytest.raises(AssertionError, match=f"VM {vm} ran twice"):
        auditor.check()


def test_two_of_another_vm_are_left_out_where_one_alone_is_asked_for(auditor: Auditor, start: Start) -> None:
    vm = str(uuid.uuid4())
    start(vm)
    start(vm)
    eventually("both are seen", lambda: bool(auditor.violations), 30)
    auditor.check(str(uuid.uuid4()))
    eventually("both are seen again", lambda: bool(auditor.violations), 30)
    with pytest.raises(AssertionError, match=f"VM {vm} ran twice"):
        auditor.check(vm)


def test_two_that_rest_most_of_the_time_are_seen(auditor: Auditor, start: Start) -> None:
    vm = str(uuid.uuid4())
    start(vm, guest=RESTS)
    time.sleep(2)
    auditor.check()
    start(vm, guest=RESTS)
    eventually("both are seen", lambda: bool(auditor.violations), 30)


def test_two_vms_and_a_half_that_waits_are_no_violation(auditor: Auditor, start: Start) -> None:
    vm = str(uuid.uuid4())
    start(vm)
    start(str(uuid.uuid4()))
    start(vm, "-incoming", "defer")
    start(vm, "-S")
    time.sleep(1)
    look_on(auditor)
    auditor.check()


def test_one_that_takes_over_from_another_is_no_violation(auditor: Auditor, start: Start) -> None:
    vm = str(uuid.uuid4())
    first = start(vm)
    look_on(auditor)
    first.kill()
    first.wait()
    start(vm)
    look_on(auditor)
    auditor.check()


def test_an_auditor_that_does_not_look_proves_nothing() -> None:
    with pytest.raises(AssertionError):
        Auditor().check()
