"""An object that something comes of once, as it is watched: a bar while it tells its progress, else a line
with what it waits for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from quantix_api.conditions import condition_of
from quantix_api.message_text import cause_of, hint_of
from quantix_api.resources import Resource
from quantix_cli.exits import CommandError, Exit
from quantix_cli.nouns import Manifest, look
from quantix_cli.progress_bar import ProgressBar
from quantix_cli.session import Session

_POLL_S = 0.2


@dataclass(frozen=True)
class UnderWay:
    """What is watched. `is_over`: whether an object of `resource` has ended, however. `name` begins the lines
    about it, and `title` the bar, which is left out where others are watched beside it (not `alone`). Of one
    that takes too long is told what is `unfinished`, what `goes_on`, and the command that shows it.
    `quiet_s`: what comes about within this time is not worth a line.
    """

    resource: Resource
    is_over: Callable[[Manifest], bool]
    name: str
    title: Callable[[Manifest], str]
    unfinished: str
    goes_on: str
    command: str
    quiet_s: float
    between: str = ": "
    alone: bool = True


async def until_over(session: Session, obj: Manifest, way: UnderWay) -> Manifest:
    """The object once it has ended. Raises CommandError: 8 after the session's time."""
    bar = ProgressBar(way.name, session.terminal, between=way.between)
    try:
        return await _watch(session, obj, way, bar)
    finally:
        bar.erase()


async def _watch(session: Session, obj: Manifest, way: UnderWay, bar: ProgressBar) -> Manifest:
    clock, about = session.clock, obj["metadata"]
    begun, said = clock.monotonic(), ""
    while not way.is_over(obj):
        waited_s = clock.monotonic() - begun
        message = str(condition_of(obj).get("message", ""))
        waits_for, help_ = cause_of(message), hint_of(message)
        if waited_s > session.timeout_s:
            last = f": {waits_for}" if waits_for else ""
            told = f"{way.unfinished}{last}. {way.goes_on}"
            first = "" if not help_ or help_.startswith("nothing") else f"{help_}. "
            hint = session.terminal.plain(f"{first}{way.command}")
            raise CommandError(Exit.TIMED_OUT, session.terminal.plain(told), hint)
        shown = way.alone and _show(bar, way.title(obj), obj)
        if waits_for not in ("", said) and waited_s > way.quiet_s and not shown:
            bar.erase()
            session.terminal.note(session.terminal.plain(f"{way.name}: {waits_for}."))
            said = waits_for
        await clock.sleep(_POLL_S)
        obj = await session.api.get(way.resource, about["name"], about["namespace"])
    return obj


def _show(bar: ProgressBar, title: str, obj: Manifest) -> bool:
    done, total = (look(obj, f"status.progress.{key}") for key in ("doneBytes", "totalBytes"))
    if not done or not total:
        return False
    bar.name = title
    bar.show(done, total)
    return True
