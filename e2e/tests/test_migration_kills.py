"""Whatever service is killed on either side of a migration, and when: one host has the guest afterwards, it
lost no write, nothing of it is left on any other, and the migration says how it ended.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from quantix_api.conditions import condition_of
from quantix_lab.ceph_cluster import CephCluster
from quantix_lab.figures import tell
from quantix_lab.host_services import SERVICES, kill, pids_of, wait_started_anew
from quantix_lab.lab import Lab
from quantix_lab.move_moments import MOMENTS, Moment, wait_moment
from quantix_lab.moved_remains import wait_alone_in_ceph, wait_nothing_left
from quantix_lab.moving_guest import MovingGuest, pinged
from quantix_lab.vm_manifests import ipv4

pytestmark = pytest.mark.usefixtures("audited")
SILENCE_S = 15.0


@pytest.fixture(scope="module")
def guest(request: pytest.FixtureRequest, lab: Lab, ceph: CephCluster) -> Iterator[MovingGuest]:
    """Its disks are in the pool that is its parameter."""
    made = MovingGuest(lab, f"hit-{request.param}", pool=request.param)
    with made.running():
        yield made


def survives(guest: MovingGuest, ceph: CephCluster, moment: Moment, service: str, side: str) -> None:
    """Kill the service of one side at this moment of a migration, and look at all that is left."""
    began_s = time.monotonic()
    source, wrote = guest.host, guest.written()
    host, before = source if side == "source" else guest.other, guest.qemus(source)
    guest.slowly("10Mi" if moment == "Copying" else None)
    victims = pids_of(host, SERVICES[service])
    with pinged(guest.lab.first, ipv4(guest.vm)) as gaps:
        name = guest.move()
        wait_moment(guest, name, moment, source)
        kill(victims)
        status = guest.wait_over(name, 120)
        guest.wait_at_home()
    ready = condition_of(guest.migration(name))
    taken_s, what = time.monotonic() - began_s, f"{guest.pool} {moment} {service} {side}"
    figures = f"silent for {gaps[0]:.1f} s, {taken_s:.0f} s in all"
    tell(f"{what}: {status['phase']} {ready['reason']}, {figures}; {ready['message']}")
    assert status["phase"] in outcomes(moment, service), status
    if status["phase"] == "Failed":
        assert ready["reason"] in ("SourceFailed", "TargetFailed"), ready
        assert host.name in ready["message"], ready
        assert (guest.host, guest.qemus(source)) == (source, before)
    assert gaps[0] < SILENCE_S
    wait_nothing_left(guest)
    if guest.pool == "fast":
        wait_alone_in_ceph(guest, ceph)
    assert guest.written() > wrote
    wait_started_anew(host, SERVICES[service], victims)
    guest.view.wait_ready(host.name, kind="host", reason="Healthy", namespace="")


def outcomes(moment: Moment, service: str) -> tuple[str, ...]:
    """How the migration may end. What hosts do to guests needs no ovn-controller, and once a guest was handed
    over there is no way back; what sends it, or is to, and what takes it, are gone before.
    """
    if service == "ovn-controller" or moment in ("Handing", "Handed", "Succeeded"):
        return ("Succeeded",)
    return ("Failed",) if moment == "Copying" else ("Succeeded", "Failed")


@pytest.mark.parametrize("guest", ["fast"], indirect=True)
def test_a_hostd_that_is_killed_as_it_hands_the_guest_over_does_so_later(
    guest: MovingGuest, ceph: CephCluster
) -> None:
    survives(guest, ceph, "Handing", "hostd", "source")


@pytest.mark.soak
@pytest.mark.parametrize("guest", ["fast", "local"], indirect=True)
@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("side", ["source", "target"])
def test_whatever_is_killed_and_when_one_host_has_the_guest_and_nothing_of_it_is_left_on_the_other(
    guest: MovingGuest, ceph: CephCluster, moment: Moment, service: str, side: str
) -> None:
    survives(guest, ceph, moment, service, side)
