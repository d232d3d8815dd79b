"""A running guest moves to another host and back, or stays where it was, whatever happens on the way."""

from __future__ import annotations

import random
import subprocess
import time
from collections.abc import Iterator

import pytest

from quantix_api.quantities import size_bytes
from quantix_lab.figures import tell
from quantix_lab.host_services import SERVICES, kill, pids_of
from quantix_lab.lab import Lab
from quantix_lab.moving_guest import NAME, MovingGuest, pinged
from quantix_lab.vm_manifests import ipv4
from quantix_lab.waiting import eventually

pytestmark = pytest.mark.usefixtures("audited")
SEED = 4
CUT_S = 8.0


@pytest.fixture(scope="module")
def guest(lab: Lab) -> Iterator[MovingGuest]:
    made = MovingGuest(lab)
    with made.running():
        yield made


def test_it_moves_and_comes_back_without_losing_a_write_and_answers_all_the_while(guest: MovingGuest) -> None:
    address, mac = ipv4(guest.vm), guest.mac
    wrote = guest.written()
    for _ in range(2):
        target = guest.other
        with pinged(guest.lab.first, address) as gaps:
            status = guest.wait_over(guest.move())
            assert status["phase"] == "Succeeded", status
            assert guest.host is target
            guest.wait_at_home()
        stood_still = status["source"]["downtimeMilliseconds"]
        tell(f"to {target.name}: longest silence {gaps[0]:.2f} s, stood still for {stood_still} ms")
        assert gaps[0] < 10
        assert (ipv4(guest.vm), guest.mac) == (address, mac)
        now = guest.written()
        assert now > wrote
        wrote = now


def test_one_that_is_cancelled_stays(slow: MovingGuest) -> None:
    source, wrote = slow.host, slow.written()
    name = slow.move()
    slow.wait_copying(name)
    progress = slow.wait_progress(name)
    left_bytes = progress["totalBytes"] - progress["doneBytes"]
    assert progress["secondsLeft"] == pytest.approx(
        left_bytes / size_bytes(progress["bytesPerSecond"]), abs=1.5
    )
    asked = slow.monitor(source, "info migrate_capabilities")
    assert "auto-converge: on" in asked
    slow.view.patch("virtualmachinemigration", name, {"spec": {"cancel": True}})
    status = slow.wait_over(name)
    assert (status["phase"], status["source"]["reason"]) == ("Cancelled", "Cancelled")
    assert slow.host is source
    slow.wait_at_home()
    assert slow.written() > wrote


def test_one_whose_migration_is_deleted_stays(slow: MovingGuest) -> None:
    source = slow.host
    name = slow.move()
    slow.wait_copying(name)
    slow.lab.first.kubectl("delete", "virtualmachinemigration", name, "--timeout=60s", timeout_s=90)
    assert slow.host is source
    slow.wait_at_home()


def test_a_target_that_has_such_a_volume_already_refuses_and_keeps_it(guest: MovingGuest) -> None:
    source, target = guest.host, guest.other
    handle = guest.view.get("volume", f"{NAME}-data")["status"]["handle"]
    there = target.layout.local_pool / "volumes" / handle
    there.mkdir(parents=True)
    (there / "data").write_text("of somebody")
    (there / "claim").write_text("no claim")
    status = guest.wait_over(guest.move())
    assert (status["phase"], status["target"]["outcome"] in ("Refused", "Gone")) == ("Failed", True)
    assert (there / "data").read_text() == "of somebody"
    assert guest.host is source
    for path in (there / "data", there / "claim"):
        path.unlink()
    there.rmdir()
    guest.wait_at_home()


def test_a_vm_that_is_to_be_off_does_not_move(slow: MovingGuest) -> None:
    source = slow.host
    name = slow.move()
    slow.wait_copying(name)
    slow.view.patch("virtualmachine", NAME, {"spec": {"powerState": "Stopped"}})
    status = slow.wait_over(name)
    assert (status["phase"], status["source"]["reason"]) == ("Failed", "NotRunning")
    eventually("the guest is off", lambda: not slow.qemus(source), 60)
    slow.view.patch("virtualmachine", NAME, {"spec": {"powerState": "Running"}})
    slow.view.wait_ready(NAME, reason="Running", timeout_s=90)
    slow.wait_at_home()


@pytest.mark.parametrize(
    ("side", "service"),
    [
        ("source", "hostd"),
        ("target", "libvirtd"),
        pytest.param("source", "libvirtd", marks=pytest.mark.soak),
        pytest.param("target", "hostd", marks=pytest.mark.soak),
    ],
)
def test_a_service_that_is_killed_meanwhile_costs_the_move_and_nothing_else(
    slow: MovingGuest, side: str, service: str
) -> None:
    source, target = slow.host, slow.other
    before = slow.qemus(source)
    name = slow.move()
    slow.wait_copying(name)
    kill(pids_of(source if side == "source" else target, SERVICES[service]))
    assert slow.wait_over(name)["phase"] == "Failed"
    slow.wait_at_home()
    assert slow.qemus(source) == before


@pytest.mark.soak
def test_a_half_that_dies_costs_the_move_and_nothing_else(slow: MovingGuest) -> None:
    source, target = slow.host, slow.other
    before = slow.qemus(source)
    name = slow.move()
    slow.wait_half_on(target)
    kill(pids_of(target, f"qemu-system.*guest=qx-{slow.uid}"))
    assert slow.wait_over(name)["phase"] == "Failed"
    slow.wait_at_home()
    assert slow.qemus(source) == before


@pytest.mark.soak
def test_whenever_hostd_is_killed_the_guest_runs_once(guest: MovingGuest) -> None:
    chance = random.Random(SEED)
    for _ in range(4):
        name, host = guest.move(), chance.choice((guest.host, guest.other))
        delay_s = chance.uniform(0.5, 5.0)
        eventually(f"{name} is ready", lambda name=name: guest.phase(name) != "Queued", 60)  # type: ignore[misc]
        time.sleep(delay_s)
        kill(pids_of(host, SERVICES["hostd"]))
        status = guest.wait_over(name, 120)
        tell(f"hostd of {host.name} killed {delay_s:.2f} s after its begin: {status['phase']}")
        guest.wait_at_home()


@pytest.mark.soak
def test_a_network_that_is_cut_for_some_seconds_lets_nothing_run_twice(slow: MovingGuest) -> None:
    name = slow.move()
    slow.wait_copying(name)
    wire = ("ip", "-n", slow.lab.world, "link", "set", f"mgmt-{slow.lab.hosts[1].name}")
    subprocess.run([*wire, "down"], check=True)
    time.sleep(CUT_S)
    subprocess.run([*wire, "up"], check=True)
    status = slow.wait_over(name, 180)
    tell(f"cut for {CUT_S:.0f} s: {status['phase']}")
    slow.wait_at_home()
