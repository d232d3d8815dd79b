"""Which flows keep guests from posing as routers; that they do is shown in the contract test."""

from __future__ import annotations

from quantix_hostd.clients.guest_guard import COOKIES, LIES, parse_guarded, plan_guard
from quantix_hostd.clients.ovs_ports import Interface, guarded_numbers

_DUMP = """
 cookie=0x7178001300000000, priority=30000,icmp6,in_port=5,icmp_type=134 actions=drop
 cookie=0x7178001300000001, priority=30000,icmp6,in_port=5,icmp_type=137 actions=drop
 cookie=0x9ecf2c3b, priority=100,in_port=5 actions=load:0x2->NXM_NX_REG13[],resubmit(,8)
"""
_ALL = frozenset((5, place) for place in range(len(LIES)))


def test_only_our_flows_are_read() -> None:
    assert parse_guarded(_DUMP) == {(5, 0), (5, 1)}


def test_what_is_guarded_takes_nothing() -> None:
    assert plan_guard([5], _ALL).lines == ()


def test_a_missing_flow_is_put_in_and_those_of_a_port_that_went_or_of_an_older_hostd_are_taken_out() -> None:
    old = len(LIES)
    found = {*_ALL, (6, 0), (5, old)} - {(5, 1)}
    assert plan_guard([5], frozenset(found)).lines == (
        f"delete cookie={COOKIES + old:#x}/-1,table=0,in_port=5",
        f"delete cookie={COOKIES:#x}/-1,table=0,in_port=6",
        f"add cookie={COOKIES + 1:#x},table=0,priority=30000,in_port=5,icmp6,icmp_type=137,actions=drop",
    )


def test_a_port_that_went_left_nobody_unguarded() -> None:
    plan = plan_guard([5], _ALL | {(6, 0)})
    assert plan.missing == ()
    assert plan.stale == plan.lines != ()


def test_guarded_is_what_is_ours_has_a_number_and_is_no_router() -> None:
    interfaces = [
        Interface("tap1", "web", "vm-1", True, 1),
        Interface("tap2", "router", "vm-2", True, 2),
        Interface("tap3", "new", "vm-3", False, None),
        Interface("patch", "", "", False, 4),
    ]
    assert guarded_numbers({"router"}, interfaces) == {1}
