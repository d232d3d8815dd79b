"""Floating IPs in words: where they are pointed, what is refused before, and where their addresses show."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from quantix_cli.commands.explaining import explanation
from quantix_cli.commands.floating_ips import patch_of, rival_of
from quantix_cli.completing.words import candidates
from quantix_cli.ending import end_of
from quantix_cli.floating import Floating
from quantix_cli.mentions import mentions
from quantix_cli.nouns import NOUNS, World, row
from quantix_cli.wide import wide_cells

NOW = datetime(2026, 11, 28, tzinfo=UTC)
NAMES = {"vm": ["web-1", "web-2"], "floatingip": ["front", "kept"], "network": ["shared/outside"]}


def fip(name: str = "front", reason: str = "Attached", **parts: Any) -> dict[str, Any]:
    """A FloatingIP that says `reason`."""
    status = "True" if reason in ("Attached", "Allocated") else "False"
    ready = {"type": "Ready", "status": status, "reason": reason, "message": "So. Try: this."}
    ready["observedGeneration"] = 1  # type: ignore[assignment]
    return {
        "kind": "FloatingIP",
        "metadata": {"name": name, "namespace": "default", "generation": 1},
        "spec": {"network": "shared/outside", **parts.get("spec", {})},
        "status": {"conditions": [ready], **parts.get("status", {})},
    }


LEADING = fip(
    spec={"virtualMachine": "web-1"},
    status={
        "address": "10.78.0.20",
        "mode": "Distributed",
        "nic": "eth0",
        "nicAddress": "10.77.0.5",
        "router": "shared/default",
    },
)
VM = {
    "kind": "VirtualMachine",
    "metadata": {"name": "web-1", "namespace": "default"},
    "spec": {"nics": [{"name": "eth0"}]},
    "status": {"addresses": ["10.77.0.5", "fd00::5"]},
}


@pytest.mark.parametrize(
    ("spec", "wanted", "patch"),
    [
        ({}, {"virtualMachine": "web-1", "nic": None}, {"spec": {"virtualMachine": "web-1"}}),
        ({"virtualMachine": "web-1"}, {"virtualMachine": "web-1", "nic": None}, {}),
        (
            {"virtualMachine": "web-1", "nic": "eth1"},
            {"virtualMachine": "web-1", "nic": None},
            {"spec": {"nic": None}},
        ),
        (
            {"virtualMachine": "web-1", "nic": "eth1"},
            {"virtualMachine": None, "nic": None},
            {"spec": {"virtualMachine": None, "nic": None}},
        ),
        ({}, {"virtualMachine": None, "nic": None}, {}),
    ],
)
def test_only_what_is_not_so_is_written(
    spec: dict[str, Any], wanted: dict[str, Any], patch: dict[str, Any]
) -> None:
    assert patch_of(fip(spec=spec), wanted) == patch


def test_a_nic_that_another_leads_to_is_found_also_where_it_is_the_first_unnamed() -> None:
    others = [
        fip("a", spec={"virtualMachine": "web-1"}),
        fip("b", spec={"virtualMachine": "web-1", "nic": "eth1"}),
        fip("c", spec={"virtualMachine": "web-2"}),
    ]
    nics = ("eth0", "eth1", "eth2")
    assert [rival_of(others, "web-1", nic, nics) for nic in nics] == ["a", "b", ""]
    assert rival_of(others, "web-3", "eth0", nics) == ""


def test_a_list_shows_its_address_and_where_it_leads() -> None:
    world = World(NOW, {})
    cells = [cell.text for cell in row(LEADING, NOUNS["floatingip"], world)]
    assert cells[:4] == ["front", "● Ready", "10.78.0.20", "web-1"]
    shown = [cell.text for cell in wide_cells(LEADING, NOUNS["floatingip"])]
    assert shown == ["shared/outside", "10.77.0.5", "Distributed", "shared/default"]
    named = fip(reason="NICInUse", spec={"virtualMachine": "web-1", "nic": "eth1"})
    cells = [cell.text for cell in row(named, NOUNS["floatingip"], world)]
    assert cells[1:4] == ["▲ Waiting", "-", "web-1/eth1"]
    assert cells[-1] == "NICInUse: So"


def test_a_vm_shows_the_addresses_that_lead_to_it() -> None:
    leading = {"default/web-1": (Floating("front", "10.78.0.20", "eth0"),)}
    for floating, shown in ((leading, "10.77.0.5, 10.78.0.20"), ({}, "10.77.0.5")):
        world = World(NOW, {}, floating=floating)
        assert row(VM, NOUNS["vm"], world)[3].text == shown
    lines = explanation(VM, NOUNS["vm"], World(NOW, {}, floating=leading))
    assert "  floating IP  10.78.0.20 (front) on NIC eth0" in lines


def test_it_is_explained_where_it_leads_and_where_it_is_translated() -> None:
    lines = explanation(LEADING, NOUNS["floatingip"], World(NOW, {}))
    assert "  address      10.78.0.20" in lines
    assert "  leads to     10.77.0.5, NIC eth0 of VM web-1" in lines
    assert "  translated   on the host of the VM, by router shared/default" in lines
    kept = explanation(
        fip(reason="Allocated", status={"address": "10.78.0.20"}), NOUNS["floatingip"], World(NOW, {})
    )
    assert kept[1:] == ["  address      10.78.0.20"]


@pytest.mark.parametrize(
    ("reason", "ends"),
    [
        ("NICInUse", True),
        ("NoRoute", True),
        ("AddressInUse", True),
        ("AddressOutsideSubnet", True),
        ("Programming", False),
    ],
)
def test_nobody_waits_for_what_only_a_change_brings(reason: str, ends: bool) -> None:
    assert (end_of(fip(reason=reason), 1) is not None) is ends


def test_what_it_names_is_looked_for() -> None:
    spec = {"network": "shared/outside", "virtualMachine": "web-1", "nic": "eth0"}
    assert [(found.noun, found.name) for found in mentions(spec)] == [
        ("network", "shared/outside"),
        ("vm", "web-1"),
    ]


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["fip", "attach", ""], ["front", "kept"]),
        (["floatingip", "attach", "front", "web"], ["web-1", "web-2"]),
        (["floatingip", "detach", "front", ""], ["kept"]),
        (["floatingip", "create", "x", "--vm", ""], ["web-1", "web-2"]),
        (["floatingip", "create", "x", "--network", "sh"], ["shared/outside"]),
        (["floatingip", "de"], ["detach", "delete"]),
    ],
)
def test_tab_offers_its_words_and_names(words: list[str], found: list[str]) -> None:
    assert candidates(words, lambda noun: NAMES.get(noun, [])) == found
