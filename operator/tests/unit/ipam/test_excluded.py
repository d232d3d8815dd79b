"""Who may not use a shared network takes no address of it from those who may, by asking for it by name."""

from __future__ import annotations

from typing import Any

import pytest

from quantix_api import Network
from quantix_api.resources import FLOATING_IPS, NAMESPACES, NETWORKS, ROUTERS, VIRTUAL_MACHINES
from quantix_api.vm_devices import Nic
from quantix_operator.cache import Cache
from quantix_operator.floatingip.claims import FloatingIPFeed
from quantix_operator.ipam.assign import Problem, assign_nic
from quantix_operator.ipam.ledger import Allocation, Claimant, Ledger
from quantix_operator.nics.feed import LedgerFeed
from quantix_operator.objects import Objects
from quantix_operator.router.claims import RouterFeed
from quantix_operator.topology.view import NetworkView, make_view

CLUSTER = "11111111-1111-4111-8111-111111111111"
PUBLIC = "quantix-shared/public"
GUEST = Claimant("2026-02-01", "uid-guest", "eth0", "VM trusted/guest")
SIX = [f"10.0.0.{number}" for number in range(2, 7)]
"""All that the /29 has to give: the gateway has 10.0.0.1."""


class Place:
    """The shared network `public`, for namespaces that are `trusted`, one of them and one that is not."""

    def __init__(self) -> None:
        self.cache = Cache((NETWORKS, NAMESPACES, VIRTUAL_MACHINES, ROUTERS, FLOATING_IPS))
        self.version = 0
        self.label("trusted", "yes")
        self.label("stranger", "no")
        self.allow({"trusted": "yes"})
        self.objects = Objects(self.cache)
        self.ledger = Ledger(self.objects.takes_in)
        LedgerFeed(self.cache, self.objects, self.ledger, CLUSTER)
        RouterFeed(self.cache, self.objects, self.ledger, CLUSTER)
        FloatingIPFeed(self.cache, self.objects, self.ledger, CLUSTER)

    def _metadata(self, name: str, namespace: str | None = None) -> dict[str, Any]:
        self.version += 1
        where = {"namespace": namespace} if namespace is not None else {}
        ids = {"uid": f"uid-{name}", "resourceVersion": str(self.version)}
        return {"name": name, "creationTimestamp": "2026-01-01T00:00:00Z", **where, **ids}

    def label(self, namespace: str, trusted: str) -> None:
        self.cache.put(
            NAMESPACES, {"metadata": {**self._metadata(namespace), "labels": {"trusted": trusted}}}
        )

    def allow(self, selector: dict[str, str] | None) -> None:
        spec = {"subnets": [{"cidr": "10.0.0.0/29"}], "ipv6": "Disabled", "allowedNamespaces": selector}
        self.cache.put(NETWORKS, {"metadata": self._metadata("public", "quantix-shared"), "spec": spec})

    def vm(self, name: str, namespace: str, addresses: list[str], **status: Any) -> None:
        """One with a NIC for each address."""
        nics = [
            {"name": f"eth{place}", "network": "shared/public", "addresses": [address]}
            for place, address in enumerate(addresses)
        ]
        metadata = self._metadata(name, namespace)
        self.cache.put(VIRTUAL_MACHINES, {"metadata": metadata, "spec": {"nics": nics}, "status": status})

    def router(self, name: str, namespace: str, address: str | None = None) -> None:
        named = {"address": address} if address is not None else {}
        spec = {"external": {"network": "shared/public", **named}}
        self.cache.put(ROUTERS, {"metadata": self._metadata(name, namespace), "spec": spec})

    def floating_ip(self, name: str, namespace: str, address: str) -> None:
        spec = {"network": "shared/public", "address": address}
        self.cache.put(FLOATING_IPS, {"metadata": self._metadata(name, namespace), "spec": spec})

    @property
    def view(self) -> NetworkView:
        network = self.objects.get(Network, PUBLIC)
        assert network is not None
        return make_view(CLUSTER, network)

    def ask(self, *addresses: str) -> Allocation | Problem:
        """What a guest of the trusted namespace, younger than all else, would get."""
        nic = Nic.model_validate({"name": "eth0", "network": "shared/public", "addresses": addresses})
        return assign_nic(nic, "spec.nics[0]", GUEST, self.view, self.ledger)


@pytest.fixture
def place() -> Place:
    return Place()


def test_a_stranger_does_not_exhaust_it_by_asking_for_all_of_it(place: Place) -> None:
    place.vm("greedy", "stranger", SIX)
    assert isinstance(place.ask(), Allocation)


def test_nor_keeps_anybody_from_an_address_by_being_the_elder(place: Place) -> None:
    place.vm("greedy", "stranger", ["10.0.0.2"])
    place.router("way", "stranger", "10.0.0.3")
    place.floating_ip("front", "stranger", "10.0.0.4")
    for address in ("10.0.0.2", "10.0.0.3", "10.0.0.4"):
        assert place.ask(address) == Allocation("uid-public", _mac(place), (address,))


def _mac(place: Place) -> str:
    chosen = place.ask()
    assert isinstance(chosen, Allocation)
    return chosen.mac


@pytest.mark.parametrize("kind", ["vm", "router", "floating_ip"])
def test_who_may_use_it_still_comes_before_the_younger(place: Place, kind: str) -> None:
    if kind == "vm":
        place.vm("elder", "trusted", ["10.0.0.2"])
    elif kind == "router":
        place.router("elder", "trusted", "10.0.0.2")
    else:
        place.router("way", "trusted")
        place.floating_ip("elder", "trusted", "10.0.0.2")
    refused = place.ask("10.0.0.2")
    assert isinstance(refused, Problem)
    assert refused.reason == "AddressInUse"


def test_what_a_namespace_may_is_what_counts_now(place: Place) -> None:
    place.vm("greedy", "stranger", SIX)
    place.label("stranger", "yes")
    assert isinstance(place.ask(), Problem), "let in, it is the elder"
    place.label("stranger", "no")
    assert isinstance(place.ask(), Allocation)
    place.allow(None)
    assert isinstance(place.ask(), Problem)


def test_who_has_an_address_keeps_it_when_it_is_let_in_no_more(place: Place) -> None:
    has = [{"name": "eth0", "network": "uid-public", "mac": "02:00:00:00:00:01", "addresses": ["10.0.0.2"]}]
    place.vm("there", "stranger", ["10.0.0.2"], nics=has)
    refused = place.ask("10.0.0.2")
    assert isinstance(refused, Problem)
    assert refused.reason == "AddressInUse"


def test_what_is_asked_of_a_network_that_is_not_there_counts_until_it_says_whom_it_takes(
    place: Place,
) -> None:
    place.vm("early", "stranger", ["10.0.0.2"])
    assert place.objects.takes_in("quantix-shared/none", "stranger")
    assert place.objects.takes_in(PUBLIC, "trusted")
    assert not place.objects.takes_in(PUBLIC, "stranger")
    assert not place.objects.takes_in(PUBLIC, "unheard-of")
