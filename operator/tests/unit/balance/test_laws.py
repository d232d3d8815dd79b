"""What holds for every cluster: no move undoes another, breaks a rule, or makes a host short."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from quantix_operator.balance.load import BY_LOAD
from quantix_operator.balance.model import FILLED_PERMILLE, Cause
from quantix_operator.scheduling.model import Guest, Rule

from .cluster import Cluster, a_guest, a_host

RULES = st.lists(
    st.builds(
        lambda app, required: Rule({"app": app}, required=required), st.sampled_from("xyz"), st.booleans()
    ),
    max_size=2,
).map(tuple)
GUESTS = st.builds(
    lambda gib, app, near, away, priority: a_guest(
        "", gib, labels={"app": app}, affinity=near, anti_affinity=away, priority=priority
    ),
    st.integers(1, 24),
    st.sampled_from("xyz"),
    st.one_of(st.just(()), RULES),
    st.one_of(st.just(()), RULES),
    st.sampled_from([100, 200]),
)


def named(guest: Guest, number: int) -> Guest:
    return Guest(**{**vars(guest), "uid": f"g{number:02}", "name": f"g{number:02}"})


@st.composite
def clusters(draw: st.DrawFn) -> Cluster:
    hosts = tuple(a_host(f"h{number}") for number in range(draw(st.integers(1, 5))))
    drawn = draw(st.lists(GUESTS, min_size=1, max_size=12))
    guests = tuple(named(guest, number) for number, guest in enumerate(drawn))
    names = st.sampled_from([host.name for host in hosts])
    return Cluster(
        hosts,
        guests,
        where={guest.uid: draw(names) for guest in guests},
        percent={guest.uid: draw(st.sampled_from([0, 3, 10, 25, 45, 90])) for guest in guests},
        local=frozenset(guest.uid for guest in guests if draw(st.integers(0, 4)) == 0),
    )


@given(clusters())
@settings(max_examples=150, deadline=None)
def test_under_constant_load_the_moves_come_to_an_end_and_no_placement_comes_twice(cluster: Cluster) -> None:
    seen = {tuple(sorted(cluster.where.items()))}
    for _ in range(60):
        plan = cluster.plan()
        if not plan.moves:
            return
        for better in plan.moves:
            cluster = cluster.moved(better.mover.guest.uid, better.target)
        placement = tuple(sorted(cluster.where.items()))
        assert placement not in seen
        seen.add(placement)
    raise AssertionError("moves without an end")


@given(clusters())
@settings(max_examples=150, deadline=None)
def test_every_move_mends_a_rule_or_lessens_what_is_worst_and_breaks_nothing(cluster: Cluster) -> None:
    hosts = {host.name: host for host in cluster.hosts}
    for better in cluster.plan().moves:
        uid, source, target = better.mover.guest.uid, hosts[better.source], hosts[better.target]
        after = cluster.moved(uid, better.target)
        broken, left = set(cluster.broken()), set(after.broken())
        worse = left - broken
        assert cluster.where[uid] == source.name != target.name
        assert not any(rule.required for rule in worse)
        assert after.promised_permille(target) <= 1000
        if better.cause in BY_LOAD:
            assert not worse
            assert uid not in cluster.local
            assert after.promised_permille(target) <= FILLED_PERMILLE
        else:
            mended = broken - left
            assert mended
            assert not worse or any(rule.required for rule in mended)
        if better.cause is Cause.CPU:
            # nobody tells what guests use of hosts that are not short
            assert after.demand(target.name) <= 100, "it is not short with it"
            assert after.demand(target.name) < cluster.demand(source.name)
            assert after.demand(source.name) < cluster.demand(source.name)
        if better.cause is Cause.PROMISED:
            assert after.promised_permille(target) < cluster.promised_permille(source)
        cluster = after


@given(clusters())
@settings(max_examples=50, deadline=None)
def test_a_host_takes_part_in_one_move_because_of_load_at_a_time(cluster: Cluster) -> None:
    moves = cluster.plan().moves
    for place, better in enumerate(moves):
        if better.cause in BY_LOAD:
            others = {name for other in moves[:place] for name in (other.source, other.target)}
            assert not {better.source, better.target} & others


@given(clusters())
@settings(max_examples=50, deadline=None)
def test_the_same_look_finds_the_same(cluster: Cluster) -> None:
    mirrored = Cluster(
        cluster.hosts[::-1], cluster.guests[::-1], cluster.where, cluster.percent, cluster.local
    )
    assert mirrored.plan() == cluster.plan()
