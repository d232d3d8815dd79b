"""A Network on a wire that no host can have is not Ready."""

from __future__ import annotations

from typing import Any

import pytest

from quantix_api import Host, Network
from quantix_api.messages import render
from quantix_operator.network.controller import unusable_wire
from quantix_operator.topology.reach import wires_of

NETWORK = Network.parse({"metadata": {"name": "office", "uid": "n"}, "spec": {"physical": {"name": "site"}}})


def host(name: str, *wires: str, refuses: str = "") -> Host:
    conditions = []
    if refuses:
        said = render("PhysicalNetworkUnusable", host=name, interface="eth2", physical=refuses)
        conditions = [
            {"type": "GuestTraffic", "status": "False", "reason": said.reason, "message": said.text}
        ]
    spec: dict[str, Any] = {"physicalNetworks": [{"name": wire, "interface": "eth2"} for wire in wires]}
    return Host.parse({"metadata": {"name": name}, "spec": spec, "status": {"conditions": conditions}})


def test_a_host_has_the_wires_that_it_says_it_can_have() -> None:
    spec: dict[str, Any] = {"physicalNetworks": [{"name": "site", "interface": "eth2"}]}
    told: list[list[dict[str, Any]]] = [
        [],
        [{"name": "qx-local", "mtu": 1500}],
        [{"name": "site", "mtu": 1500}],
    ]
    hosts = [
        Host.parse({"metadata": {"name": "h"}, "spec": spec, "status": {"network": {"physical": wires}}})
        for wires in told
    ]
    assert [wires_of(item) for item in hosts] == [{"site"}, set(), {"site"}]
    assert wires_of(host("h1", "site")) == {"site"}


def test_a_network_tells_what_every_host_says_that_is_to_have_its_wire() -> None:
    wrong = unusable_wire(NETWORK, [host("h1", "site", refuses="site"), host("h2")])
    assert wrong is not None
    assert (wrong.status, wrong.reason) == ("False", "PhysicalNetworkUnusable")
    assert wrong.message.startswith("No host can use wire site. Said: eth2, which h1 is to have")


@pytest.mark.parametrize(
    "hosts",
    [
        [host("h1", "site", refuses="site"), host("h2", "site")],
        [host("h1", "site", "sites", refuses="sites")],
        [host("h1")],
    ],
    ids=["another host has it", "another wire is refused", "no host is to have it, which is told before"],
)
def test_it_is_ready_where_one_has_it(hosts: list[Host]) -> None:
    assert unusable_wire(NETWORK, hosts) is None
