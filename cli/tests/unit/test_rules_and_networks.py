"""Security groups, networks, routers and volumes in words."""

from __future__ import annotations

from typing import Any

import pytest

from quantix_cli.commands import changing_volume, networks, routers
from quantix_cli.commands.security_groups import Rules, patch_of
from quantix_cli.exits import CommandError, Exit
from quantix_cli.rules import parse_peer, parse_rule, told_rule

WEB = {"protocol": "TCP", "ports": [{"port": 80}, {"port": 443}], "from": [{"cidr": "10.0.0.0/8"}]}


@pytest.mark.parametrize(
    ("written", "peers", "rule"),
    [
        ("tcp:80,443", ["10.0.0.0/8"], WEB),
        ("UDP:6000-6100", [], {"protocol": "UDP", "ports": [{"port": 6000, "endPort": 6100}]}),
        ("icmp", ["lb"], {"protocol": "ICMP", "from": [{"group": "lb"}]}),
        ("tcp", [], {"protocol": "TCP"}),
        ("any", [], {}),
    ],
)
def test_a_rule_in_words_is_one_of_the_api(written: str, peers: list[str], rule: dict[str, Any]) -> None:
    assert parse_rule(written, peers, "from") == rule


@pytest.mark.parametrize(
    "written", ["http", "tcp:0", "tcp:99999", "tcp:90-80", "icmp:8", "tcp:", "tcp:a", ""]
)
def test_what_is_no_rule_is_wrong_usage(written: str) -> None:
    with pytest.raises(CommandError) as refused:
        parse_rule(written, [], "from")
    assert refused.value.exit_code is Exit.USAGE


@pytest.mark.parametrize(
    ("written", "peer"),
    [
        ("10.0.0.0/8", {"cidr": "10.0.0.0/8"}),
        ("10.0.0.5", {"cidr": "10.0.0.5/32"}),
        ("fd00::5", {"cidr": "fd00::5/128"}),
        ("lb", {"group": "lb"}),
    ],
)
def test_a_peer_is_addresses_or_a_group(written: str, peer: dict[str, str]) -> None:
    assert parse_peer(written) == peer


@pytest.mark.parametrize("written", ["10.0.0.5/8", "fd00::/200", "LB", "a b"])
def test_what_is_no_peer_is_wrong_usage(written: str) -> None:
    with pytest.raises(CommandError) as refused:
        parse_peer(written)
    assert refused.value.exit_code is Exit.USAGE


def test_a_rule_is_told_in_the_words_in_which_it_is_typed() -> None:
    assert told_rule(WEB, "from") == "tcp:80,443 from 10.0.0.0/8"
    assert told_rule({}, "to") == "any to anyone"


def group(**spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": "web"}, "spec": spec}


@pytest.mark.parametrize(
    ("spec", "rules", "patch"),
    [
        ({}, Rules(allow=("tcp:80,443",), sources=("10.0.0.0/8",)), {"spec": {"ingress": [WEB]}}),
        ({"ingress": [WEB]}, Rules(allow=("tcp:80,443",), sources=("10.0.0.0/8",)), {}),
        (
            {"ingress": [WEB]},
            Rules(remove=("tcp:80,443",), sources=("10.0.0.0/8",)),
            {"spec": {"ingress": []}},
        ),
        (
            {},
            Rules(allow_out=("udp:53",)),
            {"spec": {"egress": [{"protocol": "UDP", "ports": [{"port": 53}]}]}},
        ),
        ({"egress": [{"protocol": "ICMP"}]}, Rules(remove_out=("icmp",)), {"spec": {"egress": None}}),
    ],
    ids=["a new rule", "one that is there", "one that goes", "a first one out", "the last one out: all may"],
)
def test_rules_come_and_go(spec: dict[str, Any], rules: Rules, patch: dict[str, Any]) -> None:
    assert patch_of(group(**spec), rules) == patch


def test_a_rule_that_is_not_there_is_not_found_and_peers_without_a_rule_mean_nothing() -> None:
    with pytest.raises(CommandError, match=r"There are: tcp:80,443 from 10\.0\.0\.0/8") as missed:
        patch_of(group(ingress=[WEB]), Rules(remove=("tcp:80",)))
    assert missed.value.exit_code is Exit.NOT_FOUND
    with pytest.raises(CommandError, match="there is no rule"):
        Rules(sources=("10.0.0.0/8",))


def network(**given: Any) -> dict[str, Any]:
    return networks.spec_of(networks.NewNetwork(**given))


def test_a_network_says_what_was_said_and_no_more() -> None:
    assert network() == {}
    two = ("10.20.1.0/24", "fd00:1::/64")
    spec = network(
        subnets=two, gateways=("fd00:1::9",), exclude=("10.20.1.2-10.20.1.9", "10.20.1.20"), default=True
    )
    assert spec == {
        "subnets": [
            {
                "cidr": "10.20.1.0/24",
                "excludeRanges": [
                    {"first": "10.20.1.2", "last": "10.20.1.9"},
                    {"first": "10.20.1.20", "last": "10.20.1.20"},
                ],
            },
            {"cidr": "fd00:1::/64", "gateway": "fd00:1::9"},
        ],
        "default": True,
    }
    wired = network(physical="physnet1", vlan=120, no_ipv6=True, servers=("10.0.0.2",))
    assert wired == {
        "physical": {"name": "physnet1", "vlan": 120},
        "ipv6": "Disabled",
        "dns": {"servers": ["10.0.0.2"]},
    }


@pytest.mark.parametrize(
    "given", [{"vlan": 5}, {"no_dhcp": True}, {"subnets": ("10.0.0.0/24",), "gateways": ("fd00::1",)}]
)
def test_a_detail_of_what_is_not_there_is_wrong_usage(given: dict[str, Any]) -> None:
    with pytest.raises(CommandError) as refused:
        network(**given)
    assert refused.value.exit_code is Exit.USAGE


@pytest.mark.parametrize(
    ("spec", "patch"),
    [
        ({}, {"spec": {"mtu": 1400, "dns": {"domain": "corp"}}}),
        ({"mtu": 1400, "dns": {"domain": "corp", "x": 1}}, {}),
    ],
)
def test_a_network_that_is_so_already_is_not_written(spec: dict[str, Any], patch: dict[str, Any]) -> None:
    assert networks.patch_of(group(**spec), default=None, servers=(), domain="corp", mtu=1400) == patch


@pytest.mark.parametrize(
    ("before", "add", "remove", "after"),
    [
        ([{"name": "a"}], ["b"], [], [{"name": "a"}, {"name": "b"}]),
        ([{"name": "a"}, {"name": "b"}], [], ["a"], [{"name": "b"}]),
        ([{"name": "a"}], ["a,address=10.0.0.9"], [], [{"name": "a", "address": "10.0.0.9"}]),
        ([{"name": "a"}], ["a"], [], None),
    ],
    ids=["another", "one less", "another address", "as it is"],
)
def test_networks_join_and_leave_a_router(
    before: list[Any], add: list[str], remove: list[str], after: list[Any] | None
) -> None:
    patch = {"spec": {"networks": after}} if after is not None else {}
    assert routers.patch_of({"metadata": {"name": "r"}, "spec": {"networks": before}}, add, remove) == patch


def test_a_disk_of_a_vm_gets_its_size_where_it_counts() -> None:
    vm = {"spec": {"disks": [{"name": "root", "image": "x"}, {"name": "data", "size": "1Gi"}]}}
    assert changing_volume.with_disk(vm, "data", size="2Gi") == {
        "spec": {"disks": [{"name": "root", "image": "x"}, {"name": "data", "size": "2Gi"}]}
    }
