"""The port of a NIC as a row."""

from __future__ import annotations

from typing import Any

from quantix_api import Network
from quantix_operator.network.view import make_view
from quantix_operator.nics.ledger import Assignment
from quantix_operator.nics.rows import PortPlan, vm_rows
from quantix_operator.northbound.rows import Owner

CLUSTER = "11111111-1111-4111-8111-111111111111"
MACHINE = Owner(CLUSTER, "22222222-2222-4222-8222-222222222222", "VirtualMachine", "default/vm")
MAC = "02:00:00:00:00:01"


def port(*addresses: str, secured: bool = True, **spec: Any) -> dict[str, Any]:
    """The columns of a port on a network."""
    manifest = {"metadata": {"name": "net", "namespace": "default", "uid": "net-1"}, "spec": spec}
    view = make_view(CLUSTER, Network.parse(manifest))
    plan = PortPlan("eth0", view, Assignment("net-1", MAC, addresses), secured, frozenset())
    (row,) = vm_rows(MACHINE, "vm", [], [plan])
    return dict(row.columns)


def test_a_guest_may_use_any_link_local_address() -> None:
    """Without fe80::/64 a guest with privacy addresses finds no neighbour and has no IPv6 at all."""
    columns = port("10.0.0.5", subnets=[{"cidr": "10.0.0.0/24"}], ipv6="Disabled")
    assert columns["addresses"] == frozenset({f"{MAC} 10.0.0.5"})
    assert columns["port_security"] == frozenset({f"{MAC} 10.0.0.5 fe80::/64"})


def test_with_slaac_a_guest_may_use_the_whole_subnet() -> None:
    columns = port("10.0.0.5", subnets=[{"cidr": "fd00::/64", "addressMode": "SLAAC"}])
    assert columns["port_security"] == frozenset({f"{MAC} 10.0.0.5 fd00::/64 fe80::/64"})
    assert columns["dhcpv6_options"] is None


def test_without_port_security_anything_may_come_and_go() -> None:
    columns = port("10.0.0.5", secured=False, subnets=[{"cidr": "10.0.0.0/24"}])
    assert columns["port_security"] == frozenset()
    assert columns["addresses"] == frozenset({f"{MAC} 10.0.0.5", "unknown"})


def test_on_a_wire_without_subnets_only_the_mac_is_checked() -> None:
    columns = port(physical={"name": "physnet1"})
    assert columns["port_security"] == frozenset({MAC})
    assert columns["dhcpv4_options"] is None


def test_no_chassis_is_said_so_that_no_left_over_interface_claims_the_port() -> None:
    options = port("10.0.0.5", subnets=[{"cidr": "10.0.0.0/24"}])["options"]
    assert options == {"requested-chassis": "quantix-none", "hostname": '"vm"'}
