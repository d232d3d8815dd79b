"""That guests which run already hear of a router late is said where one is made, and only there."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from quantix_api.resources import NETWORKS, ROUTERS, VIRTUAL_MACHINES, Resource
from quantix_api.times import render_time
from quantix_cli.leases import tell_of_late_guest, tell_of_new_way
from quantix_client.errors import NotFound
from quantix_lab.qx_session import qx_session

Manifest = dict[str, Any]


def ago(minutes: int) -> str:
    return render_time(datetime.now(UTC) - timedelta(minutes=minutes))


class Api:
    """Network default/web with guests in it, VM web-1 there, and router default/r1."""

    def __init__(self, *subnets: Manifest, ports: int = 2, router: int = 5, guest: int = 60) -> None:
        self.objects: dict[tuple[Resource, str], Manifest] = {
            (NETWORKS, "default/web"): {"spec": {"subnets": list(subnets)}, "status": {"ports": ports}},
            (ROUTERS, "default/r1"): {"metadata": {"creationTimestamp": ago(router)}},
            (VIRTUAL_MACHINES, "default/web-1"): {
                "spec": {"nics": [{"name": "eth0", "network": "web"}]},
                "status": {"runtime": {"startedAt": ago(guest)}},
            },
        }

    async def get(self, resource: Resource, name: str, namespace: str | None = None) -> Manifest:
        found = self.objects.get((resource, f"{namespace}/{name}"))
        if found is None:
            raise NotFound(name)
        return found


LEADING = {
    "metadata": {"name": "front", "namespace": "default"},
    "spec": {"virtualMachine": "web-1"},
    "status": {"router": "r1", "nic": "eth0"},
}


@pytest.mark.parametrize(
    ("api", "within"),
    [
        (Api(), "within 30 m."),
        (Api({"cidr": "10.0.0.0/24", "leaseSeconds": 600}), "within 5 m."),
        (Api(ports=0), ""),
        (Api({"cidr": "10.0.0.0/24", "gateway": "10.0.0.1"}), ""),
    ],
    ids=["as usual", "a short lease", "nobody is in it", "it tells a gateway always"],
)
async def test_who_makes_a_router_is_told_that_guests_hear_of_it_late(
    api: Api, within: str, capsys: pytest.CaptureFixture[str]
) -> None:
    await tell_of_new_way(qx_session(api), "default", ["web", "unknown"])
    said = capsys.readouterr().err
    assert ("renew their DHCP lease, " + within in said) if within else not said


@pytest.mark.parametrize(
    ("api", "told"),
    [(Api(), True), (Api(guest=1), False), (Api(router=90, guest=180), False)],
    ids=["the guest is older", "the router is older", "the lease was renewed since"],
)
async def test_so_is_who_lets_a_floating_ip_lead_to_such_a_guest(
    api: Api, told: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    await tell_of_late_guest(qx_session(api), LEADING)
    assert ("web-1 runs since before there was router r1" in capsys.readouterr().err) is told
    await tell_of_late_guest(qx_session(api), {**LEADING, "status": {}})
    assert not capsys.readouterr().err
