"""Whatever service is killed on either side of a migration, and when, the guest runs on, on one host alone.

One such case is in test_migration_in_ceph.py, too, for every run.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from quantix_lab.ceph_cluster import CephCluster
from quantix_lab.host_services import SERVICES
from quantix_lab.killed_services import survives
from quantix_lab.lab import Lab
from quantix_lab.move_moments import MOMENTS, Moment
from quantix_lab.moving_guest import MovingGuest

pytestmark = [pytest.mark.usefixtures("audited"), pytest.mark.soak]


@pytest.fixture(scope="module")
def guest(request: pytest.FixtureRequest, lab: Lab, ceph: CephCluster) -> Iterator[MovingGuest]:
    """Its disks are in the pool that is its parameter."""
    made = MovingGuest(lab, f"hit-{request.param}", pool=request.param)
    with made.running():
        yield made


@pytest.mark.parametrize("guest", ["fast", "local"], indirect=True)
@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("side", ["source", "target"])
def test_a_service_that_is_killed_costs_the_move_at_most_and_leaves_nothing(
    guest: MovingGuest, ceph: CephCluster, moment: Moment, service: str, side: str
) -> None:
    survives(guest, ceph, moment, service, side)
