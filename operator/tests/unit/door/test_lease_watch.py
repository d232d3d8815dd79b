"""Silence of hosts counts only while the observer itself is awake and can read."""

from __future__ import annotations

import pytest

from quantix_client.api import ListResult, Manifest
from quantix_client.errors import Unreachable
from quantix_lab.clocks import ManualClock
from quantix_operator.lease_watch import LeaseAges, LeaseWatch


def lease(renewed: str, host: str = "h1", boot: str = "boot-1") -> Manifest:
    return {"metadata": {"name": host}, "spec": {"holderIdentity": boot, "renewTime": renewed}}


def looks(*renewals: tuple[float, str]) -> LeaseAges:
    ages = LeaseAges()
    for now_s, renewed in renewals:
        ages.look([lease(renewed)], now_s)
    return ages


def test_a_host_that_beats_is_not_silent() -> None:
    assert looks((0, "a"), (1, "a"), (2, "b")).silent_s("h1", 2.5) == 0.5


def test_silence_is_counted_from_the_last_change_that_was_seen() -> None:
    ages = looks(*((float(second), "a") for second in range(10)))
    assert ages.silent_s("h1", 9) == 9


def test_a_first_look_knows_no_silence_however_old_the_lease_says_it_is() -> None:
    assert looks((0, "2001-01-01T00:00:00Z")).silent_s("h1", 0) == 0


def test_a_new_boot_is_a_beat() -> None:
    ages = looks((0, "a"), (1, "a"))
    ages.look([lease("a", boot="boot-2")], 2)
    assert ages.silent_s("h1", 2) == 0


def test_a_gap_of_the_observer_starts_the_age_again() -> None:
    assert looks((0, "a"), (1, "a"), (30, "a")).silent_s("h1", 30) == 0


def test_while_the_observer_has_not_looked_nothing_is_known() -> None:
    assert looks((0, "a"), (1, "a")).silent_s("h1", 10) is None


def test_a_failed_look_starts_the_age_again() -> None:
    ages = looks((0, "a"), (1, "a"))
    ages.blind()
    assert ages.silent_s("h1", 1.5) is None
    ages.look([lease("a")], 2)
    assert ages.silent_s("h1", 2) == 0


def test_a_host_without_a_lease_is_unknown() -> None:
    assert looks((0, "a")).silent_s("h2", 0) is None


class Leases:
    """The API's list of leases, as far as the watch uses it."""

    def __init__(self) -> None:
        self.answer: ListResult | Unreachable = ListResult([lease("a")], "1")

    async def list(self, *_: object, **__: object) -> ListResult:
        if isinstance(self.answer, Unreachable):
            raise self.answer
        return self.answer


@pytest.mark.parametrize("api_answers", [True, False])
async def test_the_watch_counts_only_while_the_api_answers(api_answers: bool) -> None:
    clock, api = ManualClock(), Leases()
    watch = LeaseWatch(api, clock)  # type: ignore[arg-type]  # the fake has only what is used
    for _ in range(4):
        await watch.look()
        await clock.advance(1)
        if not api_answers:
            api.answer = Unreachable("refused")

    assert watch.silent_s("h1") == (4 if api_answers else None)
