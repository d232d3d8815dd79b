"""Small clusters, and what the balancer finds in them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from quantix_api.facts import fact
from quantix_operator.balance.model import LOADED_FOR, HostLoad
from quantix_operator.balance.plan import plan_balance
from quantix_operator.balance.rules import broken_rules
from quantix_operator.scheduling.model import GIB, Guest, Rule, Taint

from .cluster import NOW, Cluster, a_guest, a_host, moves, stays

TWO = (a_host("h1"), a_host("h2"))
AWAY = Rule({"app": "web"})
BLOCKED = fact("Ready", "False", "PolicyBlock")


def web(name: str, **different: Any) -> Guest:
    return a_guest(name, labels={"app": "web"}, **{"anti_affinity": (AWAY,), **different})


def pair(**different: Any) -> Cluster:
    usual: dict[str, Any] = {"where": {"a": "h1", "b": "h1"}}
    return Cluster(TWO, (web("a"), web("b")), **(usual | different))


def test_two_that_are_to_be_apart_are_mended_by_one_move() -> None:
    plan = pair().plan()
    assert moves(plan) == {"a": ("h2", "AntiAffinityBroken")}
    (better,) = plan.moves
    assert better.why.message == "a is to be away from VMs with app=web, and is once a is on h2."
    assert pair(where={"a": "h1", "b": "h2"}).plan().moves == ()


def test_which_rules_are_broken_is_worked_out_once_by_who_observes() -> None:
    observed = pair().observed()
    assert plan_balance(replace(observed, broken=()), NOW).moves == ()
    rules = broken_rules(pair().world)
    assert (rules.rules, set(rules.concerned)) == (observed.broken, {"a", "b"})


def test_of_two_that_are_in_each_others_way_the_one_goes_that_costs_less() -> None:
    assert list(moves(pair(local=frozenset("a")).plan())) == ["b"]
    vital = Cluster(TWO, (web("a", priority=500), web("b")), {"a": "h1", "b": "h1"})
    assert list(moves(vital.plan())) == ["b"]
    pages = {"2Mi": 8 * GIB}
    roomy = tuple(replace(host, huge_bytes=pages) for host in TWO)
    large = Cluster(roomy, (web("a", memory_bytes=GIB, huge_bytes=pages), web("b")), {"a": "h1", "b": "h1"})
    assert list(moves(large.plan())) == ["b"]


def test_what_stands_in_the_way_moves_for_one_that_cannot() -> None:
    asks, stands = web("a"), web("b", anti_affinity=())
    cluster = Cluster(TWO, (asks, stands), {"a": "h1", "b": "h1"}, kept={"a": BLOCKED})
    assert moves(cluster.plan()) == {"b": ("h2", "AntiAffinityBroken")}
    nobody = replace(cluster, kept={"a": BLOCKED, "b": BLOCKED}).plan()
    assert (nobody.moves, stays(nobody)) == ((), {"a": "PolicyBlock", "b": "PolicyBlock"})
    assert all(stay.grave for stay in nobody.stays)


def test_local_disks_are_copied_for_a_rule_that_must_be_kept_and_for_nothing_else() -> None:
    local = frozenset({"a", "b"})
    assert len(pair(local=local).plan().moves) == 1
    rather = Rule({"app": "web"}, required=False)
    guests = (web("a", anti_affinity=(rather,)), web("b", anti_affinity=()))
    plan = Cluster(TWO, guests, {"a": "h1", "b": "h1"}, local=local).plan()
    assert (plan.moves, stays(plan)) == ((), {"a": "LocalStorage", "b": "LocalStorage"})
    assert not any(stay.grave for stay in plan.stays)
    assert moves(Cluster(TWO, guests, {"a": "h1", "b": "h1"}).plan()) == {"a": ("h2", "PreferenceUnmet")}


def test_a_vm_goes_to_those_that_it_is_to_be_near() -> None:
    near = a_guest("a", affinity=(Rule({"app": "db"}),))
    cluster = Cluster(TWO, (near, a_guest("db", labels={"app": "db"})), {"a": "h1", "db": "h2"})
    plan = cluster.plan()
    assert moves(plan) == {"a": ("h2", "AffinityBroken")}
    alone = Cluster(TWO, (near,), {"a": "h1"})
    assert alone.plan().moves == (), "nobody is there to be near to"


def test_a_vm_whose_host_lost_its_label_goes_to_one_that_has_it() -> None:
    hosts = (a_host("h1"), a_host("h2", labels={"zone": "a"}))
    cluster = Cluster(hosts, (a_guest("a", host_selector={"zone": "a"}),), {"a": "h1"})
    assert moves(cluster.plan()) == {"a": ("h2", "SelectorBroken")}


def test_nobody_moves_away_from_one_that_needs_it_near() -> None:
    needs = a_guest("needs", affinity=(Rule({"role": "db"}),))
    guests = (replace(web("a"), labels={"app": "web", "role": "db"}), web("b", anti_affinity=()), needs)
    hosts = (*TWO, a_host("h3"))
    cluster = Cluster(hosts, guests, {"a": "h1", "b": "h1", "needs": "h1"})
    plan = cluster.plan()
    assert list(moves(plan)) == ["b"]
    (better,) = plan.moves
    assert cluster.moved("b", better.target).broken() == ()


def test_a_host_that_is_full_keeps_no_rule() -> None:
    cluster = pair()
    full = replace(cluster, hosts=(a_host("h1"), a_host("h2", gib=1)))
    assert (full.plan().moves, stays(full.plan())) == ((), {"a": "NoMoveHelps", "b": "NoMoveHelps"})
    closed = replace(cluster, hosts=(a_host("h1"), a_host("h2", closed="Cordoned")))
    assert closed.plan().moves == ()
    tainted = replace(cluster, hosts=(a_host("h1"), a_host("h2", taints=(Taint("x", "", "NoSchedule"),))))
    assert tainted.plan().moves == ()


BUSY = Cluster(
    (*TWO, a_host("h3")),
    (a_guest("calm"), a_guest("some"), a_guest("much"), a_guest("most")),
    {"calm": "h1", "some": "h1", "much": "h1", "most": "h1"},
    percent={"calm": 2, "some": 20, "much": 35, "most": 60},
)


def test_who_uses_most_of_short_cpus_leaves_if_no_other_host_becomes_short_by_it() -> None:
    plan = BUSY.plan()
    assert moves(plan) == {"much": ("h2", "CPUPressure")}
    (better,) = plan.moves
    assert (
        better.why.message == "much uses 35 % of the CPUs of h1, which are short, and h2 has CPUs to spare."
    )


def test_a_vm_that_would_make_any_host_short_stays() -> None:
    alone = replace(BUSY, guests=(a_guest("most"),), where={"most": "h1"}, percent={"most": 120})
    plan = alone.plan()
    assert (plan.moves, stays(plan)) == ((), {"most": "NoMoveHelps"})
    assert {host: cause.value for host, cause in plan.troubled.items()} == {"h1": "CPUPressure"}


def test_a_host_has_to_be_short_for_some_minutes() -> None:
    observed = BUSY.observed()
    for since, found in ((NOW - LOADED_FOR, 1), (NOW - LOADED_FOR + timedelta(seconds=1), 0)):
        short = replace(observed.loads["h1"], cpu_since=since)
        assert len(plan_balance(replace(observed, loads={**observed.loads, "h1": short}), NOW).moves) == found


def test_nothing_moves_to_or_from_a_host_of_which_it_is_not_known_how_it_fares() -> None:
    settling = replace(BUSY, settling_hosts=frozenset({"h1"})).plan()
    assert (settling.moves, settling.settling) == ((), ("h1",))
    assert moves(replace(BUSY, settling_hosts=frozenset({"h2"})).plan()) == {"much": ("h3", "CPUPressure")}
    observed = BUSY.observed()
    unknown = {**observed.loads, "h2": HostLoad("h2"), "h3": HostLoad("h3")}
    assert plan_balance(replace(observed, loads=unknown), NOW).moves == ()


def test_while_the_cluster_changes_nothing_is_found() -> None:
    held = fact("Balanced", "Unknown", "BalanceHeld", host="h3", what="Joining")
    assert plan_balance(replace(BUSY.observed(), held=held), NOW).moves == ()


@pytest.mark.parametrize(("gib", "moved"), [(29, {}), (30, {"big": ("h2", "MemoryPromised")})])
def test_a_host_that_is_almost_all_promised_gives_to_one_that_is_much_emptier(
    gib: int, moved: dict[str, tuple[str, str]]
) -> None:
    guests = (a_guest("big", 25), a_guest("rest", gib))
    cluster = Cluster(TWO, guests, {"big": "h1", "rest": "h1"}, kept={"rest": BLOCKED})
    assert moves(cluster.plan()) == moved
    unknown = replace(cluster.observed(), loads={})
    assert len(plan_balance(unknown, NOW).moves) == len(moved), "promises are known without pressure"


def test_promises_move_nothing_to_where_it_would_be_the_same_again() -> None:
    guests = (a_guest("big", 30), a_guest("rest", 30), a_guest("there", 24))
    cluster = Cluster(TWO, guests, {"big": "h1", "rest": "h1", "there": "h2"})
    assert cluster.plan().moves == ()


def test_memory_that_is_short_sends_the_largest_away() -> None:
    guests = (a_guest("small", 4), a_guest("large", 8), a_guest("vital", 16, priority=300))
    cluster = Cluster(TWO, guests, dict.fromkeys(("small", "large", "vital"), "h1"))
    observed = cluster.observed()
    short = replace(observed.loads["h1"], memory="High")
    plan = plan_balance(replace(observed, loads={**observed.loads, "h1": short}), NOW)
    assert moves(plan) == {"large": ("h2", "MemoryPressure")}
    tight = replace(observed.loads["h2"], memory_bytes=8 * GIB)
    plan = plan_balance(replace(observed, loads={"h1": short, "h2": tight}), NOW)
    assert moves(plan) == {"small": ("h2", "MemoryPressure")}, "it is really there, whatever is promised"


@pytest.mark.parametrize("priority", [0, 500])
def test_huge_pages_free_no_memory_that_is_short(priority: int) -> None:
    roomy = tuple(replace(host, huge_bytes={"1Gi": 64 * GIB}) for host in TWO)
    guests = (a_guest("pages", 4, huge_bytes={"1Gi": 32 * GIB}), a_guest("large", 8, priority=priority))
    observed = Cluster(roomy, guests, dict.fromkeys(("pages", "large"), "h1")).observed()
    short = replace(observed.loads["h1"], memory="High")
    plan = plan_balance(replace(observed, loads={**observed.loads, "h1": short}), NOW)
    assert moves(plan) == {"large": ("h2", "MemoryPressure")}


def test_the_gravest_comes_first() -> None:
    guests = (*BUSY.guests, web("a"), web("b"))
    where = {**BUSY.where, "a": "h2", "b": "h2"}
    cluster = replace(BUSY, hosts=(*BUSY.hosts, a_host("h4"), a_host("h5")), guests=guests, where=where)
    assert [item.cause.value for item in cluster.plan().moves] == ["AntiAffinityBroken", "CPUPressure"]


def test_load_is_no_reason_to_break_a_rule() -> None:
    would_rather = Rule({"app": "web"}, required=False)
    fan = a_guest("fan", affinity=(would_rather,))
    guests = (a_guest("much", labels={"app": "web"}), a_guest("most"), fan)
    percent = {"much": 35, "most": 90, "fan": 2}
    cluster = Cluster(TWO, guests, dict.fromkeys(("much", "most", "fan"), "h1"), percent)
    assert cluster.plan().moves == ()
    assert moves(replace(cluster, guests=guests[:2]).plan()) == {"much": ("h2", "CPUPressure")}


def test_a_preference_gives_way_to_what_must_be_kept() -> None:
    rather = Rule({"app": "x"}, required=False)
    both = web("a", affinity=(rather,))
    guests = (both, web("b", anti_affinity=(), priority=500), a_guest("x", labels={"app": "x"}))
    cluster = Cluster(TWO, guests, dict.fromkeys(("a", "b", "x"), "h1"))
    assert moves(cluster.plan()) == {"a": ("h2", "AntiAffinityBroken")}
    after = cluster.moved("a", "h2")
    assert [item.cause.value for item in after.broken()] == ["PreferenceUnmet"]
    assert after.plan().moves == (), "and stays so, rather than back and forth"
