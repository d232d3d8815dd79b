"""Small clusters, and what is said of them: who goes where, who stays and why, and how long it takes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from quantix_api.facts import fact
from quantix_api.host_plan import Question
from quantix_operator.scheduling.model import GIB, Lack, Pin, Placed, Refusal, Rule
from quantix_operator.whatif.duration import COPY_BYTES_PER_S, EACH_MOVE_S, RESTART_S, migration_seconds
from quantix_operator.whatif.model import Played
from quantix_operator.whatif.play import play

from .small_clusters import guest, hosts, leaver, stays, where

DEVICE = fact("Migratable", "False", "HostDevice", device="gpu", host="h1")
LOCAL = fact("Protected", "False", "LocalStorage", disk="root", host="h1")
QUESTIONS = pytest.mark.parametrize("question", ["maintenance", "host-loss"])


@QUESTIONS
def test_vms_spread_over_the_other_hosts(question: Question) -> None:
    plan = play(question, Played("h1", hosts(8, 8, 8), leavers=(leaver("a"), leaver("b"))))
    assert where(plan) == {"a": "h2", "b": "h3"}
    assert (plan.vms, plan.misfits) == (2, ())


@QUESTIONS
def test_what_a_vm_takes_those_after_it_do_not_get(question: Question) -> None:
    plan = play(question, Played("h1", hosts(8, 3), leavers=(leaver("a"), leaver("b"))))
    assert (where(plan), stays(plan)) == ({"a": "h2"}, {"b": "NotEnoughMemory"})
    assert "h2 1 GiB" in plan.misfits[0].message


@QUESTIONS
def test_vms_that_stay_apart_do_not_meet_on_the_way(question: Question) -> None:
    apart: dict[str, Any] = {"labels": {"app": "db"}, "anti_affinity": (Rule({"app": "db"}),)}
    three = tuple(leaver(name, **apart) for name in ("a", "b", "c"))
    plan = play(question, Played("h1", hosts(64, 64, 64), leavers=three))
    assert where(plan) == {"a": "h2", "b": "h3"}
    assert stays(plan) == {"c": "AntiAffinity"}


@QUESTIONS
def test_the_only_host_has_no_other_host(question: Question) -> None:
    assert stays(play(question, Played("h1", hosts(8), leavers=(leaver("a"),)))) == {"a": "NoOtherHost"}


@QUESTIONS
def test_the_more_important_vm_gets_the_last_room(question: Question) -> None:
    two = (leaver("a"), leaver("b", priority=200))
    assert where(play(question, Played("h1", hosts(8, 3), leavers=two))) == {"b": "h2"}


@QUESTIONS
def test_a_host_that_takes_nothing_new_gets_nothing(question: Question) -> None:
    one, two, three = hosts(8, 8, 8)
    closed = (one, replace(two, closed="Cordoned"), replace(three, not_ready="Unreachable"))
    assert stays(play(question, Played("h1", closed, leavers=(leaver("a"),)))) == {"a": "NoHostFits"}


@QUESTIONS
def test_a_host_without_vms_is_done_at_once(question: Question) -> None:
    plan = play(question, Played("h1", hosts(8, 8), (Placed(guest("other"), "h2"),)))
    assert (plan.vms, plan.seconds, plan.moves, plan.misfits) == (0, 0, (), ())


def test_what_cannot_move_keeps_its_room_and_says_why() -> None:
    zoned = tuple(replace(host, labels={**host.labels, "zone": "z"}) for host in hosts(8, 8))
    apart = Rule({"app": "db"}, "zone")
    two = (leaver("a", kept_by=DEVICE, labels={"app": "db"}), leaver("b", anti_affinity=(apart,)))
    plan = play("maintenance", Played("h1", zoned, leavers=two))
    assert stays(plan) == {"a": "HostDevice", "b": "AntiAffinity"}


def test_the_larger_vm_moves_first() -> None:
    plan = play("maintenance", Played("h1", hosts(16, 4, 3), leavers=(leaver("a", 2), leaver("z", 4))))
    assert [(move.name, move.to) for move in plan.moves] == [("z", "h2"), ("a", "h3")]


def test_data_on_one_host_moves_along_while_the_pool_has_room() -> None:
    local: dict[str, Any] = {"pools": ("local",), "pins": (Pin("root", "h1"),), "data": {"local": 10 * GIB}}
    two = (leaver("a", **local), leaver("b", **local))
    played = Played("h1", hosts(8, 8), leavers=two, pool_free={("h2", "local"): 15 * GIB})
    plan = play("maintenance", played)
    assert (where(plan), stays(plan)) == ({"a": "h2"}, {"b": "NoHostFits"})
    assert "has no room in pool local" in plan.misfits[0].message
    assert plan.moves[0].bytes == 12 * GIB


def test_a_running_guest_does_not_go_where_its_cpu_is_not() -> None:
    lacks = {"h2": (Refusal(Lack.CPU_MODEL, "EPYC"),)}
    plan = play("maintenance", Played("h1", hosts(8, 8, 1), leavers=(leaver("a", refused_by=lacks),)))
    assert stays(plan) == {"a": "NoHostFits"}
    assert "has not the CPU EPYC" in plan.misfits[0].message


def test_a_vm_that_is_to_be_shut_down_leaves_in_any_case() -> None:
    pinned = leaver("b", stops=True, grace_s=90, pins=(Pin("root", "h1"),))
    two = (leaver("a", stops=True, grace_s=60), pinned)
    plan = play("maintenance", Played("h1", hosts(8, 8), leavers=two))
    assert [(move.action, move.to, move.reason) for move in plan.moves] == [
        ("Stop", "h2", None),
        ("Stop", None, "NoHostFits"),
    ]
    assert (plan.misfits, plan.seconds) == ((), 90)


def test_migrations_share_the_wire_and_so_many_go_on_at_once() -> None:
    second = COPY_BYTES_PER_S
    assert migration_seconds([10 * second, 10 * second, second], at_once=2) == [
        10 + EACH_MOVE_S,
        20 + EACH_MOVE_S,
        21 + 2 * EACH_MOVE_S,
    ]


def test_what_is_not_protected_is_not_started_elsewhere() -> None:
    plan = play("host-loss", Played("h1", hosts(8, 8), leavers=(leaver("a"), leaver("b", kept_by=LOCAL))))
    assert (where(plan), stays(plan)) == ({"a": "h2"}, {"b": "LocalStorage"})
    assert plan.seconds == RESTART_S


def test_a_vm_starts_after_those_that_it_names_and_gets_what_they_leave() -> None:
    web = leaver("web", priority=200, after=("default/db",), after_timeout_s=120)
    plan = play("host-loss", Played("h1", hosts(8, 3), leavers=(web, leaver("db"))))
    assert (where(plan), stays(plan)) == ({"db": "h2"}, {"web": "NotEnoughMemory"})
    roomy = play("host-loss", Played("h1", hosts(8, 8), leavers=(web, leaver("db"))))
    assert [(move.name, move.seconds) for move in roomy.moves] == [("db", 15), ("web", 135)]


def test_vms_that_wait_for_each_other_start_all_the_same() -> None:
    two = (leaver("a", after=("default/b",)), leaver("b", after=("default/a", "default/b")))
    assert where(play("host-loss", Played("h1", hosts(8, 8), leavers=two))) == {"a": "h2", "b": "h2"}


def test_a_vm_that_waits_for_room_already_has_its_turn() -> None:
    played = Played("h1", hosts(8, 3), leavers=(leaver("a"),), pending=(guest("b", priority=200),))
    assert stays(play("host-loss", played)) == {"a": "NotEnoughMemory"}
