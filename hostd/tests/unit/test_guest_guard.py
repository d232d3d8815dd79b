"""Which flows keep guests from posing as routers; that they do is shown in the contract test."""

from __future__ import annotations

from quantix_hostd.clients.guest_guard import (
    COOKIES,
    LIES,
    GuardedPort,
    flows_of,
    link_local,
    parse_guarded,
    plan_guard,
)
from quantix_hostd.clients.ovs_ports import Interface, guarded_ports

_DUMP = """
 cookie=0x7178001300000000, priority=30000,icmp6,in_port=5,icmp_type=134 actions=drop
 cookie=0x7178001300000001, priority=30000,icmp6,in_port=5,icmp_type=137 actions=drop
 cookie=0x9ecf2c3b, priority=100,in_port=5 actions=load:0x2->NXM_NX_REG13[],resubmit(,8)
"""
_PORT = GuardedPort(5)
_ALL = frozenset((5, place) for place in range(len(LIES)))


def test_only_our_flows_are_read() -> None:
    assert parse_guarded(_DUMP) == {(5, 0), (5, 1)}


def test_what_is_guarded_takes_nothing() -> None:
    assert plan_guard([_PORT], _ALL).lines == ()


def test_a_missing_flow_is_put_in_and_those_of_a_port_that_went_or_of_an_older_hostd_are_taken_out() -> None:
    old = len(LIES)
    found = {*_ALL, (6, 0), (5, old)} - {(5, 1)}
    assert plan_guard([_PORT], frozenset(found)).lines == (
        f"delete cookie={COOKIES + old:#x}/-1,table=0,in_port=5",
        f"delete cookie={COOKIES:#x}/-1,table=0,in_port=6",
        f"add cookie={COOKIES + 1:#x},table=0,in_port=5,priority=30000,icmp6,icmp_type=137,actions=drop",
    )


def test_a_port_that_went_left_nobody_unguarded() -> None:
    plan = plan_guard([_PORT], _ALL | {(6, 0)})
    assert plan.missing == ()
    assert plan.stale == plan.lines != ()


def test_guarded_is_what_is_ours_has_a_number_and_is_no_router() -> None:
    interfaces = [
        Interface("tap1", "web", "vm-1", True, 1, "02:00:00:00:00:0a"),
        Interface("tap2", "router", "vm-2", True, 2),
        Interface("tap3", "new", "vm-3", False, None),
        Interface("patch", "", "", False, 4),
    ]
    assert guarded_ports({"router"}, interfaces) == {GuardedPort(1, "02:00:00:00:00:0a")}


def test_a_number_that_another_guest_gets_lets_it_claim_its_own_address_alone() -> None:
    first, second = "02:00:00:00:00:0a", "02:00:00:00:00:0b"
    found = frozenset((5, mark) for mark in flows_of(first))
    assert plan_guard([GuardedPort(5, first)], found).lines == ()
    plan = plan_guard([GuardedPort(5, second)], found)
    assert len(plan.stale) == len(plan.missing) == 2
    assert all("fe80::ff:fe00:b" in line for line in plan.missing)


def test_the_address_that_follows_from_a_mac() -> None:
    assert str(link_local("52:54:00:12:34:56")) == "fe80::5054:ff:fe12:3456"
