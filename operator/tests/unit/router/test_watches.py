"""Which routers and networks a change concerns."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from quantix_api.resources import NETWORKS, ROUTERS, SECURITY_GROUPS, VIRTUAL_MACHINES
from quantix_operator.cache import Cache
from quantix_operator.network import watches as network_watches
from quantix_operator.router import watches
from quantix_operator.router.plan import GATEWAY_LABEL
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
    assert set(network_watches.of_vm(vm, cache())) == {"quantix-shared/default", "default/lan"}


def test_a_half_filled_vm_concerns_none() -> None:
    assert list(network_watches.of_vm(obj("vm"), cache())) == []


def test_a_network_concerns_itself_and_all_on_its_wire() -> None:
    made = cache()
    for name, vlan in (("a", 7), ("b", 7), ("c", 8)):
        made.put(NETWORKS, obj(name, spec={"physical": {"name": "p", "vlan": vlan}}))
    on_wire = obj("a", spec={"physical": {"name": "p", "vlan": 7}})
    assert list(network_watches.of_network(on_wire, made)) == ["default/a", "default/b"]
    assert list(network_watches.of_network(obj("lan", spec={}), made)) == ["default/lan"]


def test_a_network_concerns_its_routers() -> None:
    assert set(watches.of_network(obj("lan"), cache())) == {"default/r", "default/inner"}
    assert set(watches.of_network(obj("default", "quantix-shared"), cache())) == {"default/r"}


def test_a_host_concerns_ways_out_and_networks_that_wait_for_an_mtu() -> None:
    assert list(watches.of_host(obj("h"), cache())) == ["default/r"]
    assert list(network_watches.of_host(obj("h"), cache())) == ["default/new"]


def host(**status: Any) -> dict[str, Any]:
    about = {"hostUID": "m", "network": {"underlayMTU": 1500}}
    return obj("h", spec={"physicalNetworks": [{"name": "p"}]}, status={**about, **status})


@pytest.mark.parametrize("part", [watches.part_of_host, network_watches.part_of_host])
def test_how_full_a_host_is_wakes_no_network_and_no_router(part: Callable[[Any], Any]) -> None:
    part(obj("half-filled"))
    said = {"virtualMachines": 7, "allocated": {"memory": "4Gi"}, "conditions": [{"type": "Ready"}]}
    assert part(host()) == part(host(**said))
    assert part(host()) != part(host(network={"underlayMTU": 9000}))
    assert part(host()) != part(host(network={"underlayMTU": 1500, "physical": [{"name": "p", "mtu": 1500}]}))
    assert part(host()) != part({**host(), "spec": {"physicalNetworks": [{"name": "q"}]}})


def test_a_host_that_joins_leaves_or_is_chosen_wakes_routers() -> None:
    before, going, chosen = host(), host(), host()
    going["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    chosen["metadata"]["labels"] = {GATEWAY_LABEL: ""}
    for after in (going, chosen, host(hostUID=None)):
        assert watches.part_of_host(before) != watches.part_of_host(after)


def test_what_a_guest_does_wakes_no_network() -> None:
    nic = {"name": "eth0", "network": "uid-lan", "addresses": ["10.0.0.5"]}
    vm = obj("vm", spec={"nics": [{"name": "eth0", "network": "lan"}]}, status={"nics": [nic]})
    runs = {**vm, "status": {**vm["status"], "phase": "Running", "runtime": {"startedAt": "now"}}}
    assert network_watches.part_of_vm(vm) == network_watches.part_of_vm(runs)
    other = {**vm, "status": {"nics": [{**nic, "addresses": ["10.0.0.6"]}]}}
    named = {**vm, "spec": {**vm["spec"], "cloudInit": {"hostname": "web"}}}
    for after in (other, named, {**vm, "spec": {"nics": []}}):
        assert network_watches.part_of_vm(vm) != network_watches.part_of_vm(after)


def test_networks_that_are_not_there_are_concerned_by_no_vm() -> None:
    vm = obj("vm", spec={"nics": [{"network": "lan"}, {"network": "gone"}]}, status={"nics": [{}]})
    assert set(network_watches.of_vm(vm, cache())) == {"default/lan"}


def test_a_router_concerns_its_networks() -> None:
    router = obj("r", spec={"networks": [{"name": "lan"}]})
    assert list(network_watches.of_router(router, cache())) == ["default/lan"]


def test_a_group_concerns_all_of_its_namespace_and_a_vm_those_that_wait_to_go() -> None:
    made = cache()
    assert set(groups_of_namespace(obj("a"), made)) == {"default/a", "default/b"}
    assert list(deleted_groups(obj("vm"), made)) == []
    going = obj("b")
    going["metadata"].update(deletionTimestamp="2026-01-01T00:00:00Z", resourceVersion="2")
    made.put(SECURITY_GROUPS, going)
    assert list(deleted_groups(obj("vm"), made)) == ["default/b"]
