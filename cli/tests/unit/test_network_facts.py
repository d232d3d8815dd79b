"""What `qx network explain` and `qx router explain` tell beside the verdict."""

from __future__ import annotations

from typing import Any

import pytest

from quantix_cli.network_facts import network_facts


def facts(kind: str, spec: dict[str, Any], status: dict[str, Any]) -> dict[str, str]:
    return dict(network_facts({"kind": kind, "metadata": {"name": "n"}, "spec": spec, "status": status}))


def test_a_network_tells_its_subnets_and_what_is_left_of_them() -> None:
    status = {"subnets": ["10.9.0.0/24", "fd12::/64"], "ports": 3, "addressesFree": 250, "mtu": 1442}
    assert facts("Network", {}, status) == {
        "subnets": "10.9.0.0/24, fd12::/64",
        "used by": "3 ports, 250 IPv4 addresses left",
        "MTU": "1442 bytes",
    }


@pytest.mark.parametrize(
    ("physical", "told"),
    [({"name": "lab"}, "lab, untagged"), ({"name": "lab", "vlan": 7}, "lab, VLAN 7")],
)
def test_one_of_a_wire_names_it(physical: dict[str, Any], told: str) -> None:
    assert facts("Network", {"physical": physical}, {}) == {"wire": told}


def test_a_router_tells_where_it_leads_and_who_carries_it() -> None:
    spec = {
        "networks": [{"name": "web"}, {"name": "db", "address": "10.2.0.9"}],
        "external": {"network": "shared/outside"},
    }
    assert facts("Router", spec, {"addresses": ["203.0.113.7"], "gatewayHosts": ["h2", "h1", "h3"]}) == {
        "joins": "web, db (10.2.0.9)",
        "way out": "shared/outside, as 203.0.113.7",
        "carried by": "h2; then h1, h3",
    }
    assert facts("Router", spec, {}) == {
        "joins": "web, db (10.2.0.9)",
        "way out": "shared/outside, as no address yet",
        "carried by": "no host",
    }


def test_a_router_without_a_way_out_says_so() -> None:
    assert facts("Router", {}, {}) == {"joins": "no network", "way out": "none"}


def test_guests_that_go_out_with_their_own_addresses_are_told() -> None:
    spec = {"external": {"network": "out", "snat": "Disabled"}}
    told = facts("Router", spec, {"addresses": ["203.0.113.7"], "gatewayHosts": ["h1"]})
    assert told["way out"] == "out, as 203.0.113.7; guests go out with their own addresses"
    assert told["carried by"] == "h1"


def test_of_anything_else_nothing_is_told() -> None:
    assert facts("VirtualMachine", {}, {"subnets": ["10.0.0.0/8"]}) == {}
