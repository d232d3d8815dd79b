"""What a Network says that is programmed and of no use."""

from __future__ import annotations

from typing import Any

import pytest

from quantix_api import Network
from quantix_operator.network.unfit import unfit
from quantix_operator.topology.view import NetworkView, make_view

CLUSTER = "11111111-1111-4111-8111-111111111111"


def view(**spec: Any) -> NetworkView:
    metadata = {"name": "net", "namespace": "default", "uid": "uid-net"}
    subnets = spec.pop("subnets", [{"cidr": "10.0.0.0/24"}])
    return make_view(CLUSTER, Network.parse({"metadata": metadata, "spec": {"subnets": subnets, **spec}}))


@pytest.mark.parametrize(
    "subnet",
    [
        {"cidr": "10.0.0.0/24", "excludeRanges": [{"first": "10.0.0.2", "last": "10.0.0.255"}]},
        {"cidr": "10.0.0.0/32"},
        {"cidr": "fd00::/126", "excludeRanges": [{"first": "fd00::3", "last": "fd00::"}]},
    ],
    ids=["all is excluded", "the gateway has all", "all is excluded backwards"],
)
def test_a_subnet_without_an_address_for_anybody_is_named(subnet: dict[str, Any]) -> None:
    found = unfit(view(subnets=[{"cidr": "10.9.0.0/24"}, subnet]), 1442, [])
    if subnet["cidr"].startswith("10."):
        found = unfit(view(subnets=[subnet]), 1442, [])
    assert found is not None
    assert (found.reason, subnet["cidr"] in found.message) == ("AddressesExhausted", True)


@pytest.mark.parametrize(
    ("spec", "underlay", "fits"),
    [
        ({"mtu": 9216}, [9000, 1500], False),
        ({"mtu": 1443}, [1500, 1500], False),
        ({"mtu": 1442}, [1500, 1500], True),
        ({"mtu": 9216}, [1500], True),
        ({"mtu": 9216, "physical": {"name": "site"}}, [1500, 1500], True),
        ({}, [1500, 1400], True),
    ],
)
def test_an_mtu_that_does_not_fit_between_hosts_is_told(
    spec: dict[str, Any], underlay: list[int], fits: bool
) -> None:
    found = unfit(view(**spec), spec.get("mtu", 1442), underlay)
    assert (found is None) is fits
    if found is not None:
        assert found.reason == "UnderlayTooSmall"
        assert f"need {spec['mtu'] + 58} between hosts, which carry 1500" in found.message
        assert "set spec.mtu to 1442 at most" in found.message
