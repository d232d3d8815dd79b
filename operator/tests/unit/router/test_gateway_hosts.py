"""Which hosts carry a Router's way out, and in which order."""

from __future__ import annotations

from collections import Counter
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from quantix_api import Host, Network
from quantix_operator.northbound.capabilities import Capabilities
from quantix_operator.northbound.rows import Owner
from quantix_operator.router.plan import GATEWAY_LABEL, gateway_hosts
from quantix_operator.router.rows import (
    MAX_GATEWAYS,
    OutsideLeg,
    RouterPlan,
    order_gateways,
    router_rows,
)
from quantix_operator.topology.view import make_view

CLUSTER = "11111111-1111-4111-8111-111111111111"
OWNER = Owner(CLUSTER, "33333333-3333-4333-8333-333333333333", "Router", "default/r")
HOSTS = st.lists(st.uuids().map(str), unique=True, max_size=12)


def network(physical: str | None) -> Network:
    """A network outside, on that wire."""
    spec: dict[str, Any] = {"subnets": [{"cidr": "10.78.0.0/24"}]}
    if physical is not None:
        spec["physical"] = {"name": physical}
    return Network.parse({"metadata": {"name": "out", "namespace": "shared", "uid": "u"}, "spec": spec})


def host(name: str, *wires: str, labelled: bool = False, joined: bool = True, **metadata: Any) -> Host:
    """A host with these wires."""
    labels = {GATEWAY_LABEL: ""} if labelled else {}
    return Host.parse(
        {
            "metadata": {"name": name, "uid": f"uid-{name}", "labels": labels, **metadata},
            "spec": {"physicalNetworks": [{"name": wire, "interface": wire} for wire in wires]},
            "status": {"hostUID": name} if joined else {},
        }
    )


def names(physical: str | None, *hosts: Host) -> list[str]:
    """The names of those that can carry it."""
    return [one.metadata.name for one in gateway_hosts(network(physical), hosts)]


def test_every_host_with_the_wire_carries_it_and_no_other() -> None:
    hosts = (host("h3", "site"), host("h1", "site", "lab"), host("h2", "lab"), host("h4"))
    assert names("site", *hosts) == ["h1", "h3"]
    assert names("qx-local", *hosts) == ["h1", "h2", "h3", "h4"]
    assert names(None, *hosts) == ["h1", "h2", "h3", "h4"]


def test_where_hosts_are_labelled_for_it_only_those_do() -> None:
    hosts = (host("h1", "site"), host("h2", "site", labelled=True), host("h3", labelled=True))
    assert names("site", *hosts) == ["h2"]


def test_a_label_on_hosts_without_the_wire_takes_it_from_nobody() -> None:
    assert names("site", host("h1", "site"), host("h2", labelled=True)) == ["h1"]


def test_a_host_that_has_not_joined_or_goes_carries_nothing() -> None:
    going = host("h2", deletionTimestamp="2026-01-01T00:00:00Z")
    assert names("qx-local", host("h1", joined=False), going, host("h3")) == ["h3"]


@given(HOSTS, st.randoms(use_true_random=False))
def test_the_order_is_the_same_however_the_hosts_are_listed(hosts: list[str], chance: Any) -> None:
    order = order_gateways(OWNER.uid, hosts)
    assert len(order) == min(len(hosts), MAX_GATEWAYS)
    chance.shuffle(hosts)
    assert order_gateways(OWNER.uid, hosts) == order


@given(HOSTS.filter(bool), st.integers(min_value=0))
def test_when_a_host_goes_the_others_keep_their_order(hosts: list[str], place: int) -> None:
    order = order_gateways(OWNER.uid, hosts)
    gone = hosts[place % len(hosts)]
    after = order_gateways(OWNER.uid, [one for one in hosts if one != gone])
    kept = [one for one in order if one != gone]
    assert list(after[: len(kept)]) == kept
    if gone not in order:
        assert after == order


def test_routers_spread_over_the_hosts() -> None:
    hosts = [f"host-{number}" for number in range(4)]
    first = Counter(order_gateways(f"router-{number}", hosts)[0] for number in range(400))
    assert set(first) == set(hosts)
    assert min(first.values()) > 60


def test_the_first_of_the_order_has_the_highest_priority() -> None:
    hosts = order_gateways(OWNER.uid, [f"host-{number}" for number in range(7)])
    leg = OutsideLeg(make_view(CLUSTER, network("site")), ("10.78.0.9/24",), True, hosts)
    rows = router_rows(RouterPlan(OWNER, (), leg, (), Capabilities()))
    members = [row for row in rows if row.ref.table == "HA_Chassis"]
    assert [row.columns["chassis_name"] for row in members] == list(hosts)
    assert [row.columns["priority"] for row in members] == [50, 40, 30, 20, 10]
    (group,) = (row for row in rows if row.ref.table == "HA_Chassis_Group")
    (port,) = (row for row in rows if row.ref.table == "Logical_Router_Port")
    assert port.columns["ha_chassis_group"] == group.ref.uuid
