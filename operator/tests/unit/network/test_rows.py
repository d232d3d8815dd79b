"""The rows of a Network in the shapes that the first installation does not have."""

from __future__ import annotations

from typing import Any

from quantix_api import Network
from quantix_operator.network.rows import NetworkPlan, network_rows
from quantix_operator.northbound.capabilities import Capabilities
from quantix_operator.northbound.rows import DesiredRow
from quantix_operator.topology.view import make_view

CLUSTER = "11111111-1111-4111-8111-111111111111"
RECORDS = {"web.default.quantix.internal": "10.0.0.5"}


def rows(
    *,
    routed: bool = True,
    resolvers: tuple[str, ...] = (),
    records: dict[str, str] | None = None,
    version: tuple[int, int, int] = (23, 3, 1),
    **spec: Any,
) -> dict[str, list[DesiredRow]]:
    """The rows of a network by table."""
    metadata = {"name": "net", "namespace": "default", "uid": "uid-net"}
    network = Network.parse({"metadata": metadata, "spec": {"ipv6": "Disabled", **spec}})
    view = make_view(CLUSTER, network)
    plan = NetworkPlan(view, 1442, resolvers, records or {}, routed, Capabilities(version))
    tables: dict[str, list[DesiredRow]] = {}
    for row in network_rows(plan):
        tables.setdefault(row.ref.table, []).append(row)
    return tables


def dhcp(**arguments: Any) -> dict[str, str]:
    """The DHCPv4 options of a network with one subnet."""
    subnet = {"cidr": "10.0.0.0/24", **arguments.pop("subnet", {})}
    (row,) = rows(subnets=[subnet], **arguments)["DHCP_Options"]
    options = row.columns["options"]
    assert isinstance(options, dict)
    return options


def test_routes_of_the_user_bring_the_default_route_along() -> None:
    """Clients ignore the router option when there are classless routes."""
    routes = [{"destination": "10.9.0.0/16", "nextHop": "10.0.0.254"}]
    options = dhcp(subnet={"routes": routes})
    assert options["router"] == "10.0.0.1"
    assert options["classless_static_route"] == "{10.9.0.0/16,10.0.0.254, 0.0.0.0/0,10.0.0.1}"


def test_without_a_router_nobody_is_sent_to_a_gateway_that_is_not_there() -> None:
    assert "router" not in dhcp(routed=False)
    assert dhcp(routed=False, subnet={"gateway": "10.0.0.9"})["router"] == "10.0.0.9"


def test_name_servers_are_told_by_family() -> None:
    assert dhcp(resolvers=("10.0.0.2", "fd00::2", "10.0.0.3"))["dns_server"] == "{10.0.0.2, 10.0.0.3}"
    assert "dns_server" not in dhcp(resolvers=("fd00::2",))


def test_short_names_are_looked_for_in_the_networks_own_namespace_first() -> None:
    assert dhcp()["domain_search_list"] == '"default.quantix.internal,quantix.internal"'


def test_the_name_servers_hole_is_closed_where_there_is_one() -> None:
    subnets = [{"cidr": "10.0.0.0/24"}]
    closed = rows(subnets=subnets, records=RECORDS, resolvers=("10.0.0.2",))
    matches = sorted(str(row.columns["match"]) for row in closed["ACL"])
    (addresses,) = closed["Address_Set"]
    assert matches == [
        f"ip4 && udp.src == 53 && ip4.src != ${addresses.columns['name']}",
        "ip6 && udp.src == 53",
    ]
    assert addresses.columns["addresses"] == frozenset({"10.0.0.2"})
    assert "ACL" not in rows(subnets=subnets, resolvers=("10.0.0.2",))
    assert "ACL" not in rows(subnets=subnets, records=RECORDS, version=(25, 3, 0))


def test_a_newer_ovn_answers_for_missing_names_too() -> None:
    (older,), (newer,) = rows()["DNS"], rows(version=(25, 3, 0))["DNS"]
    assert older.columns["options"] is None
    assert newer.columns["options"] == {"ovn-owned": "true"}


def test_a_vlan_is_a_tag_on_the_wire() -> None:
    (wire,) = rows(physical={"name": "physnet1", "vlan": 100})["Logical_Switch_Port"]
    assert wire.columns["type"] == "localnet"
    assert wire.columns["tag_request"] == 100
    assert wire.columns["options"] == {"network_name": "physnet1"}


def test_snooping_makes_the_switch_its_own_querier() -> None:
    (switch,) = rows(multicast="Snooping", subnets=[{"cidr": "10.0.0.0/24"}])["Logical_Switch"]
    config = switch.columns["other_config"]
    assert isinstance(config, dict)
    assert config["mcast_snoop"] == config["mcast_querier"] == "true"
    assert config["mcast_ip4_src"] == "10.0.0.1"
