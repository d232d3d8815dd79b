"""Who keeps a host, who gives it up, who is held, who asks for a place: the table of transitions."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quantix_operator.scheduling.assignments import Course, Seat, Step, VmFacts, course, next_epoch

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
EARLIER = NOW - timedelta(hours=1)
LATER = NOW + timedelta(minutes=1)

NEW = VmFacts(Seat())
RUNNING = VmFacts(Seat("h1", 4), observed_epoch=4)
ENDED = VmFacts(Seat("h1", 4), observed_epoch=4, domain_absent=True, last_exit="Requested")
BY_ITSELF = replace(ENDED, last_exit="GuestShutdown")
CRASHED = replace(ENDED, last_exit="Crashed", ha_restart="Never")
HELD = VmFacts(Seat(None, 5, "GuestShutdown"), observed_epoch=4, domain_absent=True)
HELD_CRASHED = replace(HELD, seat=Seat(None, 5, "Crashed"), ha_restart="Never")
KILLER = replace(HELD, seat=Seat(None, 5, "HostKiller"), ha_restart="Always")
FREE = Seat(None, 5, last_host="h1")

CASES: dict[str, tuple[VmFacts, Course]] = {
    "a new VM asks for a place": (NEW, Course(Step.PLACE, Seat())),
    "a new VM whose volumes are missing waits": (
        replace(NEW, prepared=False),
        Course(Step.IDLE, Seat()),
    ),
    "a new VM that shall be stopped stays away": (
        replace(NEW, power_state="Stopped"),
        Course(Step.IDLE, Seat()),
    ),
    "a paused VM needs a host too": (replace(NEW, power_state="Paused"), Course(Step.PLACE, Seat())),
    "a VM that is being deleted is not placed": (replace(NEW, deleting=True), Course(Step.IDLE, Seat())),
    "a running VM keeps its host": (RUNNING, Course(Step.KEEP, Seat("h1", 4))),
    "a VM that its host has not heard of yet keeps it": (
        replace(RUNNING, observed_epoch=3, domain_absent=True),
        Course(Step.KEEP, Seat("h1", 4)),
    ),
    "a VM that shall stop keeps its host until it has": (
        replace(RUNNING, power_state="Stopped"),
        Course(Step.KEEP, Seat("h1", 4)),
    ),
    "a VM that its host holds under a later epoch is given that one": (
        replace(RUNNING, claim_epoch=9),
        Course(Step.KEEP, Seat("h1", 9)),
    ),
    "what was corrected from the claim is corrected once": (
        VmFacts(Seat("h1", 9), observed_epoch=4, claim_epoch=9),
        Course(Step.KEEP, Seat("h1", 9)),
    ),
    "a claim that was said under an older assignment corrects nothing": (
        replace(RUNNING, observed_epoch=3, claim_epoch=9),
        Course(Step.KEEP, Seat("h1", 4)),
    ),
    "a VM that is deleted has its epoch corrected too, or its guest would stay": (
        replace(RUNNING, claim_epoch=9, deleting=True),
        Course(Step.KEEP, Seat("h1", 9)),
    ),
    "a VM whose volumes were released under a later epoch is placed above it": (
        replace(ENDED, claim_epoch=9),
        Course(Step.PLACE, replace(FREE, epoch=10)),
    ),
    "a stopped VM gives up its host": (
        replace(ENDED, power_state="Stopped"),
        Course(Step.GIVE_UP, FREE),
    ),
    "a stopped VM that is wanted again asks for a place": (ENDED, Course(Step.PLACE, FREE)),
    "a VM that ended with its host comes back by itself": (
        replace(ENDED, last_exit="HostShutdown"),
        Course(Step.PLACE, FREE),
    ),
    "a guest that powered itself off is held": (
        BY_ITSELF,
        Course(Step.GIVE_UP, replace(FREE, hold="GuestShutdown")),
    ),
    "a guest that powered itself off comes back with ha.restart Always": (
        replace(BY_ITSELF, ha_restart="Always"),
        Course(Step.PLACE, FREE),
    ),
    "a guest that powered itself off and shall be stopped is just stopped": (
        replace(BY_ITSELF, power_state="Stopped"),
        Course(Step.GIVE_UP, FREE),
    ),
    "a crash whose host let go before ha.restart was set is placed anew": (
        replace(CRASHED, ha_restart="OnFailure"),
        Course(Step.PLACE, FREE),
    ),
    "a crash that nothing brings back is held": (
        CRASHED,
        Course(Step.GIVE_UP, replace(FREE, hold="Crashed")),
    ),
    "a crashed VM that shall be stopped gives up its host": (
        replace(CRASHED, ha_restart="OnFailure", power_state="Stopped"),
        Course(Step.GIVE_UP, FREE),
    ),
    "a deleted VM's assignment is left to the deletion": (
        replace(ENDED, deleting=True),
        Course(Step.KEEP, Seat("h1", 4)),
    ),
    "a held VM stays held": (HELD, Course(Step.HELD, HELD.seat)),
    "seeing Stopped ends the hold": (
        replace(HELD, power_state="Stopped"),
        Course(Step.IDLE, Seat(None, 5)),
    ),
    "a newer restart lifts the hold": (
        replace(HELD, restart_at=EARLIER),
        Course(Step.PLACE, HELD.seat),
    ),
    "a restart that was done lifts nothing": (
        replace(HELD, restart_at=EARLIER, handled_restart_at=EARLIER),
        Course(Step.HELD, HELD.seat),
    ),
    "a restart in the future is looked at when it is due": (
        replace(HELD, restart_at=LATER),
        Course(Step.HELD, HELD.seat, LATER),
    ),
    "ha.restart Always lifts the hold of a guest that went by itself": (
        replace(HELD, ha_restart="Always"),
        Course(Step.PLACE, HELD.seat),
    ),
    "ha.restart OnFailure lifts the hold of a crash": (
        replace(HELD_CRASHED, ha_restart="OnFailure"),
        Course(Step.PLACE, HELD_CRASHED.seat),
    ),
    "no ha.restart lifts the hold of a guest that kills hosts": (KILLER, Course(Step.HELD, KILLER.seat)),
}


@pytest.mark.parametrize("case", CASES, ids=str)
def test_course(case: str) -> None:
    vm, expected = CASES[case]
    assert course(vm, NOW) == expected


def test_a_new_epoch_is_above_everything_ever_heard_of() -> None:
    assert next_epoch(replace(NEW, observed_epoch=9)) == 10
    assert next_epoch(replace(NEW, observed_epoch=9, claim_epoch=12)) == 13


facts = st.builds(
    VmFacts,
    seat=st.builds(
        Seat,
        st.sampled_from([None, "h1"]),
        st.integers(0, 3),
        st.sampled_from([None, "GuestShutdown", "Crashed", "HostKiller"]),
        st.sampled_from([None, "h2"]),
    ),
    power_state=st.sampled_from(["Running", "Stopped", "Paused"]),
    ha_restart=st.sampled_from(["OnFailure", "Always", "Never"]),
    restart_at=st.sampled_from([None, EARLIER, LATER]),
    handled_restart_at=st.sampled_from([None, EARLIER]),
    observed_epoch=st.integers(0, 3),
    claim_epoch=st.integers(0, 5),
    domain_absent=st.booleans(),
    last_exit=st.sampled_from(["", "Requested", "GuestShutdown", "HostShutdown", "Crashed", "Killed"]),
    deleting=st.booleans(),
    prepared=st.booleans(),
)


@given(facts)
def test_a_host_is_only_left_with_a_higher_epoch(vm: VmFacts) -> None:
    """The rule of the API server: same epoch, same host."""
    seat = course(vm, NOW).seat
    assert seat.epoch > vm.seat.epoch or (seat.epoch, seat.host) == (vm.seat.epoch, vm.seat.host)


@given(facts)
def test_who_has_no_host_remembers_the_last_one(vm: VmFacts) -> None:
    seat = course(vm, NOW).seat
    if seat.host is None:
        assert seat.last_host == (vm.seat.host or vm.seat.last_host)


@given(facts)
def test_a_host_is_only_left_when_it_let_go(vm: VmFacts) -> None:
    if vm.seat.host is not None and course(vm, NOW).seat.host is None:
        assert vm.observed_epoch == vm.seat.epoch
        assert vm.domain_absent


@given(facts)
def test_the_course_of_a_settled_seat_asks_for_no_other_seat(vm: VmFacts) -> None:
    """After the write the same wish leads to the same seat: nothing swings to and fro."""
    seat = course(vm, NOW).seat
    assert course(replace(vm, seat=seat), NOW).seat == seat
