"""Which FloatingIPs a change concerns, and what is remembered of them after a restart."""

from __future__ import annotations

from typing import Any

import pytest

from quantix_api import Network
from quantix_api.resources import FLOATING_IPS, NETWORKS, ROUTERS
from quantix_operator.cache import Cache
from quantix_operator.floatingip import watches
from quantix_operator.floatingip.addresses import CLAIM
from quantix_operator.floatingip.claims import FloatingIPFeed
from quantix_operator.ipam.ledger import Ledger
from quantix_operator.network import watches as network_watches
from quantix_operator.objects import Objects
from quantix_operator.router import watches as router_watches
from quantix_operator.topology.view import make_view

from .place import CLUSTER

OUT = "quantix-shared/out"


def obj(name: str, namespace: str = "default", version: int = 1, **parts: Any) -> dict[str, Any]:
    """An object as the API gives it."""
    metadata = {"name": name, "namespace": namespace, "uid": f"uid-{name}", "resourceVersion": str(version)}
    return {"metadata": metadata, **parts}


def fip(name: str, vm: str | None = None, version: int = 1, **status: Any) -> dict[str, Any]:
    """A FloatingIP of the shared network."""
    spec = {"network": "shared/out", **({"virtualMachine": vm} if vm is not None else {})}
    return obj(name, version=version, spec=spec, status=status)


@pytest.fixture
def cache() -> Cache:
    made = Cache((FLOATING_IPS, NETWORKS, ROUTERS))
    for one in (fip("a", "web-1"), fip("b", "web-1", router="shared/r"), fip("kept")):
        made.put(FLOATING_IPS, one)
    made.put(NETWORKS, obj("out", "quantix-shared", spec={"subnets": [{"cidr": "10.78.0.0/24"}]}))
    external = {"external": {"network": "out"}}
    made.put(ROUTERS, obj("r", "quantix-shared", spec=external))
    return made


def test_one_concerns_itself_and_the_others_of_its_vm(cache: Cache) -> None:
    assert set(watches.of_floating_ip(fip("a", "web-1"), cache)) == {"default/a", "default/b"}
    assert set(watches.of_floating_ip(fip("kept"), cache)) == {"default/kept"}


def test_a_vm_concerns_those_that_shall_lead_to_it(cache: Cache) -> None:
    assert set(watches.of_vm(obj("web-1"), cache)) == {"default/a", "default/b"}
    assert set(watches.of_vm(obj("web-1", "other"), cache)) == set()


def test_a_router_and_a_network_concern_those_with_an_address_there(cache: Cache) -> None:
    everybody = {"default/a", "default/b", "default/kept"}
    router, network = cache.list(ROUTERS)[0], cache.list(NETWORKS)[0]
    assert set(watches.of_router(router, cache)) == everybody
    assert set(watches.of_network(network, cache)) == everybody
    assert set(watches.of_host(obj("h1"), cache)) == everybody
    assert set(watches.of_router(obj("inner", spec={"networks": []}), cache)) == set()


def test_what_they_do_not_depend_on_wakes_nobody() -> None:
    vm = obj("web-1", spec={"nics": [{"name": "eth0", "network": "lan"}]}, status={"phase": "Starting"})
    beside = {**vm, "status": {"phase": "Running", "runtime": {"startedAt": "now"}}}
    assert watches.part_of_vm(vm) == watches.part_of_vm(beside)
    assert watches.part_of_vm(vm) != watches.part_of_vm({**vm, "status": {"nics": [{"name": "eth0"}]}})
    host = obj("h1", spec={}, status={"hostUID": "m"})
    assert watches.part_of_host(host) == watches.part_of_host({**host, "status": {"hostUID": "m", "cpus": 4}})
    assert watches.part_of_host(host) != watches.part_of_host({**host, "spec": {"unschedulable": True}})
    network = obj("out", spec={"subnets": []})
    assert watches.part_of_network(network) == watches.part_of_network({**network, "status": {"ports": 3}})
    router = obj("r", spec={})
    programmed = {**router, "status": {"conditions": [{"type": "Ready", "reason": "Programmed"}]}}
    assert watches.part_of_router(router) != watches.part_of_router(programmed)


def test_half_filled_objects_concern_nobody(cache: Cache) -> None:
    for mapper in (watches.of_vm, watches.of_network, watches.of_router):
        assert list(mapper(obj("x"), cache)) == []
    for part in (watches.part_of_vm, watches.part_of_host, watches.part_of_network, watches.part_of_router):
        part(obj("x"))
    assert list(network_watches.of_floating_ip(obj("x"), cache)) == []


def test_its_network_hears_of_it_and_so_does_a_router_that_waits_to_go(cache: Cache) -> None:
    leading = fip("b", "web-1", router="shared/r")
    assert list(network_watches.of_floating_ip(leading, cache)) == [OUT]
    assert list(router_watches.of_floating_ip(leading, cache)) == []
    router = obj("r", "quantix-shared", 2, spec={})
    router["metadata"]["deletionTimestamp"] = "now"
    cache.put(ROUTERS, router)
    assert list(router_watches.of_floating_ip(leading, cache)) == ["quantix-shared/r"]
    assert list(router_watches.of_floating_ip(fip("a", "web-1"), cache)) == []


def test_what_one_has_is_known_before_anything_is_given_out_and_forgotten_when_it_goes(cache: Cache) -> None:
    ledger, objects = Ledger(), Objects(cache)
    network = objects.get(Network, OUT)
    assert network is not None
    view = make_view(CLUSTER, network)
    ledger.join(view)
    cache.put(FLOATING_IPS, fip("a", "web-1", 2, address="10.78.0.20"))
    cache.put(FLOATING_IPS, obj("asks", spec={"network": "shared/out", "address": "10.78.0.30"}))
    FloatingIPFeed(cache, objects, ledger, CLUSTER)
    held = ledger.allocation("uid-a", CLAIM)
    assert held is not None
    assert (held.addresses, held.mac[:3], held.guest) == (("10.78.0.20",), "0a:", False)
    eldest = ledger.eldest(view.wire, "10.78.0.30")
    assert eldest is not None
    assert eldest.name == "floating IP default/asks"
    for name in ("a", "asks"):
        there = cache.get(FLOATING_IPS, f"default/{name}")
        assert there is not None
        cache.remove(FLOATING_IPS, there)
    assert ledger.allocation("uid-a", CLAIM) is None
    assert ledger.eldest(view.wire, "10.78.0.30") is None
