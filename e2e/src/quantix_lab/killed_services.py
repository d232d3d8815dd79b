"""A service of one side of a migration is killed at a moment of it, and all that is left is looked at.

Used by end-to-end tests.
"""

from __future__ import annotations

import time

from quantix_api.conditions import condition_of
from quantix_lab.ceph_cluster import CephCluster
from quantix_lab.figures import tell
from quantix_lab.host_services import SERVICES, kill, pids_of, wait_served, wait_started_anew
from quantix_lab.move_moments import Moment, wait_moment
from quantix_lab.moved_remains import wait_alone_in_ceph, wait_nothing_left
from quantix_lab.moving_guest import MovingGuest, pinged
from quantix_lab.vm_manifests import ipv4

_SILENCE_S = 15.0
# between both sides a guest waits for the hostd that starts anew: 4 s on an idle machine, 12 s on a busy one
_RESTART_S = 45.0
_BETWEEN: tuple[Moment, ...] = ("Handing", "Handed")
_OVER_S = 120.0


def survives(guest: MovingGuest, ceph: CephCluster, moment: Moment, service: str, side: str) -> None:
    """One host has the guest afterwards, it answered and lost no write, nothing of it is left on any other,
    and the migration says how it ended; figures are told. `side` is "source" or "target". Raises
    AssertionError.
    """
    began_s, source, wrote = time.monotonic(), guest.host, guest.wrote
    host, before = source if side == "source" else guest.other, guest.qemus(source)
    guest.slowly("10Mi" if moment == "Copying" else None)
    victims = pids_of(host, SERVICES[service])
    with pinged(guest.lab.first, ipv4(guest.vm)) as gaps:
        name = guest.move()
        wait_moment(guest, name, moment, source)
        kill(victims)
        status = guest.wait_over(name, _OVER_S)
        guest.wait_at_home()
    ready = condition_of(guest.migration(name))
    taken_s, what = time.monotonic() - began_s, f"{guest.pool} {moment} {service} {side}"
    figures = f"silent for {gaps[0]:.1f} s, {taken_s:.0f} s in all"
    tell(f"{what}: {status['phase']} {ready['reason']}, {figures}; {ready['message']}")
    assert status["phase"] in _outcomes(moment, service), status
    if status["phase"] == "Failed":
        assert ready["reason"] in ("SourceFailed", "TargetFailed"), ready
        assert host.name in ready["message"], ready
        assert (guest.host, guest.qemus(source)) == (source, before)
    assert gaps[0] < (_RESTART_S if service == "hostd" and moment in _BETWEEN else _SILENCE_S)
    wait_nothing_left(guest)
    if guest.is_in_ceph:
        wait_alone_in_ceph(guest, ceph)
    wait_started_anew(host, SERVICES[service], victims)
    guest.view.wait_ready(host.name, kind="host", reason="Healthy", namespace="")
    wait_served(host)
    assert guest.written() > wrote


def _outcomes(moment: Moment, service: str) -> tuple[str, ...]:
    """How the migration may end. No guest needs an ovn-controller to move, and once all of one was sent there
    is no way back. Before that, who sends or receives it cannot be missed; who makes ready may be.
    """
    if service == "ovn-controller" or moment in (*_BETWEEN, "Succeeded"):
        return ("Succeeded",)
    return ("Failed",) if moment == "Copying" else ("Succeeded", "Failed")
