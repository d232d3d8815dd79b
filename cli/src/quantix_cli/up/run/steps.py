"""Runs the steps of `qx up`: each as soon as those that it needs are done, side by side where they may.

A step that fails ends the run: what still runs beside it is cancelled, finished work is kept. Knows nothing
of what steps do.
"""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from quantix_api.errors import PermanentError, QuantixError
from quantix_cli.up.run.progress import Activity, Progress
from quantix_cli.up.run.uplog import UpLog

FRAME_S = 0.1


@dataclass(frozen=True)
class Outcome:
    """What a step found or did. Steps that changed nothing are not shown, unless they warn."""

    detail: str = ""
    changed: bool = True
    warns: bool = False


@dataclass(frozen=True)
class Step:
    """`needs` are names of steps that come before; `usual_s` is how long it takes when it has work."""

    name: str
    work: Callable[[Activity], Awaitable[Outcome]]
    needs: tuple[str, ...] = ()
    usual_s: float = 1.0


class StepFailed(Exception):
    """A step could not be done: `error` says why, `log_place` is the line of the log that tells more."""

    def __init__(self, step: str, error: QuantixError, log_place: str) -> None:
        super().__init__(f"{step}: {error}")
        self.step = step
        self.error = error
        self.log_place = log_place


async def run_steps(steps: Sequence[Step], progress: Progress, log: UpLog) -> dict[str, Outcome]:
    """Do all steps; their outcomes by name. Raises StepFailed; cancelling it cancels the steps."""
    outcomes: dict[str, Outcome] = {}
    finished = {step.name: asyncio.Event() for step in steps}

    async def one(step: Step) -> None:
        for name in step.needs:
            await finished[name].wait()
        outcomes[step.name] = await _run(step, progress, log)
        finished[step.name].set()

    drawing = asyncio.create_task(_draw(progress))
    tasks = [asyncio.create_task(one(step)) for step in steps]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in [*tasks, drawing]:
            task.cancel()
        await asyncio.gather(*tasks, drawing, return_exceptions=True)
        progress.finish()
    return outcomes


async def _draw(progress: Progress) -> None:
    while True:
        progress.redraw()
        await asyncio.sleep(FRAME_S)


async def _run(step: Step, progress: Progress, log: UpLog) -> Outcome:
    activity = Activity(step.name, step.usual_s, progress.clock())
    progress.running.append(activity)
    log.write(f"== {step.name}")
    try:
        outcome = await step.work(activity)
    except QuantixError as error:
        log.write(f"failed: {error}")
        _remove(progress, activity)
        progress.done(activity, "✗", "")
        raise StepFailed(step.name, error, log.place) from error
    except Exception as error:
        log.write(traceback.format_exc())
        _remove(progress, activity)
        progress.done(activity, "✗", "")
        bug = PermanentError(
            "Bug", f"This is a bug of qx: {type(error).__name__}: {error}.", "report it with the log"
        )
        raise StepFailed(step.name, bug, log.place) from error
    finally:
        _remove(progress, activity)
    log.write(f"done: {step.name}: {outcome.detail}")
    if outcome.changed or outcome.warns:
        progress.done(activity, "▲" if outcome.warns else "✓", outcome.detail)
    return outcome


def _remove(progress: Progress, activity: Activity) -> None:
    if activity in progress.running:
        progress.running.remove(activity)
