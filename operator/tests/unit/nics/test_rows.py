"""The port of a NIC as a row."""

from __future__ import annotations

from typing import Any

import pytest

from quantix_api import Network, identity
from quantix_api.vm_devices import Nic
from quantix_operator.ipam.ledger import Allocation
from quantix_operator.nics.rows import PortPlan, limits_of, vm_rows
from quantix_operator.northbound.limits import MAX_RATE_KBIT
from quantix_operator.northbound.rows import Owner
from quantix_operator.topology.view import make_view

CLUSTER = "11111111-1111-4111-8111-111111111111"
MACHINE = Owner(CLUSTER, "22222222-2222-4222-8222-222222222222", "VirtualMachine", "default/vm")
MAC = "02:00:00:00:00:01"
PORT = identity.nic_port_name(CLUSTER, MACHINE.uid, "eth0")


def port(*addresses: str, secured: bool = True, **spec: Any) -> dict[str, Any]:
    """The columns of a port on a network."""
    manifest = {"metadata": {"name": "net", "namespace": "default", "uid": "net-1"}, "spec": spec}
    view = make_view(CLUSTER, Network.parse(manifest))
    plan = PortPlan("eth0", view, Allocation("net-1", MAC, addresses), secured, frozenset())
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


def limits(**qos: str) -> dict[str, dict[str, Any]]:
    """The columns of a NIC's limits, by direction."""
    manifest = {"metadata": {"name": "net", "namespace": "default", "uid": "net-1"}, "spec": {}}
    view = make_view(CLUSTER, Network.parse(manifest))
    nic = Nic.model_validate({"name": "eth0", "network": "net", "qos": qos})
    plan = PortPlan("eth0", view, Allocation("net-1", MAC, ()), True, frozenset(), limits_of(nic.qos))
    _, *rows = vm_rows(MACHINE, "vm", [], [plan])
    assert all({item.column for item in row.parents} == {"qos_rules"} for row in rows)
    return {str(row.columns["direction"]): dict(row.columns) for row in rows}


def test_in_and_out_are_as_the_guest_sees_them() -> None:
    rows = limits(ingressBitsPerSecond="8M", egressBitsPerSecond="100M")
    assert rows["to-lport"]["match"] == f'outport == "{PORT}"'
    assert rows["to-lport"]["bandwidth"] == {"rate": "8000", "burst": "2000"}
    assert rows["from-lport"]["match"] == f'inport == "{PORT}"'
    assert rows["from-lport"]["bandwidth"] == {"rate": "100000", "burst": "25000"}


def test_what_is_not_limited_has_no_row() -> None:
    assert limits() == {}
    assert list(limits(egressBitsPerSecond="8M")) == ["from-lport"]


@pytest.mark.parametrize(
    ("rate", "written"),
    [("1k", "1"), ("1Ki", "2"), ("1500k", "1500"), ("999999999999P", str(MAX_RATE_KBIT))],
)
def test_any_rate_of_the_api_fits_the_column(rate: str, written: str) -> None:
    bandwidth = limits(ingressBitsPerSecond=rate)["to-lport"]["bandwidth"]
    assert bandwidth["rate"] == written
    assert int(bandwidth["burst"]) >= 1000
