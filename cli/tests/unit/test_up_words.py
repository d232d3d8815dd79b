"""The words of `qx up` and `qx down`: steps, times, sentences; what a terminal shows and what a pipe gets."""

import asyncio
import io
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from quantix_api.errors import PermanentError
from quantix_cli.terminal import Terminal
from quantix_cli.up.run.progress import Activity, Progress
from quantix_cli.up.run.steps import Outcome, Step, StepFailed, run_steps
from quantix_cli.up.run.uplog import UpLog
from quantix_cli.up.run.words import about, duration, gibibytes
from quantix_cli.up.stop.stopping import summary

PIPE = Terminal(is_tty=False, colour=False, unicode=True, width=None)
SCREEN = Terminal(is_tty=True, colour=False, unicode=True, width=80)


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def log(tmp_path: Path) -> Iterator[UpLog]:
    with closing(UpLog(tmp_path / "up.log")) as log:
        yield log


def progress(terminal: Terminal, clock: Clock) -> Progress:
    return Progress(terminal, clock, stream=io.StringIO())


def shown(progress: Progress) -> str:
    assert isinstance(progress.stream, io.StringIO)
    return progress.stream.getvalue()


def test_times_read_as_people_say_them() -> None:
    assert [duration(s) for s in (0.61, 23.84, 59.96, 119.2, 364.0)] == [
        "0.6 s",
        "23.8 s",
        "1 m 00 s",
        "1 m 59 s",
        "6 m 04 s",
    ]
    assert [about(s) for s in (4, 45, 360)] == ["4 s", "45 s", "6 min"]
    assert [gibibytes(int(g * 2**30)) for g in (8.14, 24.2)] == ["8.1 GiB", "24 GiB"]


def test_a_finished_step_is_one_aligned_line(clock: Clock) -> None:
    shows = progress(PIPE, clock)
    activity = Activity("check the machine", 1, clock.now_s)
    clock.now_s += 0.6
    shows.done(activity, "✓", "Debian 12, 2 cores")
    assert shown(shows) == " ✓ check the machine                 0.6 s   Debian 12, 2 cores\n"


def test_without_a_terminal_a_running_step_says_something_every_30_s(clock: Clock) -> None:
    shows = progress(PIPE, clock)
    shows.running.append(Activity("build the control plane", 360, clock.now_s, doing="compiling"))
    for _ in range(70):
        clock.now_s += 1
        shows.redraw()
    assert shown(shows).splitlines() == [
        " ◐ build the control plane          30.0 s   usually 6 min   compiling",
        " ◐ build the control plane        1 m 00 s   usually 6 min   compiling",
    ]


def test_a_step_says_when_it_takes_longer_than_usual_and_tells_no_more_than_a_line_holds(
    clock: Clock,
) -> None:
    shows = progress(PIPE, clock)
    activity = Activity("install packages", 120, clock.now_s)
    activity.say("Installing collected packages: " + ", ".join(f"package-{n}" for n in range(60)))
    shows.running.append(activity)
    clock.now_s += 181
    shows.redraw()
    assert shown(shows) == (
        " ◐ install packages               3 m 01 s   longer than the usual 2 min   "
        "Installing collected packages: package-0, package-1, packag…\n"
    )


def test_on_a_terminal_running_steps_are_redrawn_in_place(clock: Clock) -> None:
    shows = progress(SCREEN, clock)
    shows.running.append(Activity("install packages", 120, clock.now_s, doing="x" * 300))
    shows.redraw()
    shows.redraw()
    first, second = shown(shows).splitlines()
    assert len(first) < 200
    assert first.endswith("x…")
    assert second.startswith("\x1b[1A\x1b[J")
    shows.finish()
    assert shown(shows).endswith("\x1b[1A\x1b[J")


async def run(steps: list[Step], shows: Progress, log: UpLog) -> dict[str, Outcome]:
    return await run_steps(steps, shows, log)


async def test_a_step_waits_for_what_it_needs_and_others_run_beside_it(clock: Clock, log: UpLog) -> None:
    told: list[str] = []

    def step(name: str, *needs: str, takes_s: float = 0.0) -> Step:
        async def work(activity: Activity) -> Outcome:
            told.append(f"{name} begins")
            await asyncio.sleep(takes_s)
            told.append(f"{name} ends")
            return Outcome()

        return Step(name, work, needs)

    await run([step("a", takes_s=0.05), step("b"), step("c", "a", "b")], progress(PIPE, clock), log)
    assert told == ["a begins", "b begins", "b ends", "a ends", "c begins", "c ends"]


async def test_a_step_that_changed_nothing_is_not_shown_unless_it_warns(clock: Clock, log: UpLog) -> None:
    async def nothing(activity: Activity) -> Outcome:
        return Outcome("same as before", changed=False)

    async def warning(activity: Activity) -> Outcome:
        return Outcome("slow", changed=False, warns=True)

    shows = progress(PIPE, clock)
    await run([Step("one", nothing), Step("two", warning)], shows, log)
    assert [line.split()[:2] for line in shown(shows).splitlines()] == [["▲", "two"]]


async def test_a_failure_ends_the_run_and_names_the_line_of_the_log(clock: Clock, log: UpLog) -> None:
    cancelled = asyncio.Event()

    async def fails(activity: Activity) -> Outcome:
        await asyncio.sleep(0.01)
        raise PermanentError("PortTaken", "Port 6443 is taken by k3s (pid 812).", "stop it")

    async def long(activity: Activity) -> Outcome:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cancelled.set()
            raise
        return Outcome()

    shows = progress(PIPE, clock)
    with pytest.raises(StepFailed) as caught:
        await run([Step("one", fails), Step("two", long)], shows, log)
    assert str(caught.value.error) == "Port 6443 is taken by k3s (pid 812). Try: stop it."
    path, _, line = caught.value.log_place.rpartition(":")
    assert "Port 6443" in Path(path).read_text().splitlines()[int(line) - 1]
    assert cancelled.is_set()
    assert shown(shows).startswith(" ✗ one")


async def test_an_unforeseen_error_is_called_a_bug_and_its_trace_is_in_the_log(
    clock: Clock, log: UpLog
) -> None:
    async def breaks(activity: Activity) -> Outcome:
        raise ZeroDivisionError("oops")

    with pytest.raises(StepFailed, match="This is a bug of qx: ZeroDivisionError: oops"):
        await run([Step("one", breaks)], progress(PIPE, clock), log)
    assert "Traceback" in log.path.read_text()


def test_the_log_goes_on_counting_where_the_last_run_ended(tmp_path: Path) -> None:
    for text, lines in (("one\ntwo", 2), ("three", 3)):
        with closing(UpLog(tmp_path / "up.log")) as log:
            assert log.write(text) == lines


@pytest.mark.parametrize(
    ("guests", "was_running", "sentence"),
    [
        (
            ["default/web-1"],
            True,
            "Stopped in 4.0 s. 1 VM was shut down (web-1); make up starts it again. Data kept.",
        ),
        (
            ["default/a", "shop/b"],
            True,
            "Stopped in 4.0 s. 2 VMs were shut down (a, shop/b); make up starts them again. Data kept.",
        ),
        ([], True, "Stopped in 4.0 s. No VM was running. Data kept."),
        ([], False, "Quantix does not run here; nothing to stop. Data kept."),
    ],
)
def test_down_says_what_it_did(guests: list[str], was_running: bool, sentence: str) -> None:
    assert summary(guests, was_running=was_running, took_s=4.0) == sentence


def test_down_does_not_say_that_nothing_ran_where_all_that_ran_was_being_deleted() -> None:
    said = summary([], was_running=True, had_guests=True, took_s=4.0)
    assert said == "Stopped in 4.0 s. No VM is left to start again. Data kept."
