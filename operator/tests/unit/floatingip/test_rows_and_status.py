"""The row of a FloatingIP, and what its status says of it."""

from __future__ import annotations

from quantix_operator.floatingip.plan import Outcome
from quantix_operator.floatingip.rows import Translation, floating_ip_owner, floating_ip_rows
from quantix_operator.floatingip.status import leads_to, led_to, ready_of
from quantix_operator.northbound.rows import TARGET_KEY, Owner, SetRef

from .place import CLUSTER, Place, floating

UID = "22222222-2222-4222-8222-222222222222"
ROUTER = Owner(CLUSTER, "33333333-3333-4333-8333-333333333333", "Router", "default/r")
OWNER = Owner(CLUSTER, UID, "FloatingIP", "default/fip")
CENTRALIZED = Translation(ROUTER, "10.78.0.20", "10.0.0.5", "uid-web", None, None)


def test_it_is_one_translation_in_the_set_of_its_router() -> None:
    (row,) = floating_ip_rows(OWNER, CENTRALIZED)
    assert row.ref.table == "NAT"
    assert row.parents == {SetRef(*ROUTER.ref("Logical_Router"), "nat")}
    told = {name: value for name, value in row.columns.items() if name != "external_ids"}
    assert told == {
        "type": "dnat_and_snat",
        "external_ip": "10.78.0.20",
        "logical_ip": "10.0.0.5",
        "logical_port": None,
        "external_mac": None,
    }
    # by this its VM knows that the address inside is not free yet
    marks = row.columns["external_ids"]
    assert isinstance(marks, dict)
    assert marks[TARGET_KEY] == "uid-web"


def test_the_row_stays_the_same_one_wherever_it_leads() -> None:
    elsewhere = Translation(OWNER, "10.78.0.20", "10.0.0.6", "uid-web", "port", "0a:00:00:00:00:01")
    (row,), (other,) = floating_ip_rows(OWNER, CENTRALIZED), floating_ip_rows(OWNER, elsewhere)
    assert row.ref == other.ref
    assert (other.columns["logical_port"], other.columns["external_mac"]) == ("port", "0a:00:00:00:00:01")


def test_while_it_leads_nowhere_there_is_none() -> None:
    assert floating_ip_rows(OWNER, None) == []
    owner = floating_ip_owner(CLUSTER, floating())
    assert (owner.kind, owner.name) == ("FloatingIP", "default/fip")


def test_status_says_where_it_leads_and_reads_back_what_it_said() -> None:
    place = Place()
    subject = place.told(floating(virtualMachine="web-1"))
    said = leads_to(place.outcome(subject).attachment)
    assert said == {"mode": "Distributed", "nic": "eth0", "nicAddress": "10.0.0.5", "router": "r"}
    assert led_to(subject.status) == said
    assert led_to(place.told(floating()).status) == leads_to(None) == {}


def test_ready_names_the_address_and_the_nic() -> None:
    place = Place()
    subject = floating(virtualMachine="web-1", address="10.78.0.20")
    ready = ready_of(subject, place.outcome(subject))
    assert (ready.status, ready.reason) == ("True", "Attached")
    assert ready.message == "10.78.0.20 leads to NIC eth0 of VM web-1."
    kept = ready_of(floating(), Outcome(place.outcome(floating()).held))
    assert (kept.status, kept.reason) == ("True", "Allocated")
    assert "qx floatingip attach fip VM" in kept.message
