"""Matches from typed parts; what they let through is shown by ovn-trace in the contract tests."""

from __future__ import annotations

from uuid import UUID

import pytest

from quantix_operator.northbound.match import (
    AddressSetName,
    PortRange,
    Prefixes,
    comes_as_it_is,
    parse_prefixes,
    render_rule,
)


@pytest.mark.parametrize(
    ("rendered", "expected"),
    [
        (render_rule("to-lport", "g", 4, "Any"), "outport == @g && ip4"),
        (render_rule("from-lport", "g", 6, "Any"), "inport == @g && ip6"),
        (render_rule("to-lport", "g", 6, "ICMP"), "outport == @g && ip6 && icmp6"),
        (render_rule("to-lport", "g", 4, "UDP"), "outport == @g && ip4 && udp"),
        (
            render_rule("to-lport", "g", 4, "TCP", [PortRange(443, 443), PortRange(80, 80)]),
            "outport == @g && ip4 && tcp && (tcp.dst == {80, 443})",
        ),
        (
            render_rule("to-lport", "g", 4, "TCP", [PortRange(22, 22), PortRange(80, 90)]),
            "outport == @g && ip4 && tcp && (tcp.dst == 22 || (tcp.dst >= 80 && tcp.dst <= 90))",
        ),
        (
            render_rule("to-lport", "g", 4, "Any", peer=AddressSetName("s_ip4")),
            "outport == @g && ip4 && ip4.src == $s_ip4",
        ),
        (
            render_rule("from-lport", "g", 4, "Any", peer=Prefixes(parse_prefixes(["10.0.0.7/8"], 4))),
            "inport == @g && ip4 && ip4.dst == 10.0.0.0/8",
        ),
        (
            comes_as_it_is(UUID(int=7), parse_prefixes(["10.1.0.0/24", "10.0.0.0/24"], 4), 4),
            'inport == "00000000-0000-0000-0000-000000000007" && ip4.dst == {10.0.0.0/24, 10.1.0.0/24} '
            "&& (!ct.trk || (!ct.est && !ct.rel && !ct.dnat))",
        ),
    ],
)
def test_rules_read_as_ovn_does(rendered: str, expected: str) -> None:
    assert rendered == expected


def test_prefixes_of_the_other_family_are_left_to_it() -> None:
    cidrs = ["10.0.0.0/8", "fd00::/8", "10.0.0.0/8"]
    assert [str(item) for item in parse_prefixes(cidrs, 4)] == ["10.0.0.0/8"]
    assert [str(item) for item in parse_prefixes(cidrs, 6)] == ["fd00::/8"]


@pytest.mark.parametrize("name", ["", "a b", "g || ip4", "1g", "g\n"])
def test_a_name_that_could_be_more_than_a_name_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="cannot name"):
        render_rule("to-lport", name, 4, "Any")


def test_prefixes_of_two_families_in_one_rule_are_refused() -> None:
    both = Prefixes((*parse_prefixes(["10.0.0.0/8"], 4), *parse_prefixes(["fd00::/8"], 6)))
    with pytest.raises(ValueError, match="one family"):
        render_rule("to-lport", "g", 4, "Any", peer=both)
