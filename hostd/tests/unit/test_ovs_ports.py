"""What the interfaces of the bridge say about ports; the commands run in the contract test."""

from __future__ import annotations

import json

import pytest

from quantix_api.errors import TransientError
from quantix_hostd.clients.ovs_ports import (
    Interface,
    find_problems,
    parse_bridge,
    parse_interfaces,
    stale_interfaces,
)
from quantix_hostd.domainxml.spec import tap_name
from quantix_hostd.facts.switch import OWNER_KEY

PORT = "0b8f6c1e-9d2a-5e4b-8f3c-1a2b3c4d5e6f"
OTHER = "1c9a6c1e-9d2a-5e4b-8f3c-1a2b3c4d5e6f"


def tap(port: str = PORT, *, name: str = "", owner: str = "vm-1", installed: bool = True) -> Interface:
    return Interface(name or tap_name(port), port, owner, installed)


def test_the_table_of_interfaces_is_read() -> None:
    ids = ["map", [["iface-id", PORT], ["ovn-installed", "true"], [OWNER_KEY, "vm-1"]]]
    rows = [["qx1", ids, 7], ["new", ["map", []], ["set", []]], ["broken", ["map", []], -1]]
    found = parse_interfaces(json.dumps({"headings": ["name", "external_ids", "ofport"], "data": rows}))
    assert found == (
        Interface("qx1", PORT, "vm-1", True, 7),
        Interface("new", "", "", False, None),
        Interface("broken", "", "", False, None),
    )


def bridge_of(*uuids: str) -> str:
    """One row of the table Bridge, with these ports."""
    references = [["uuid", uuid] for uuid in uuids]
    column = references[0] if len(uuids) == 1 else ["set", references]
    return json.dumps({"headings": ["ports"], "data": [[column]]})


@pytest.mark.parametrize(
    ("bridge", "names"),
    [
        (bridge_of("u1", "u2"), ["qx1", "qx2"]),
        (bridge_of("u2"), ["qx2"]),
        (bridge_of(), []),
        ('{"headings": ["ports"], "data": []}', []),
    ],
)
def test_only_interfaces_of_our_bridge_are_read(bridge: str, names: list[str]) -> None:
    ports = json.dumps({"data": [[["uuid", "u1"], "qx1"], [["uuid", "u2"], "qx2"], [["uuid", "u3"], "eth0"]]})
    interfaces = json.dumps({"data": [[name, ["map", []], 1] for name in ("qx1", "qx2", "eth0")]})
    found = parse_bridge(f"{bridge}\n{ports}\n{interfaces}\n")
    assert [interface.name for interface in found] == names


@pytest.mark.parametrize(
    "tables", ["", "{}\n{}\n{}", "a\nb\nc", '{"data": [[7]]}\n{"data": []}\n{"data": []}']
)
def test_anything_else_is_no_bridge(tables: str) -> None:
    with pytest.raises(TransientError):
        parse_bridge(tables)


@pytest.mark.parametrize("table", ["", "{}", '{"data": [["x"]]}', '{"data": [["x", 1]]}'])
def test_anything_else_is_no_table(table: str) -> None:
    with pytest.raises(TransientError):
        parse_interfaces(table)


@pytest.mark.parametrize(
    ("interfaces", "reason"),
    [
        ([tap()], None),
        ([], "PortNotBound"),
        ([tap(OTHER)], "PortNotBound"),
        ([tap(installed=False)], "PortNotBound"),
        ([tap(), tap(name="vnet7")], "DuplicateInterface"),
    ],
)
def test_a_port_is_wired_or_says_why_not(interfaces: list[Interface], reason: str | None) -> None:
    assert [problem.reason for problem in find_problems([PORT], interfaces)] == ([reason] if reason else [])


def test_stale_is_ours_and_of_no_live_guest_or_a_second_one() -> None:
    interfaces = [
        tap(),
        tap(name="vnet7"),
        tap(OTHER),
        tap(OTHER, name="foreign", owner=""),
        Interface("qxh0", "host-leg", "", True),
    ]
    assert stale_interfaces({PORT}, interfaces) == ("vnet7", tap_name(OTHER))


def test_a_tap_is_named_after_its_port_and_fits_the_kernel() -> None:
    assert len(tap_name(PORT)) <= 15
    assert tap_name(PORT) != tap_name(OTHER)
