"""Networks that are joined to one wire share its addresses and MACs; others have nothing to do with it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quantix_api import Network, identity
from quantix_api.vm_devices import Nic
from quantix_operator.ipam.assign import Problem, assign_nic
from quantix_operator.ipam.ledger import Allocation, Claimant, Ledger
from quantix_operator.ipam.occupancy import free_pool
from quantix_operator.topology.view import NetworkView, make_view

CLUSTER = "11111111-1111-4111-8111-111111111111"
ELDER = Claimant("2026-01-01", "uid-elder", "eth0", "VM default/elder")
YOUNGER = Claimant("2026-01-02", "uid-younger", "eth0", "VM default/younger")
WIRE = {"name": "physnet1", "vlan": 100}


def view(name: str, physical: dict[str, Any] | None = WIRE, **subnet: Any) -> NetworkView:
    """A network with the one subnet that all have here."""
    spec: dict[str, Any] = {"subnets": [{"cidr": "10.0.0.0/24", **subnet}], "ipv6": "Disabled"}
    if physical is not None:
        spec["physical"] = physical
    metadata = {"name": name, "namespace": "default", "uid": f"uid-{name}"}
    return make_view(CLUSTER, Network.parse({"metadata": metadata, "spec": spec}))


def ledger_of(*networks: NetworkView) -> Ledger:
    made = Ledger()
    for network in networks:
        made.join(network)
    return made


def ask(
    ledger: Ledger, network: NetworkView, claimant: Claimant = ELDER, **parts: Any
) -> Allocation | Problem:
    """What the NIC gets, recorded as the caller would."""
    nic = Nic.model_validate({"name": "eth0", "network": "net", **parts})
    outcome = assign_nic(nic, "spec.nics[0]", claimant, network, ledger)
    if isinstance(outcome, Allocation):
        ledger.hold(claimant, outcome)
    return outcome


def reason(outcome: Allocation | Problem) -> tuple[str, str]:
    """Why the NIC gets nothing, and who is in the way."""
    assert isinstance(outcome, Problem), outcome
    return outcome.reason, dict(outcome.fields).get("user", "")


ONE, TWO = view("one"), view("two")


def test_an_address_of_one_network_is_in_use_in_the_other() -> None:
    ledger = ledger_of(ONE, TWO)
    ask(ledger, ONE, addresses=["10.0.0.7"])
    assert reason(ask(ledger, TWO, YOUNGER, addresses=["10.0.0.7"])) == ("AddressInUse", ELDER.name)


def test_a_mac_of_one_network_is_in_use_in_the_other() -> None:
    ledger = ledger_of(ONE, TWO)
    ask(ledger, ONE, mac="52:54:00:00:00:01")
    assert reason(ask(ledger, TWO, YOUNGER, mac="52:54:00:00:00:01")) == ("MACInUse", ELDER.name)


def test_what_one_network_keeps_back_nobody_gets_in_the_other() -> None:
    ledger = ledger_of(
        view("one", gateway="10.0.0.9", excludeRanges=[{"first": "10.0.0.20", "last": "10.0.0.29"}]), TWO
    )
    for address in ("10.0.0.9", "10.0.0.20", "10.0.0.29"):
        assert reason(ask(ledger, TWO, addresses=[address])) == ("AddressInUse", "network default/one")
    assert isinstance(ask(ledger, TWO, addresses=["10.0.0.30"]), Allocation)


def test_a_network_that_is_gone_keeps_nothing_back() -> None:
    ledger = ledger_of(view("one", gateway="10.0.0.9"), TWO)
    ledger.leave("uid-one")
    assert isinstance(ask(ledger, TWO, addresses=["10.0.0.9"]), Allocation)


def test_who_has_an_address_keeps_it_when_a_later_network_keeps_it_back() -> None:
    ledger = ledger_of(TWO)
    before = ask(ledger, TWO, addresses=["10.0.0.9"])
    ledger.join(view("one", gateway="10.0.0.9"))
    assert ask(ledger, TWO, addresses=["10.0.0.9"]) == before
    assert ask(ledger, TWO) == before


@pytest.mark.parametrize(
    "elsewhere",
    [None, {"name": "physnet1", "vlan": 101}, {"name": "physnet1"}, {"name": "physnet2", "vlan": 100}],
)
def test_another_wire_is_another_space(elsewhere: dict[str, Any] | None) -> None:
    far = view("far", elsewhere, gateway="10.0.0.9")
    ledger = ledger_of(ONE, far)
    ask(ledger, ONE, addresses=["10.0.0.7"], mac="52:54:00:00:00:01")
    asked = {"addresses": ["10.0.0.7"], "mac": "52:54:00:00:00:01"}
    assert isinstance(ask(ledger, far, YOUNGER, **asked), Allocation)
    assert isinstance(ask(ledger, ONE, ELDER, addresses=["10.0.0.9"]), Allocation)


def test_of_two_who_ask_on_one_wire_the_elder_has_it() -> None:
    ledger = ledger_of(ONE, TWO)
    ledger.want(YOUNGER.uid, [("default/two", "10.0.0.7", YOUNGER)])
    ledger.want(ELDER.uid, [("default/one", "10.0.0.7", ELDER)])
    assert reason(ask(ledger, TWO, YOUNGER, addresses=["10.0.0.7"])) == ("AddressInUse", ELDER.name)
    assert isinstance(ask(ledger, ONE, ELDER, addresses=["10.0.0.7"]), Allocation)


def test_a_wish_counts_before_its_network_is_there() -> None:
    ledger = ledger_of(TWO)
    chosen = ask(ledger, TWO)
    assert isinstance(chosen, Allocation)
    ledger.release(ELDER.uid)
    ledger.want(YOUNGER.uid, [("default/one", chosen.addresses[0], YOUNGER)])
    assert ask(ledger, TWO) == chosen
    ledger.release(ELDER.uid)
    ledger.join(ONE)
    other = ask(ledger, TWO)
    assert isinstance(other, Allocation)
    assert other.addresses != chosen.addresses


def test_a_guest_that_is_heard_of_before_its_network_is_on_the_wire_all_the_same() -> None:
    ledger = ledger_of(TWO)
    ledger.hold(ELDER, Allocation("uid-one", "52:54:00:00:00:01", ("10.0.0.7",)))
    ledger.join(ONE)
    assert reason(ask(ledger, TWO, YOUNGER, addresses=["10.0.0.7"])) == ("AddressInUse", ELDER.name)
    assert reason(ask(ledger, TWO, YOUNGER, mac="52:54:00:00:00:01")) == ("MACInUse", ELDER.name)
    ledger.release(ELDER.uid)
    assert isinstance(ask(ledger, TWO, YOUNGER, addresses=["10.0.0.7"]), Allocation)


def test_no_guest_gets_a_mac_of_the_platform() -> None:
    way_out = view("out", {"name": "qx-local"})
    ledger = ledger_of(way_out)
    for mac in (way_out.gateway_mac, identity.way_out_mac(CLUSTER)):
        assert reason(ask(ledger, way_out, mac=mac)) == ("MACInUse", "network default/out")
    ledger.join(ONE)
    assert isinstance(ask(ledger, ONE, mac=identity.way_out_mac(CLUSTER)), Allocation)


def test_ports_are_counted_by_network_and_without_those_of_routers() -> None:
    ledger = ledger_of(ONE, TWO)
    ask(ledger, ONE)
    ledger.hold(YOUNGER, Allocation("uid-two", "06:00:00:00:00:01", ("10.0.0.200",), guest=False))
    assert (ledger.ports("uid-one"), ledger.ports("uid-two")) == (1, 0)
    ledger.release(ELDER.uid)
    assert ledger.ports("uid-one") == 0


def test_an_exhausted_wire_counts_what_is_left_of_the_subnet() -> None:
    kept = [{"first": "10.0.0.3", "last": "10.0.0.254"}]
    two = view("two", gateway="10.0.0.1", excludeRanges=kept)
    ledger = ledger_of(ONE, two)
    assert isinstance(ask(ledger, ONE), Allocation)
    refused = ask(ledger, two, YOUNGER)
    assert isinstance(refused, Problem)
    assert dict(refused.fields) == {"network": "default/two", "used": "1", "all": "1"}


_gateways = st.integers(1, 14)
_nets = st.lists(st.tuples(_gateways, st.tuples(_gateways, _gateways)), min_size=1, max_size=3)
_steps = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 7), st.booleans()), max_size=24)


@settings(max_examples=150)
@given(_nets, _steps)
def test_whoever_comes_to_a_wire_and_goes_nothing_is_there_twice(
    nets: list[tuple[int, tuple[int, int]]], steps: list[tuple[int, int, bool]]
) -> None:
    networks = []
    for number, (gateway, ends) in enumerate(nets):
        low, high = sorted(ends)
        kept = [{"first": f"10.0.0.{low}", "last": f"10.0.0.{high}"}]
        subnet: dict[str, Any] = {
            "cidr": "10.0.0.0/28",
            "gateway": f"10.0.0.{gateway}",
            "excludeRanges": kept,
        }
        networks.append(view(f"n{number}", **subnet))
    ledger = ledger_of(*networks)
    given_out: dict[int, Allocation] = {}
    for network, guest, stays in steps:
        claimant = Claimant("", f"uid-{guest}", "eth0", f"VM default/{guest}")
        outcome = ask(ledger, networks[network % len(networks)], claimant)
        if not stays:
            ledger.release(claimant.uid)
            given_out.pop(guest, None)
        elif isinstance(outcome, Allocation):
            given_out[guest] = outcome
    addresses = [address for item in given_out.values() for address in item.addresses]
    macs = [item.mac for item in given_out.values()]
    assert len(addresses) == len(set(addresses))
    assert len(macs) == len(set(macs))
    assert not [item for item in addresses for network in networks if network.reserves(item)]
    assert len(addresses) <= free_pool(networks[0].subnets[0], networks[0], ledger).size
