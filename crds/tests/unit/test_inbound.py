"""Whom security groups let in."""

from __future__ import annotations

from typing import Any

import pytest

from quantix_api.inbound import is_among, peers_let_in

LB, NET = {"group": "lb"}, {"cidr": "10.0.0.0/8"}


def groups(*rules: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"spec": {"ingress": [rule]}} for rule in rules]


@pytest.mark.parametrize(
    ("given", "peers"),
    [
        ([], []),
        ([{}, {"spec": {}}], []),
        (groups({"protocol": "UDP"}, {"protocol": "ICMP"}), []),
        (groups({"protocol": "TCP", "ports": [{"port": 21}, {"port": 23, "endPort": 30}]}), []),
        (groups({"protocol": "TCP", "ports": [{"port": 20, "endPort": 22}], "from": [LB]}), [LB]),
        (groups({"from": [LB]}, {"protocol": "Any", "from": [NET]}), [LB, NET]),
        (groups({"from": [LB]}, {"protocol": "TCP", "ports": [{"port": 22}]}), None),
        (groups({}), None),
    ],
)  # fmt: skip
def test_what_one_rule_lets_in_is_let_in(
    given: list[dict[str, Any]], peers: list[dict[str, Any]] | None
) -> None:
    assert peers_let_in(given, 22) == peers


def test_an_address_is_among_prefixes_of_its_own_family() -> None:
    peers = [LB, {"cidr": "10.1.2.3/8"}]
    assert is_among(peers, "10.77.0.1")
    assert not is_among(peers, "fd00::1")
