"""Where a FloatingIP leads, and what it says when it leads nowhere."""

from __future__ import annotations

import pytest

from quantix_api import Host
from quantix_operator.floatingip.plan import plan_floating_ip

from .place import Place, floating, guest, host, network, outside, router

NOW = "2026-01-02T00:00:00Z"


@pytest.fixture
def place() -> Place:
    return Place()


def test_without_a_vm_it_is_kept_and_leads_nowhere(place: Place) -> None:
    outcome = place.outcome(floating())
    assert outcome.held is not None
    assert (outcome.attachment, outcome.problem) == (None, None)
    assert place.said(floating())[0] == "Allocated"


def test_it_leads_to_the_first_nic_or_the_one_that_is_named(place: Place) -> None:
    place.vm = guest("10.0.0.5", "10.0.0.6", nics=("eth0", "eth1"))
    for nic, address in ((None, "10.0.0.5"), ("eth0", "10.0.0.5"), ("eth1", "10.0.0.6")):
        found = place.outcome(floating(virtualMachine="web-1", nic=nic)).attachment
        assert found is not None
        assert (found.nic, found.translation.inside) == (nic or "eth0", address)
        assert found.router == "r"


def test_planning_records_nothing(place: Place) -> None:
    observed = place.observed(floating(address="10.78.0.20"))
    outcome = plan_floating_ip(observed, place.ledger)
    assert outcome.held is not None
    assert place.ledger.keys(observed.floating_ip.metadata.uid) == ()


def test_a_vm_that_is_missing_or_goes_is_told_apart(place: Place) -> None:
    place.vm = None
    reason, text = place.said(floating(virtualMachine="web-1"))
    assert (reason, "There is no VM web-1 here" in text) == ("VirtualMachineNotFound", True)
    place.vm = guest("10.0.0.5", deletionTimestamp=NOW)
    reason, text = place.said(floating(virtualMachine="web-1"))
    assert (reason, "VM web-1 is being deleted" in text) == ("VirtualMachineNotFound", True)
    assert place.outcome(floating(virtualMachine="web-1")).held is not None


@pytest.mark.parametrize(
    ("nics", "addresses", "nic", "reason"),
    [
        ((), (), None, "NICNotFound"),
        (("eth0",), ("10.0.0.5",), "eth1", "NICNotFound"),
        (("eth0",), (), None, "NICNotReady"),
        (("eth0",), ("fd00::5",), None, "NoRoute"),
    ],
)
def test_a_nic_that_cannot_be_led_to_is_named(
    place: Place, nics: tuple[str, ...], addresses: tuple[str, ...], nic: str | None, reason: str
) -> None:
    place.vm = guest(*addresses, nics=nics)
    outcome = place.outcome(floating(virtualMachine="web-1", nic=nic))
    assert outcome.attachment is None
    assert outcome.problem is not None
    assert outcome.problem.reason == reason


def test_an_ipv6_address_is_not_translated_and_that_is_said(place: Place) -> None:
    place.vm = guest("fd00::5")
    assert "has no IPv4 address, and floating IPs are IPv4" in place.said(floating(virtualMachine="web-1"))[1]
    place.outside = network("out", "fd00:78::/64", physical="qx-local")
    reason, text = place.said(floating())
    assert (reason, "has no IPv4 subnet" in text) == ("NoSubnet", True)


@pytest.mark.parametrize(
    ("absence", "reason", "words"),
    [
        ("NotFound", "NetworkNotFound", "There is no network out here"),
        ("Going", "NetworkNotFound", "Network out is being deleted"),
        ("NotAllowed", "NetworkNotAllowed", "Network out is not for namespace default"),
    ],
)
def test_a_network_that_cannot_be_used_leaves_the_address_its_own(
    place: Place, absence: str, reason: str, words: str
) -> None:
    held = place.outcome(floating()).held
    place.outside = absence
    outcome = place.outcome(floating())
    assert (outcome.held, outcome.attachment) == (held, None)
    assert outcome.problem is not None
    assert (outcome.problem.reason, words in outcome.problem.message) == (reason, True)


def test_without_a_router_between_there_is_no_way(place: Place) -> None:
    there = place.told(floating(virtualMachine="web-1"))
    place.routers = []
    reason, text = place.said(there)
    assert (reason, "No router joins network lan" in text) == ("NoRoute", True)


def test_a_nic_in_the_network_outside_is_no_target(place: Place) -> None:
    place.inside = place.outside = network("lan", "10.0.0.0/24", physical="qx-local")
    reason, text = place.said(floating(virtualMachine="web-1"))
    assert (reason, "is in network out itself" in text) == ("NoRoute", True)


def test_of_two_routers_the_gateway_leads_and_then_the_elder(place: Place) -> None:
    place.routers = [router("aside", 1, address="10.0.0.9"), router("gateway", 2)]
    place.outcome(floating())
    found = place.outcome(floating(virtualMachine="web-1")).attachment
    assert found is not None
    assert found.router == "gateway"
    place.routers = [router("aside", 1, address="10.0.0.9"), router("other", 0, address="10.0.0.8")]
    place.outcome(floating())
    found = place.outcome(floating(virtualMachine="web-1")).attachment
    assert found is not None
    assert found.router == "other"


def test_a_router_that_goes_leads_on_and_takes_nobody_new(place: Place) -> None:
    subject = place.told(floating(virtualMachine="web-1"))
    place.routers = [router(deletionTimestamp=NOW)]
    assert place.said(subject)[0] == "Attached"
    assert place.said(floating("new", virtualMachine="web-1"))[0] == "NoRoute"


def test_without_a_host_that_leads_out_it_says_so(place: Place) -> None:
    place.outside = network("out", "10.78.0.0/24", physical="site")
    outcome = place.outcome(floating(virtualMachine="web-1"))
    assert outcome.attachment is not None
    assert outcome.problem is not None
    assert (outcome.problem.reason, "site" in outcome.problem.message) == ("NoGatewayHost", True)


def test_whoever_leads_to_a_nic_keeps_it_and_else_the_elder_gets_it(place: Place) -> None:
    elder, younger = (
        floating("elder", 1, virtualMachine="web-1"),
        floating("younger", 2, virtualMachine="web-1", nic="eth0"),
    )
    assert place.said(elder, younger)[0] == "Attached"
    reason, text = place.said(younger, elder)
    assert (reason, "has floating IP elder already" in text) == ("NICInUse", True)
    there = place.told(younger)
    assert place.said(elder, there)[0] == "NICInUse"
    assert place.said(there, elder)[0] == "Attached"


def test_one_that_was_refused_its_address_is_in_nobodys_way(place: Place) -> None:
    said = {"type": "Ready", "status": "False", "reason": "AddressInUse"}
    refused = floating("refused", 1, {"conditions": [said]}, virtualMachine="web-1")
    assert place.said(floating("younger", 2, virtualMachine="web-1"), refused)[0] == "Attached"
    not_looked_at = floating("new", 1, virtualMachine="web-1")
    assert place.said(floating("younger", 2, virtualMachine="web-1"), not_looked_at)[0] == "NICInUse"


def test_two_nics_of_a_vm_may_have_one_each(place: Place) -> None:
    place.vm = guest("10.0.0.5", "10.0.0.6", nics=("eth0", "eth1"))
    first, second = (
        floating("a", 1, virtualMachine="web-1"),
        floating("b", 2, virtualMachine="web-1", nic="eth1"),
    )
    assert place.said(first, second)[0] == place.said(second, first)[0] == "Attached"


@pytest.mark.parametrize(
    ("hosts", "mode"),
    [
        ((host("h1", "site"), host("h2", "site")), "Distributed"),
        ((host("h1", "site"), host("h2")), "Centralized"),
        ((host("h1", "site"), host("h2", unschedulable=True)), "Distributed"),
        ((host("h1", "site"), host("h2", maintenance=True)), "Distributed"),
        ((host("h1", unschedulable=True), host("h2", "site")), "Centralized"),
        ((host("h1", "site"), host("h2", joined=False)), "Distributed"),
        ((), "Centralized"),
    ],
)
def test_it_is_distributed_when_every_host_that_may_run_the_vm_has_the_wire(
    place: Place, hosts: tuple[Host, ...], mode: str
) -> None:
    place.outside = network("out", "10.78.0.0/24", physical="site")
    place.hosts = list(hosts)
    assert place.told(floating(virtualMachine="web-1")).status.mode == mode


def test_outside_an_overlay_it_is_centralized(place: Place) -> None:
    place.outside = network("out", "10.78.0.0/24")
    found = place.outcome(floating(virtualMachine="web-1")).attachment
    assert found is not None
    assert (found.translation.port, found.translation.mac) == (None, None)


def test_the_way_out_of_every_host_makes_it_distributed(place: Place) -> None:
    found = place.outcome(floating(virtualMachine="web-1")).attachment
    assert found is not None
    assert found.translation.port == "port-eth0"
    assert (found.translation.mac or "").startswith("0a:")


def test_a_problem_of_the_address_is_told_first_and_stops_nothing(place: Place) -> None:
    subject = place.told(floating(virtualMachine="web-1", address="10.78.0.20"))
    place.outside = outside(excludeRanges=[{"first": "10.78.0.20", "last": "10.78.0.29"}])
    outcome = place.outcome(subject)
    assert outcome.problem is not None
    assert outcome.problem.reason == "AddressReserved"
    assert outcome.attachment is not None
