"""A guest whose disks lie in Ceph moves: nothing is copied, who may write is handed over by its claims.

Whole hosts lose their power on the way. Whoever then has the images open, Ceph itself tells.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator

import pytest

from quantix_api.conditions import condition_of
from quantix_api.resources import HOST_GROUP, HOST_USER_PREFIX, NAMESPACE_HOSTS
from quantix_lab.ceph_cluster import CephCluster
from quantix_lab.figures import tell
from quantix_lab.killed_services import survives
from quantix_lab.lab import Lab
from quantix_lab.move_moments import Moment, wait_moment
from quantix_lab.moved_remains import wait_alone_in_ceph, wait_nothing_left
from quantix_lab.moving_guest import MovingGuest, pinged
from quantix_lab.simulated_host import SimulatedHost
from quantix_lab.vm_manifests import ipv4
from quantix_lab.waiting import eventually

pytestmark = pytest.mark.usefixtures("audited")
SEED = 7
AWAY_S = 10.0


@pytest.fixture(scope="module")
def guest(lab: Lab, ceph: CephCluster) -> Iterator[MovingGuest]:
    made = MovingGuest(lab, "in-ceph", pool="fast")
    with made.running():
        yield made


def restart(host: SimulatedHost) -> None:
    """Give it its power back."""
    host.start_host()
    host.up()


def test_each_host_may_read_its_own_key_and_no_other_hosts(guest: MovingGuest) -> None:
    """The guest runs, so its host did."""
    for host in guest.lab.hosts:
        who = ("--as", f"{HOST_USER_PREFIX}{host.name}", "--as-group", HOST_GROUP)
        asked = ("auth", "can-i", "get", "-n", NAMESPACE_HOSTS)
        may = {
            other.name: guest.lab.first.kubectl(*asked, f"secret/{other.name}", *who, check=False).stdout
            for other in guest.lab.hosts
        }
        assert may == {name: "yes\n" if name == host.name else "no\n" for name in may}


def test_it_moves_and_comes_back_without_losing_a_write_and_only_its_host_has_its_images(
    guest: MovingGuest, ceph: CephCluster
) -> None:
    address, handles = ipv4(guest.vm), guest.handles
    wrote = guest.written()
    for _ in range(2):
        target = guest.other
        with pinged(guest.lab.first, address) as gaps:
            status = guest.wait_over(guest.move())
            assert status["phase"] == "Succeeded", status
            assert guest.host is target
            wait_alone_in_ceph(guest, ceph)
        stood_still = status["source"]["downtimeMilliseconds"]
        tell(f"to {target.name}: longest silence {gaps[0]:.2f} s, stood still for {stood_still} ms")
        assert gaps[0] < 10
        assert (ipv4(guest.vm), guest.handles) == (address, handles)
        now = guest.written()
        assert now > wrote
        wrote = now


def test_a_source_whose_hostd_is_killed_as_it_hands_the_guest_over_does_so_later(
    guest: MovingGuest, ceph: CephCluster
) -> None:
    survives(guest, ceph, "Handing", "hostd", "source")


@pytest.mark.soak
@pytest.mark.parametrize("moment", ["Copying", "Handing", "Handed"])
def test_a_ceph_that_is_away_for_a_while_holds_the_guest_up_and_nothing_fails(
    guest: MovingGuest, ceph: CephCluster, moment: Moment
) -> None:
    source, wrote = guest.host, guest.wrote
    guest.slowly("10Mi" if moment == "Copying" else None)
    with pinged(guest.lab.first, ipv4(guest.vm)) as gaps:
        name = guest.move()
        wait_moment(guest, name, moment, source)
        with guest.lab.ceph.away():
            time.sleep(AWAY_S)
        status = guest.wait_over(name, 180)
        guest.wait_at_home()
    tell(f"away for {AWAY_S:.0f} s from {moment} on: {status['phase']}, silent for {gaps[0]:.1f} s")
    assert status["phase"] == "Succeeded", status
    assert guest.host is not source
    wait_nothing_left(guest)
    wait_alone_in_ceph(guest, ceph)
    assert guest.written() > wrote


@pytest.fixture
def busy(slow: MovingGuest) -> MovingGuest:
    """It changes memory faster than it is sent."""
    slow.begin_to_change_memory()
    return slow


def test_a_guest_that_changes_memory_faster_than_it_is_sent_moves_by_post_copy_and_loses_no_write(
    busy: MovingGuest, ceph: CephCluster
) -> None:
    address, wrote, target = ipv4(busy.vm), busy.written(), busy.other
    with pinged(busy.lab.first, address) as gaps:
        name = busy.move(post_copy=True)
        status = busy.wait_over(name, 180)
    assert (status["phase"], status["source"]["mode"]) == ("Succeeded", "PostCopy"), status
    assert status["source"]["postCopy"] == "Possible"
    assert busy.host is target
    wait_alone_in_ceph(busy, ceph)
    stood_still = status["source"]["downtimeMilliseconds"]
    tell(f"post-copy to {target.name}: longest silence {gaps[0]:.2f} s, stood still for {stood_still} ms")
    assert gaps[0] < 15
    assert busy.written() > wrote


@pytest.mark.soak
@pytest.mark.parametrize("side", ["source", "target"])
def test_a_host_that_loses_its_power_after_the_switch_costs_the_memory_and_the_target_has_the_guest(
    guest: MovingGuest, ceph: CephCluster, side: str
) -> None:
    wanted = 1 if side == "source" else 0
    if guest.host is not guest.lab.hosts[wanted]:
        guest.wait_over(guest.move())
    guest.slowly("10Mi")
    guest.begin_to_change_memory()
    # the first host has the API
    lost, target = guest.lab.hosts[1], guest.other
    name = guest.move(post_copy=True)
    guest.wait_switched(name)
    lost.kill()
    restart(lost)
    status = guest.wait_over(name, 240)
    guest.slowly(None)
    assert (status["phase"], condition_of(guest.migration(name))["reason"]) == ("Failed", "PostCopyFailed")
    assert guest.host is target
    wait_alone_in_ceph(guest, ceph)
    guest.begin_to_write()


# with its services killed in the place of its power: test_migration.py
@pytest.mark.soak
def test_a_target_that_loses_its_power_costs_the_move_and_nothing_else(
    slow: MovingGuest, ceph: CephCluster
) -> None:
    if slow.host is not slow.lab.first:
        slow.wait_over(slow.move())
    source, target = slow.host, slow.other
    before, wrote = slow.qemus(source), slow.written()
    name = slow.move()
    slow.wait_half_on(target)
    target.kill()
    status = slow.wait_over(name)
    restart(target)
    assert (status["phase"], status["source"]["outcome"]) == ("Failed", "GaveUp"), status
    wait_alone_in_ceph(slow, ceph)
    assert slow.host is source
    assert slow.qemus(source) == before
    assert slow.written() > wrote


@pytest.mark.soak
def test_a_source_that_loses_its_power_keeps_the_move_open_until_it_is_back(
    slow: MovingGuest, ceph: CephCluster
) -> None:
    if slow.host is slow.lab.first:
        slow.slowly(None)
        slow.wait_over(slow.move())
        slow.slowly("10Mi")
    source, target = slow.host, slow.other
    name = slow.move()
    slow.wait_half_on(target)
    source.kill()
    time.sleep(5)
    assert slow.phase(name) == "Copying"
    assert slow.host is source
    restart(source)
    status = slow.wait_over(name)
    assert (status["phase"], status["source"]["outcome"]) == ("Failed", "GaveUp"), status
    wait_alone_in_ceph(slow, ceph)
    assert slow.host is source
    slow.begin_to_write()


@pytest.mark.soak
def test_whenever_a_host_loses_its_power_one_of_both_has_the_guest(
    guest: MovingGuest, ceph: CephCluster
) -> None:
    chance = random.Random(SEED)
    lost = guest.lab.hosts[1]
    for _ in range(6):
        delay_s, side = chance.uniform(0.5, 4.0), "target" if guest.other is lost else "source"
        name = guest.move()
        eventually(f"{name} has begun", lambda name=name: guest.phase(name) != "Queued", 60)  # type: ignore[misc]
        time.sleep(delay_s)
        lost.kill()
        time.sleep(3)
        restart(lost)
        status = guest.wait_over(name, 180)
        tell(f"{side} lost its power after {delay_s:.2f} s: {status['phase']}")
        wait_alone_in_ceph(guest, ceph)
