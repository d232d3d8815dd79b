"""The table of deaths (hypervisor.md, section 5), row by row."""

from __future__ import annotations

import pytest

from quantix_hostd.facts.domain import DomainSnapshot, DomainState, EventKind
from quantix_hostd.virtualmachine.deaths import Death, backoff_s, classify, note_death, restarts_after
from quantix_hostd.virtualmachine.record import Record, SeenEvent, StopReason

BOOT = "boot-1"
WALL_S = 1767225600.0  # 2026-01-01T00:00:00Z
RUNNING = Record(epoch=1, started=True, boot_id=BOOT, started_s=1000.0)
GUEST = (SeenEvent(EventKind.SHUTDOWN, "GUEST"), SeenEvent(EventKind.STOPPED, "SHUTDOWN"))
HOST = (SeenEvent(EventKind.SHUTDOWN, "HOST"), SeenEvent(EventKind.STOPPED, "SHUTDOWN"))
FAILED = (SeenEvent(EventKind.STOPPED, "FAILED"),)
PANICKED = (SeenEvent(EventKind.CRASHED, "PANICKED"), SeenEvent(EventKind.STOPPED, "CRASHED"))


def dead(reason: int, state: DomainState = DomainState.SHUTOFF) -> DomainSnapshot:
    return DomainSnapshot("qx-1", "1", state, reason, "<domain/>", None)


@pytest.mark.parametrize(
    ("domain", "events", "death"),
    [
        (dead(1), GUEST, Death.GUEST_SHUTDOWN),
        (dead(1), HOST, Death.HOST_SIGNAL),
        (dead(1), (), Death.UNKNOWN_CLEAN),
        (dead(2), (), Death.DESTROYED),
        (dead(3), FAILED, Death.CRASHED),
        (dead(3), (), Death.CRASHED),
        (dead(3), PANICKED, Death.PANICKED),
        (dead(1, DomainState.CRASHED), (), Death.PANICKED),
        (dead(0), FAILED, Death.CRASHED),
        (dead(0), GUEST, Death.GUEST_SHUTDOWN),
        (dead(0), (), Death.NOT_STARTED),
        (dead(6), (), Death.NOT_STARTED),
        (None, (), Death.DESTROYED),
    ],
)
def test_a_death_is_told_by_state_and_events(
    domain: DomainSnapshot | None, events: tuple[SeenEvent, ...], death: Death
) -> None:
    assert classify(domain, events, RUNNING, BOOT) is death


def test_a_death_that_we_asked_for_is_ours_however_it_came() -> None:
    asked = RUNNING.with_stop(StopReason.REQUESTED, 5.0)
    assert classify(dead(3), FAILED, asked, BOOT) is Death.REQUESTED


def test_after_a_reboot_nothing_else_counts() -> None:
    assert classify(dead(1), GUEST, RUNNING, "boot-2") is Death.HOST_REBOOTED


@pytest.mark.parametrize(
    ("death", "on_failure", "always", "never"),
    [
        (Death.GUEST_SHUTDOWN, False, True, False),
        (Death.UNKNOWN_CLEAN, False, True, False),
        (Death.WATCHDOG, False, True, False),
        (Death.CRASHED, True, True, False),
        (Death.PANICKED, True, True, False),
        (Death.HOST_SIGNAL, True, True, False),
        (Death.DESTROYED, True, True, False),
        (Death.HOST_REBOOTED, True, True, False),
        (Death.REQUESTED, True, True, True),
        (Death.NOT_STARTED, True, True, True),
    ],
)
def test_what_follows_is_the_policys_choice(
    death: Death, on_failure: bool, always: bool, never: bool
) -> None:
    assert restarts_after(death, "OnFailure") is on_failure
    assert restarts_after(death, "Always") is always
    assert restarts_after(death, "Never") is never


def test_starts_after_failures_wait_longer_and_longer() -> None:
    assert [backoff_s(number) for number in range(1, 10)] == [0, 5, 10, 20, 40, 80, 160, 300, 300]


def test_failures_in_a_row_are_counted_until_it_ran_for_ten_minutes() -> None:
    record = RUNNING
    for number in (1, 2, 3):
        record = note_death(record, Death.CRASHED, 1010.0, WALL_S)
        assert (record.failures, record.failure) == (number, "QEMUCrashed")
    assert (record.next_start_s, record.next_start_at) == (1020.0, "2026-01-01T00:00:10Z")
    assert note_death(record, Death.CRASHED, 1600.0, WALL_S).failures == 1


@pytest.mark.parametrize("death", [Death.GUEST_SHUTDOWN, Death.REQUESTED, Death.HOST_REBOOTED])
def test_what_is_no_failure_is_not_counted(death: Death) -> None:
    noted = note_death(note_death(RUNNING, Death.CRASHED, 1010.0, WALL_S), death, 1020.0, WALL_S)
    assert (noted.failures, noted.next_start_s) == (0, 0.0)


def test_the_shutdown_of_the_host_is_told_apart() -> None:
    stopped = RUNNING.with_stop(StopReason.HOST_SHUTDOWN, 5.0)
    last = note_death(stopped, Death.REQUESTED, 6.0, WALL_S).last_exit
    assert last is not None
    assert last.reason == "HostShutdown"
