"""What breaks while a VM runs: its QEMU must not notice, and everything comes back by itself."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable

import pytest

from quantix_api.conditions import condition_of
from quantix_lab.guest_console import guest_console, wait_booted
from quantix_lab.machine_view import MachineView, Manifest
from quantix_lab.vm_manifests import ipv4, small_vm
from quantix_lab.waiting import wait_for

_PLATFORM_CONDITIONS = ("Ready", "NetworkReady", "VolumesReady")


def expect_converged(view: MachineView, vm: Manifest) -> Manifest:
    """Operator and hostd act again: a change of spec is seen by both, and the guest answers."""
    name = vm["metadata"]["name"]
    grace_s = vm["spec"]["gracePeriodSeconds"] % 60 + 1

    def patch() -> tuple[bool, object]:
        change = f'{{"spec": {{"gracePeriodSeconds": {grace_s}}}}}'
        done = view.machine.kubectl("patch", "vm", name, "--type=merge", "-p", change, check=False)
        return done.returncode == 0, done.stderr

    wait_for("the API to take a change", patch, 30)

    def look() -> tuple[Manifest | None, object]:
        found = view.get("virtualmachine", name)
        generation = found["metadata"]["generation"]
        seen = {
            type: (
                condition_of(found, type).get("status"),
                condition_of(found, type).get("observedGeneration"),
            )
            for type in _PLATFORM_CONDITIONS
        }
        done = all(state == ("True", generation) for state in seen.values())
        return (found if done else None), f"generation {generation}: {seen}"

    found = wait_for(f"operator and hostd to see the change of {name}", look, 60)
    view.wait_answer(ipv4(found))
    view.wait_ready("box", kind="host")
    return found


@pytest.mark.parametrize(
    "service",
    ["hostd", "operator", "libvirtd", "controlplane", "ovn-controller", "ovs-vswitchd", "ovn-northd"],
)
def test_a_service_killed_with_9_does_not_touch_the_guest(
    view: MachineView, web: Manifest, service: str
) -> None:
    before = view.qemu(web)
    view.wait_answer(ipv4(web))
    view.kill9(service)
    after = expect_converged(view, web)
    assert view.qemu(after) == before
    assert after["status"]["assignment"] == web["status"]["assignment"]
    assert after["status"]["runtime"]["startedAt"] == web["status"]["runtime"]["startedAt"]


def test_everything_killed_at_once_does_not_touch_the_guest(view: MachineView, web: Manifest) -> None:
    before = view.qemu(web)
    for service in ("controlplane", "operator", "hostd", "libvirtd"):
        os.kill(view.service(service), signal.SIGKILL)
    assert view.qemu(expect_converged(view, web)) == before


def test_a_killed_qemu_is_seen_reported_and_restarted(view: MachineView, web: Manifest) -> None:
    view.wait_answer(ipv4(web))
    before, restarts = view.qemu(web), web["status"]["runtime"].get("restarts", 0)
    began_s = time.monotonic()
    os.kill(before, signal.SIGKILL)

    def look() -> tuple[list[int] | None, object]:
        pids = view.qemus(web["metadata"]["uid"])
        return (pids if pids and pids != [before] else None), pids

    wait_for("a new QEMU", look, 30)
    assert time.monotonic() - began_s < 15, "it took long to see that QEMU is gone"
    after = view.wait_ready("web-1", reason="Running")
    assert view.qemu(after) != before

    def report() -> tuple[bool, object]:
        runtime = view.get("virtualmachine", "web-1")["status"]["runtime"]
        told = (runtime.get("lastExit", {}).get("reason"), runtime.get("restarts"))
        return told == ("Crashed", restarts + 1), runtime

    wait_for("the crash to be reported", report, 20)
    wait_for("an event QEMUCrashed", lambda: ("QEMUCrashed" in (e := view.events("web-1")), e), 20)
    assert after["status"]["assignment"] == web["status"]["assignment"], "a crash is no new placement"
    expect_converged(view, after)


def test_a_kernel_that_panics_is_told_as_one_starts_again_and_its_last_words_stay(
    view: MachineView, web: Manifest
) -> None:
    before, restarts = view.qemu(web), web["status"]["runtime"].get("restarts", 0)
    with guest_console(view.machine, "web-1") as console:
        console.run("echo c > /proc/sysrq-trigger", until="Kernel panic")
    wait_for("an event GuestPanicked", lambda: ("GuestPanicked" in (e := view.events("web-1")), e), 30)

    def look() -> tuple[bool, object]:
        vm = view.get("virtualmachine", "web-1")
        runtime, ready = vm["status"]["runtime"], condition_of(vm, "Ready")
        again = runtime.get("restarts") == restarts + 1 and ready.get("reason") == "Running"
        return again, (runtime, ready)

    wait_for("web-1 to start again", look, 60)
    after = view.get("virtualmachine", "web-1")
    assert view.qemu(after) != before
    assert after["status"]["runtime"]["lastExit"]["reason"] == "Crashed"
    assert "sysrq triggered crash" in view.printed(after)


def test_hostd_killed_in_the_middle_of_a_start_and_of_a_deletion(view: MachineView) -> None:
    view.apply(small_vm("halfway", gracePeriodSeconds=5))
    uid = view.get("virtualmachine", "halfway")["metadata"]["uid"]
    kill_hostd_when(view, "a start", lambda: action_seen(view, uid, "TakeClaims"))
    vm = view.wait_ready("halfway", reason="Running", timeout_s=90)
    assert len(view.qemus(uid)) == 1
    handle = view.get("volume", "halfway-root")["status"]["handle"]

    view.machine.kubectl("delete", "vm", "halfway", "--wait=false")
    kill_hostd_when(view, "a deletion", lambda: action_seen(view, uid, "AskToShutDown"))
    view.wait_gone("virtualmachine", "halfway", timeout_s=90)
    view.wait_gone("volume", "halfway-root")
    assert view.qemus(uid) == []
    assert f"qx-{uid}" not in view.domains()
    assert vm["status"]["nics"][0]["port"] not in view.taps()
    assert view.northbound_rows(uid) == []
    assert [path for path in view.pool_files() if handle in path] == []


def test_a_guest_whose_vm_was_removed_by_force_runs_on_is_told_and_ends_by_order(view: MachineView) -> None:
    view.apply(small_vm("abandoned"))
    # what still boots hears of no shutdown
    vm = wait_booted(view, "abandoned")
    uid, pid = vm["metadata"]["uid"], view.qemu(vm)
    view.remove_vm_by_force("abandoned")
    assert view.qemus(uid) == [pid], "nobody ordered its end"
    attention = view.machine.qx("status", check=False).stdout
    assert "whose VM default/abandoned is no longer in the API" in attention, attention
    listed = view.machine.qx("host", "end-orphan").stdout
    assert listed.startswith(f"{uid}  domain qx-{uid} (it was default/abandoned), runs, "), listed
    refused = view.machine.qx("host", "end-orphan", uid, "--confirm", "abandoned", check=False)
    assert (refused.returncode, view.qemus(uid)) == (1, [pid])
    view.machine.qx("host", "end-orphan", uid, "--confirm", uid, timeout_s=120)
    assert view.qemus(uid) == []
    assert f"qx-{uid}" not in view.domains()
    assert vm["status"]["nics"][0]["port"] not in view.taps()
    holders = [json.loads(path.read_text()) for path in view.layout.local_pool.glob("volumes/*/claim")]
    assert [claim["holder"] for claim in holders if claim["vmUID"] == uid] in ([], [None])
    wait_for(
        "the host to have no orphan",
        lambda: (
            (known := condition_of(view.get("host", "box"), "GuestsKnown")).get("status") == "True",
            known,
        ),
        60,
    )


def kill_hostd_when(view: MachineView, what: str, is_there: Callable[[], bool]) -> None:
    """kill -9 hostd as soon as it has begun."""
    deadline = time.monotonic() + 30
    while not is_there():
        assert time.monotonic() < deadline, f"waited 30 s in vain for {what} to begin"
        time.sleep(0.01)
    view.kill9("hostd")


def action_seen(view: MachineView, uid: str, action: str) -> bool:
    """Whether hostd's log says that it took this step for a VM."""
    lines = (view.layout.log / "hostd.log").read_text(errors="replace").splitlines()
    return any(uid in line and f'"action": "{action}"' in line for line in lines)
