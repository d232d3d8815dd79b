"""What a size and a subnet may become, by what is there already, on the real API server."""

from __future__ import annotations

from typing import Any

import pytest

from quantix_lab.api_as import ApiAs
from quantix_lab.api_objects import OPERATOR, SIZED, decide, host_user, make, report

ROOT = {"name": "root", "image": "shared/debian-13", "size": "10Gi"}
FULL = {
    "type": "VolumesReady",
    "status": "False",
    "reason": "PoolFull",
    "message": "Pool local can promise 1 GiB more; 100 TiB are needed.",
    "lastTransitionTime": "2026-01-01T00:00:00Z",
}


@pytest.mark.parametrize(
    ("wanted", "refused"),
    [({"size": "1Gi"}, True), ({"size": "2047Mi"}, True), ({"size": "2Gi"}, False), ({"size": "4Ti"}, False)],
)
def test_a_volume_may_go_back_to_the_size_that_it_has_and_not_below(
    api: ApiAs, namespace: str, wanted: dict[str, Any], refused: bool
) -> None:
    path = make(api, "Volume", namespace, "data", {"size": "3Ti"})
    assert api.merge(f"{path}?dryRun=All", {"spec": {"size": "1Gi"}}).code == 200, "nothing is made yet"
    left_out = api.merge(f"{path}?dryRun=All", {"spec": {"size": None, "source": {"image": "x"}}})
    assert left_out.code != 200
    assert "1k" not in left_out.message
    decide(api, path, "Volume", {"host": "h1"})
    said = {"host": "h1", "data": "Present", "capacity": "2Gi"}
    assert report(api, path, "Volume", host_user("h1"), "quantix-hostd", said).code == 200
    answer = api.merge(f"{path}?dryRun=All", {"spec": wanted})
    assert answer.code == (403 if refused else 200), answer.message
    assert not refused or "Volume data can only grow, and has 2Gi" in answer.message


@pytest.mark.parametrize("lower", [{"size": "5Gi"}, {}])
def test_a_disk_gets_no_smaller_unless_its_size_was_never_granted(
    api: ApiAs, namespace: str, lower: dict[str, str]
) -> None:
    path = make(api, "VirtualMachine", namespace, "web-1", {**SIZED, "disks": [ROOT]})
    disk = {name: value for name, value in ROOT.items() if name != "size"} | lower
    refused = api.merge(f"{path}?dryRun=All", {"spec": {"disks": [disk]}})
    assert refused.code == 403
    assert "Disk root can only grow, and has 10Gi" in refused.message
    assert api.merge(f"{path}?dryRun=All", {"spec": {"disks": [{**ROOT, "size": "20480Mi"}]}}).code == 200
    assert decide(api, path, "VirtualMachine", {"conditions": [FULL]}).code == 200
    assert api.merge(f"{path}?dryRun=All", {"spec": {"disks": [disk]}}).code == 200


def test_a_subnet_with_ports_cannot_leave_its_network(api: ApiAs, namespace: str) -> None:
    subnets = [{"cidr": "10.1.0.0/24"}, {"cidr": "fd00::/64"}]
    path = make(api, "Network", namespace, "lan", {"subnets": subnets})
    other = {"spec": {"subnets": [{"cidr": "10.2.0.0/24"}, subnets[1]]}}
    assert api.merge(f"{path}?dryRun=All", other).code == 200
    assert report(api, path, "Network", OPERATOR, "quantix-operator", {"ports": 2}).code == 200
    for changed in (other, {"spec": {"subnets": subnets[:1]}}):
        refused = api.merge(f"{path}?dryRun=All", changed)
        assert refused.code == 403
        assert "Network lan has 2 ports, so no subnet can leave it" in refused.message
    more = {"spec": {"subnets": [{**subnets[0], "leaseSeconds": 600}, subnets[1]]}}
    assert api.merge(f"{path}?dryRun=All", more).code == 200
