"""The rows of a Router's way out."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from quantix_api import Network
from quantix_operator.northbound.capabilities import Capabilities
from quantix_operator.northbound.rows import DesiredRow, Owner, RowRef, is_row_of
from quantix_operator.router.rows import InsideLeg, OutsideLeg, RouterPlan, router_rows
from quantix_operator.topology.view import make_view

CLUSTER = "11111111-1111-4111-8111-111111111111"
OWNER = Owner(CLUSTER, "33333333-3333-4333-8333-333333333333", "Router", "default/r")
MAC = "0e:00:00:00:00:01"


def pinned(next_hop_mac: str | None, *addresses: str) -> list[DesiredRow]:
    """The pinned neighbours of a router with these addresses outside."""
    subnets = [{"cidr": "10.78.0.0/24"}, {"cidr": "fd00:78::/64", "gateway": "fd00:78::fe"}]
    spec = {"physical": {"name": "qx-local"}, "subnets": subnets}
    network = Network.parse({"metadata": {"name": "out", "namespace": "shared", "uid": "u"}, "spec": spec})
    leg = OutsideLeg(make_view(CLUSTER, network), addresses, True, ("h1",), next_hop_mac)
    plan = RouterPlan(OWNER, (), leg, (), Capabilities())
    return [row for row in router_rows(plan) if row.ref.table == "Static_MAC_Binding"]


def rows_of(table: str, snat: bool, *cidrs: str) -> list[DesiredRow]:
    """Of a router in networks with these subnets, which has a way out."""
    inside = []
    for place, cidr in enumerate(cidrs):
        metadata = {"name": f"n{place}", "namespace": "default", "uid": f"u{place}"}
        network = Network.parse({"metadata": metadata, "spec": {"subnets": [{"cidr": cidr}]}})
        inside.append(InsideLeg(make_view(CLUSTER, network), MAC, (cidr,), 1442))
    spec = {"physical": {"name": "qx-local"}, "subnets": [{"cidr": "10.78.0.0/24"}]}
    network = Network.parse({"metadata": {"name": "out", "namespace": "shared", "uid": "u"}, "spec": spec})
    leg = OutsideLeg(make_view(CLUSTER, network), ("10.78.0.9/24",), snat, ("h1",))
    plan = RouterPlan(OWNER, tuple(inside), leg, (), Capabilities())
    return [row for row in router_rows(plan) if row.ref.table == table]


def test_a_router_with_snat_drops_what_comes_in_for_an_address_behind_it() -> None:
    networks = ("10.2.0.0/24", "10.1.0.0/24", "fd00:1::/64")
    (row,) = rows_of("Logical_Router_Policy", True, *networks)
    ports = rows_of("Logical_Router_Port", True, *networks)
    (outside,) = [port.columns["name"] for port in ports if port.columns.get("ha_chassis_group")]
    assert row.columns["action"] == "drop"
    assert row.columns["match"] == (
        f'inport == "{outside}" && ip4.dst == {{10.1.0.0/24, 10.2.0.0/24}} '
        "&& (!ct.trk || (!ct.est && !ct.rel && !ct.dnat))"
    )


def test_what_fits_neither_through_the_way_out_nor_inside_is_told_to_its_sender() -> None:
    spec = {"physical": {"name": "site"}, "subnets": [{"cidr": "10.78.0.0/24"}]}
    network = Network.parse({"metadata": {"name": "out", "namespace": "shared", "uid": "u"}, "spec": spec})
    view = make_view(CLUSTER, network)
    inside = InsideLeg(make_view(CLUSTER, network), MAC, ("10.1.0.0/24",), 8942)
    for outside, told in ((1500, "1500"), (9000, "8942")):
        leg = OutsideLeg(view, ("10.78.0.9/24",), True, ("h1",), mtu=outside)
        rows = router_rows(RouterPlan(OWNER, (inside,), leg, (), Capabilities()))
        ports = [row.columns for row in rows if row.ref.table == "Logical_Router_Port"]
        assert [port["options"] for port in ports if "ha_chassis_group" in port] == [{"gateway_mtu": told}]


def test_one_that_only_routes_drops_nothing_nor_one_without_ipv4_behind_it() -> None:
    assert rows_of("Logical_Router_Policy", False, "10.1.0.0/24") == []
    assert rows_of("Logical_Router_Policy", True, "fd00:1::/64") == []


@pytest.mark.parametrize(
    ("addresses", "next_hops"),
    [
        (("10.78.0.9/24", "fd00:78::9/64"), ["10.78.0.1", "fd00:78::fe"]),
        (("10.78.0.9/24",), ["10.78.0.1"]),
    ],
)
def test_each_next_hop_is_pinned_on_the_routers_own_port(
    addresses: tuple[str, ...], next_hops: list[str]
) -> None:
    rows = pinned(MAC, *addresses)
    assert [row.columns["ip"] for row in rows] == next_hops
    for row in rows:
        assert (row.columns["mac"], row.columns["override_dynamic_mac"]) == (MAC, True)
        assert "external_ids" not in row.columns


def test_a_next_hop_whose_mac_nobody_knows_is_not_pinned() -> None:
    assert pinned(None, "10.78.0.9/24") == []


def test_such_a_row_is_known_by_its_uuid_alone() -> None:
    (row,) = pinned(MAC, "10.78.0.9/24")
    assert is_row_of(CLUSTER, OWNER.uid, row.ref, row.columns)
    other: dict[str, Any] = {**row.columns, "ip": "10.78.0.2"}
    assert not is_row_of(CLUSTER, OWNER.uid, row.ref, other)
    assert not is_row_of(CLUSTER, "44444444-4444-4444-8444-444444444444", row.ref, row.columns)
    assert not is_row_of(CLUSTER, OWNER.uid, RowRef(row.ref.table, uuid4()), row.columns)
