"""The detector fences dead hosts in time and no others, and each of its rules is needed for that."""

from __future__ import annotations

import pytest

from quantix_lab.ha_model.detector import HOSTS, SITUATIONS, Lost, Outage, Rule, Situation, mistakes

HEALTHY, LATE = "a healthy host is fenced", "a dead host is fenced too late"
BY_NAME = {situation.name: situation for situation in SITUATIONS}
NEEDED = {
    Rule.TWO_SIGNALS: ("a host is cut off from the API", HEALTHY),
    Rule.OWN_BEAT_PROCESS: ("hostd crashes and stays away", HEALTHY),
    Rule.AGE_RESTARTS: ("hostd crashes, and the storage of that host's beat is down", HEALTHY),
    Rule.BRAKE: ("all hosts are cut off at once", HEALTHY),
    Rule.BRAKE_AT_5_S: ("all hosts are cut off at once", HEALTHY),
    Rule.HELD_1_S: ("hosts are cut off within 2 s", HEALTHY),
    Rule.WARM_STANDBYS: ("the leader's host dies", LATE),
}


@pytest.mark.parametrize("situation", SITUATIONS, ids=BY_NAME)
def test_whoever_is_dead_is_fenced_in_time_and_nobody_else_when(situation: Situation) -> None:
    assert mistakes(situation, frozenset(Rule)) == set()


@pytest.mark.parametrize("rule", Rule, ids=[rule.name.lower() for rule in Rule])
def test_without_a_rule_of_detection_there_is_a_mistake(rule: Rule) -> None:
    name, mistake = NEEDED[rule]
    assert mistakes(BY_NAME[name], frozenset(Rule) - {rule}) == {mistake}


def test_an_outage_that_takes_longer_to_reach_all_hosts_is_not_seen_as_one() -> None:
    outages = tuple(
        Outage(lost, host, begins_s=20.0 if host == 0 else 22.5)
        for host in HOSTS
        for lost in (Lost.LEASE, Lost.BEAT)
    )
    assert mistakes(Situation("cut off within 2.5 s", outages), frozenset(Rule)) == {HEALTHY}
