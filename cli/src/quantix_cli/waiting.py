"""Waits until an object is as it was asked for, and says on the way what it waits for.

Used by every command whose work takes time. Interrupting it stops nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from quantix_api.conditions import condition_of, is_current
from quantix_api.message_text import cause_of
from quantix_api.resources import VIRTUAL_MACHINES
from quantix_cli.ending import ONCE_DONE, End, end_of, never_came
from quantix_cli.exits import CommandError, Exit
from quantix_cli.naming import reference
from quantix_cli.nouns import Manifest, Noun, look
from quantix_cli.progress_bar import ProgressBar
from quantix_cli.session import Session
from quantix_client.errors import Forbidden, NotFound

_POLL_S = 0.2
# what comes about by itself in this time is not worth a line
_QUIET_S = 3.0
NO_PLACE_S = 10.0
"""A VM that is being stopped, or a host that comes back, makes room in this time."""
# what keeps a VM off every host; only who asks for less or makes room changes that
_NO_PLACE = frozenset(
    {"NotEnoughMemory", "NotEnoughCPU", "DeviceUnavailable", "NoHostFits", "AntiAffinity", "HAReserve"}
)
# what a clone is made from is made by another VM, which has no place itself
_SOURCE_HAS_NO_PLACE = "WaitingForHost"


@dataclass(frozen=True)
class Wait:
    """What is told on the way, and what ends a wait in vain. `vm` is the one that has the object: what that
    waits for is told while the object itself is Ready. `ended_by`: what keeps that which is waited for, where
    it is not all of the object; None: what its Ready says. `said_by`: the condition that tells what is waited
    for. `gives_up`: how a command ends then.
    """

    gives_up: Exit = Exit.FAILED
    vm: Manifest | None = None
    ended_by: Callable[[Manifest], End | None] | None = None
    said_by: Callable[[Manifest], Manifest] = condition_of


_PLAIN = Wait()


async def until(
    session: Session,
    noun: Noun,
    obj: Manifest,
    is_done: Callable[[Manifest], bool],
    wait: Wait = _PLAIN,
) -> Manifest:
    """The object once `is_done`, looked at anew since the generation of `obj`.

    Raises EndedError: `wait.gives_up` when nothing will change it without a user (a VM that no host takes
    has 10 s for that); CommandError: 8 after the session's time.
    """
    bar = ProgressBar(obj["metadata"]["name"], session.terminal)
    try:
        return await _until(session, noun, obj, is_done, wait, bar)
    finally:
        bar.erase()


async def _until(
    session: Session,
    noun: Noun,
    obj: Manifest,
    is_done: Callable[[Manifest], bool],
    wait: Wait,
    bar: ProgressBar,
) -> Manifest:
    clock = session.clock
    name, namespace = obj["metadata"]["name"], obj["metadata"].get("namespace")
    generation = obj["metadata"]["generation"]
    explain = f"qx {noun.word} explain {reference(obj, noun.word, session.namespace)}"
    begun, said, placeless_s = clock.monotonic(), "", 0.0
    while True:
        if is_done(obj):
            return obj
        placeless_s = placeless_s + _POLL_S if has_no_place(obj, generation) else 0.0
        end = await _end(session, noun, obj, wait, placeless_s, generation)
        if end is not None:
            raise end.error(wait.gives_up, obj, explain)
        told_by = await _told_by(session, obj, wait.vm)
        said_by = wait.said_by if told_by is obj else condition_of
        waiting, ready = _waits_for(told_by, said_by), said_by(told_by)
        if clock.monotonic() - begun > session.timeout_s:
            last = f": {waiting}" if waiting else ""
            raise CommandError(Exit.TIMED_OUT, f"{name} is not there yet{last}.", explain)
        is_news = waiting not in ("", said) and ready.get("status") != "True"
        if is_news and clock.monotonic() - begun > _QUIET_S:
            bar.erase()
            session.terminal.note(f"{told_by['metadata']['name']}: {session.terminal.plain(waiting)}.")
            said = waiting
        _show_progress(bar, obj)
        await clock.sleep(_POLL_S)
        obj = await session.api.get(noun.resource, name, namespace)


async def _told_by(session: Session, obj: Manifest, vm: Manifest | None) -> Manifest:
    """Who says what is waited for: the object, or while that is Ready the VM that has it and is not."""
    if vm is None or condition_of(obj).get("status") == "False":
        return obj
    try:
        seen = await session.api.get(VIRTUAL_MACHINES, vm["metadata"]["name"], vm["metadata"]["namespace"])
    except (NotFound, Forbidden):
        return obj
    return seen if condition_of(seen).get("status") == "False" else obj


async def _end(
    session: Session, noun: Noun, obj: Manifest, wait: Wait, placeless_s: float, generation: int
) -> End | None:
    """What ends the wait now, if anything does."""
    if placeless_s > NO_PLACE_S:
        return End(str(condition_of(obj).get("message", "")), ONCE_DONE)
    if wait.ended_by is not None:
        return wait.ended_by(obj)
    return end_of(obj, generation) or await never_came(session, noun, obj, generation)


def _show_progress(bar: ProgressBar, obj: Manifest) -> None:
    done, total = (look(obj, f"status.progress.{key}") for key in ("doneBytes", "totalBytes"))
    if done and total:
        bar.show(done, total)


def has_no_place(vm: Manifest, generation: int) -> bool:
    """Whether no host takes the VM that was written at `generation`, or the one whose disks it copies.

    A host that is away may come back: that is worth waiting for.
    """
    ready = condition_of(vm)
    waits = ready.get("status") != "True" and is_current(ready, generation)
    unfit = look(vm, "status.unfitHosts", [])
    away = any(group.get("away", False) for group in unfit)
    if waits and ready.get("reason") == _SOURCE_HAS_NO_PLACE:
        return True
    return waits and ready.get("reason") in _NO_PLACE and bool(unfit) and not away


def _waits_for(obj: Manifest, said_by: Callable[[Manifest], Manifest]) -> str:
    """What it says of itself, with how far it has come where no bar can show that."""
    percent = look(obj, "status.progress.percent")
    said = cause_of(str(said_by(obj).get("message", "")))
    shown = look(obj, "status.progress.totalBytes") is not None
    return f"{said}, {percent} %" if said and percent is not None and not shown else said


def is_ready(obj: Manifest, generation: int, reason: str = "") -> bool:
    """Whether it is Ready, for that `reason` where one is given, as of the generation that was written."""
    ready = condition_of(obj)
    return (
        is_current(ready, generation)
        and ready.get("status") == "True"
        and reason in ("", ready.get("reason"))
    )
