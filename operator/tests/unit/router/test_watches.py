"""Which routers and networks a change concerns."""

from __future__ import annotations

from typing import Any

from quantix_api.resources import NETWORKS, ROUTERS, SECURITY_GROUPS, VIRTUAL_MACHINES
from quantix_operator.cache import Cache
from quantix_operator.network.controller import (
    networks_of_host,
    networks_of_network,
    networks_of_router,
    networks_of_vm,
)
from quantix_operator.router.controller import routers_of_network, routers_with_a_way_out
from quantix_operator.securitygroup.controller import deleted_groups, groups_of_namespace


def obj(name: str, namespace: str = "default", **parts: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": name, "namespace": namespace, "uid": f"uid-{name}", "resourceVersion": "1"},
        **parts,
    }


def cache() -> Cache:
    made = Cache((NETWORKS, ROUTERS, SECURITY_GROUPS, VIRTUAL_MACHINES))
    made.put(NETWORKS, obj("default", "quantix-shared", status={"mtu": 1442}))
    made.put(NETWORKS, obj("lan", status={"mtu": 1442}))
    made.put(NETWORKS, obj("new"))
    made.put(
        ROUTERS, obj("r", spec={"networks": [{"name": "lan"}], "external": {"network": "shared/default"}})
    )
    made.put(ROUTERS, obj("inner", spec={"networks": [{"name": "lan"}]}))
    made.put(SECURITY_GROUPS, obj("a"))
    made.put(SECURITY_GROUPS, obj("b"))
    return made


def test_a_vm_concerns_the_networks_of_its_spec_and_of_its_status() -> None:
    vm = obj(
        "vm",
        spec={"nics": [{"name": "eth0", "network": "shared/default"}]},
        status={"nics": [{"name": "eth0", "network": "uid-lan"}]},
    )
    assert set(networks_of_vm(vm, cache())) == {"quantix-shared/default", "default/lan"}


def test_a_half_filled_vm_concerns_none() -> None:
    assert list(networks_of_vm(obj("vm"), cache())) == []


def test_a_network_concerns_itself_and_all_on_its_wire() -> None:
    made = cache()
    for name, vlan in (("a", 7), ("b", 7), ("c", 8)):
        made.put(NETWORKS, obj(name, spec={"physical": {"name": "p", "vlan": vlan}}))
    on_wire = obj("a", spec={"physical": {"name": "p", "vlan": 7}})
    assert list(networks_of_network(on_wire, made)) == ["default/a", "default/b"]
    assert list(networks_of_network(obj("lan", spec={}), made)) == ["default/lan"]


def test_a_network_concerns_its_routers() -> None:
    assert set(routers_of_network(obj("lan"), cache())) == {"default/r", "default/inner"}
    assert set(routers_of_network(obj("default", "quantix-shared"), cache())) == {"default/r"}


def test_a_host_concerns_ways_out_and_networks_that_wait_for_an_mtu() -> None:
    assert list(routers_with_a_way_out(obj("h"), cache())) == ["default/r"]
    assert list(networks_of_host(obj("h"), cache())) == ["default/new"]


def test_a_router_concerns_its_networks() -> None:
    router = obj("r", spec={"networks": [{"name": "lan"}]})
    assert list(networks_of_router(router, cache())) == ["default/lan"]


def test_a_group_concerns_all_of_its_namespace_and_a_vm_those_that_wait_to_go() -> None:
    made = cache()
    assert set(groups_of_namespace(obj("a"), made)) == {"default/a", "default/b"}
    assert list(deleted_groups(obj("vm"), made)) == []
    going = obj("b")
    going["metadata"].update(deletionTimestamp="2026-01-01T00:00:00Z", resourceVersion="2")
    made.put(SECURITY_GROUPS, going)
    assert list(deleted_groups(obj("vm"), made)) == ["default/b"]
