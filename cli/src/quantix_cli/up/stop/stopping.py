"""`qx down`: operator first, then the guests, then hostd and everything below it. Data is kept."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from quantix_api.errors import QuantixError, TransientError
from quantix_api.layout import Layout
from quantix_api.quantities import counted
from quantix_cli.supervision.service import Supervisor, in_start_order
from quantix_cli.supervision.table import HOSTD, OPERATOR, services
from quantix_cli.up.hostd_door import HOSTD_SILENT, HostdDoor, Orphan
from quantix_cli.up.installation import describe
from quantix_cli.up.run.progress import Activity, Progress
from quantix_cli.up.run.runner import now_s
from quantix_cli.up.run.steps import Outcome, Step, run_steps
from quantix_cli.up.run.uplog import UpLog
from quantix_cli.up.run.words import duration
from quantix_cli.up.settings import UpSettings
from quantix_cli.up.stop.at_work import stopping
from quantix_cli.up.stop.guests import guest_processes

# longer than the grace period that guests have by default
GUESTS_TIMEOUT_S = 150.0
# what QEMU has after that to end, softly and then by force, and hostd to give back what it held
_AFTER_GRACE_S = 90.0
_LOOK_S = 1.0


@dataclass
class Stopped:
    """What was there and is not any more; `guests` are NAMESPACE/NAME of those that come back, `had_guests`
    whether any VM was waited for.
    """

    guests: list[str] = field(default_factory=list)
    had_guests: bool = False
    orphans: list[Orphan] = field(default_factory=list)
    was_running: bool = False


async def stop_everything(
    settings: UpSettings, supervisor: Supervisor, log: UpLog, progress: Progress, *, only_guests: bool
) -> str:
    """Stop; the sentence that says what was done. Raises StepFailed when guests cannot be shut down: then
    everything below them goes on running.
    """
    began_s = now_s()
    stopped = Stopped()
    names = stop_order(settings)

    async def guests(activity: Activity) -> Outcome:
        if not only_guests:
            stopped.was_running |= supervisor.stop(OPERATOR)
        if await _runs(supervisor, settings, HOSTD):
            stopped.was_running = True
            await shut_down(settings.layout, stopped, activity, progress)
        return Outcome(_names(stopped.guests), changed=bool(stopped.guests or stopped.orphans))

    async def rest(activity: Activity) -> Outcome:
        for name in names:
            activity.say(name)
            stopped.was_running |= supervisor.stop(name)
        supervisor.forget()
        return Outcome(changed=False)

    steps = [Step("shut the guests down", guests, usual_s=8)]
    if not only_guests:
        steps.append(Step("stop Quantix", rest, ("shut the guests down",), usual_s=4))
    with stopping(settings.layout):
        await run_steps(steps, progress, log)
    return summary(
        stopped.guests,
        orphans=len(stopped.orphans),
        was_running=stopped.was_running,
        had_guests=stopped.had_guests,
        took_s=now_s() - began_s,
    )


async def shut_down(layout: Layout, stopped: Stopped, activity: Activity, progress: Progress) -> None:
    """Have hostd shut the guests down. Raises TransientError when it cannot, and guests are left.

    Where no host ever joined hostd does not serve yet, and there is none to be shut down.
    """
    door = HostdDoor(layout.hostd_socket)
    # known or not, they are ended with the others; without the API nobody can tell which they are
    with contextlib.suppress(TransientError):
        stopped.orphans = await door.orphans()
    for orphan in stopped.orphans:
        progress.say(orphan_told(orphan))
    unknown = {orphan.uid for orphan in stopped.orphans}
    waited_for = {name: s for name, s in (await _guests(door)).items() if name not in unknown}
    stopped.had_guests = bool(waited_for)
    if waited_for:
        progress.say(wait_told(waited_for))
    longest_s = max(waited_for.values(), default=0) + _AFTER_GRACE_S
    telling = asyncio.create_task(_tell(door, activity))
    try:
        ended = await door.shut_guests_down(max(GUESTS_TIMEOUT_S, longest_s))
    except TransientError as error:
        # also where it cannot stay up: nothing is risked when it goes, and make down is the way out
        if error.reason != HOSTD_SILENT or guest_processes(layout):
            raise
        ended = []
    finally:
        telling.cancel()
    stopped.guests = [name for name in ended if name not in unknown]


async def _guests(door: HostdDoor) -> dict[str, int]:
    """As the door says; {} where it cannot, such as one that was begun before an upgrade."""
    try:
        return await door.guests()
    except QuantixError:
        return {}


async def _tell(door: HostdDoor, activity: Activity) -> None:
    """Keep saying which guests are still waited for, until cancelled."""
    while True:
        if left := await _guests(door):
            activity.say(f"waits for {_names(list(left))}")
        await asyncio.sleep(_LOOK_S)


def wait_told(guests: Mapping[str, int]) -> str:
    """Said before the wait: `web-1 has 60 s to shut down; a guest that has not by then is ended.`"""
    longest_s = max(guests.values())
    if not longest_s:
        return f"{_names(list(guests))}: ended at once, as gracePeriodSeconds 0 says."
    have, most = ("has", "") if len(guests) == 1 else ("have", "at most ")
    return (
        f"{_names(list(guests))} {have} {most}{longest_s} s to shut down; a guest that has not by then is "
        "ended without."
    )


def stop_order(settings: UpSettings) -> list[str]:
    """Names of all services that may run here, those first that need others."""
    # any path stands for the control plane's: only names and order count here
    table = services(describe(settings, settings.cache))
    return [service.name for service in reversed(in_start_order(table))]


async def _runs(supervisor: Supervisor, settings: UpSettings, name: str) -> bool:
    table = [service for service in services(describe(settings, settings.cache)) if service.name == name]
    return supervisor.observe(table)[name].pid != 0


def _names(guests: list[str]) -> str:
    shown = [name.removeprefix("default/") for name in guests[:5]]
    return ", ".join(shown) + (f" and {len(guests) - 5} more" if len(guests) > 5 else "")


def orphan_told(orphan: Orphan) -> str:
    """Said before the wait for the guests, of one that nobody would expect."""
    what = orphan.shown[0].upper() + orphan.shown[1:]
    return f"{what} has no VM in the API any more; it is shut down with the others, and its volumes stay."


def summary(
    guests: list[str], *, orphans: int = 0, was_running: bool, had_guests: bool = False, took_s: float
) -> str:
    """`Stopped in 4.0 s. 1 VM was shut down (web-1); make up starts it again. Data kept.` `guests` are those
    that come back; `had_guests`: whether there were any at all.
    """
    if not was_running:
        return "Quantix does not run here; nothing to stop. Data kept."
    ended = ""
    if orphans:
        were = "were" if orphans != 1 else "was"
        ended = f" {counted(orphans, 'guest')} without a VM in the API {were} ended."
    if not guests:
        none = " No VM is left to start again." if had_guests else " No VM was running."
        return f"Stopped in {duration(took_s)}.{ended or none} Data kept."
    many = len(guests) != 1
    were, it = ("were", "them") if many else ("was", "it")
    return (
        f"Stopped in {duration(took_s)}. {counted(len(guests), 'VM')} {were} shut down ({_names(guests)}); "
        f"make up starts {it} again.{ended} Data kept."
    )
