"""A migration as it is watched: how far it is, what it waits for, and how it ended."""

from __future__ import annotations

from dataclasses import dataclass

from quantix_api.conditions import condition_of
from quantix_api.message_text import cause_of, hint_of
from quantix_api.resources import VIRTUAL_MACHINE_MIGRATIONS
from quantix_api.times import parse_time
from quantix_cli.exits import CommandError, Exit
from quantix_cli.measures import duration
from quantix_cli.naming import reference
from quantix_cli.nouns import Manifest, look
from quantix_cli.progress_bar import ProgressBar
from quantix_cli.session import Session

_POLL_S = 0.2
# twice as long as a small VM takes: from then on it is told what it waits for
_QUIET_S = 5.0
_NOT_RUNNING = ("NotRunning", "PostCopyFailed")


@dataclass(frozen=True)
class Watch:
    """Whether to wait at all, and whether one is watched alone: several at once have no bar each."""

    wait: bool = True
    alone: bool = True


def is_over(migration: Manifest) -> bool:
    """Whether it has ended, however."""
    return bool(look(migration, "status.finishedAt"))


async def until_over(session: Session, migration: Manifest, watch: Watch) -> Manifest:
    """The migration once it has ended. Raises CommandError: 8 after the session's time."""
    vm = look(migration, "spec.virtualMachine")
    bar = ProgressBar(vm, session.terminal, between="  ")
    try:
        return await _until_over(session, migration, watch, bar)
    finally:
        bar.erase()


async def _until_over(session: Session, migration: Manifest, watch: Watch, bar: ProgressBar) -> Manifest:
    name, namespace = migration["metadata"]["name"], migration["metadata"]["namespace"]
    vm, clock = look(migration, "spec.virtualMachine"), session.clock
    begun, said = clock.monotonic(), ""
    while not is_over(migration):
        waited_s = clock.monotonic() - begun
        waits_for = cause_of(str(condition_of(migration).get("message", "")))
        if waited_s > session.timeout_s:
            last = f": {waits_for}" if waits_for else ""
            named = reference(migration, "migration", session.namespace)
            told = f"{vm} has not moved yet{last}. The move goes on."
            raise CommandError(Exit.TIMED_OUT, session.terminal.plain(told), f"qx migration show {named}")
        shown = watch.alone and _show(bar, migration)
        if waits_for not in ("", said) and waited_s > _QUIET_S and not shown:
            bar.erase()
            session.terminal.note(session.terminal.plain(f"{vm}: {waits_for}."))
            said = waits_for
        await clock.sleep(_POLL_S)
        migration = await session.api.get(VIRTUAL_MACHINE_MIGRATIONS, name, namespace)
    return migration


def _show(bar: ProgressBar, migration: Manifest) -> bool:
    done, total = (look(migration, f"status.progress.{key}") for key in ("doneBytes", "totalBytes"))
    if not done or not total:
        return False
    source, target = look(migration, "status.sourceHost"), look(migration, "status.targetHost")
    runs = f", runs on {target}" if look(migration, "status.source.mode") == "PostCopy" else ""
    bar.name = f"{look(migration, 'spec.virtualMachine')}: {source} → {target}{runs}"
    bar.show(done, total)
    return True


def moved(migration: Manifest) -> str:
    """`web-1 moved to h1 in 2.6 s; it paused for 0.3 s.` Pure."""
    vm, target = look(migration, "spec.virtualMachine"), look(migration, "status.targetHost")
    began, ended = look(migration, "status.startedAt"), look(migration, "status.finishedAt")
    took = f" in {duration(_seconds(began, ended))}" if began and ended else ""
    paused = look(migration, "status.source.downtimeMilliseconds")
    still = f"; it paused for {duration(paused / 1000)}" if paused is not None else ""
    return f"{vm} moved to {target}{took}{still}."


def not_moved(migration: Manifest) -> CommandError:
    """How a command ends whose move did not succeed: refused before it began, or failed on the way. Pure."""
    vm, ready = look(migration, "spec.virtualMachine"), condition_of(migration)
    reason, message = str(ready.get("reason", "")), str(ready.get("message", ""))
    source = look(migration, "status.sourceHost")
    stays = f" It goes on running on {source}." if source and reason not in _NOT_RUNNING else ""
    code = Exit.FAILED if look(migration, "status.startedAt") else Exit.REFUSED
    said = f"{vm} was not moved: {cause_of(message)} ({reason}).{stays}"
    return CommandError(code, said, hint_of(message) or f"qx vm explain {vm}")


def _seconds(began: str, ended: str) -> float:
    return max((parse_time(ended) - parse_time(began)).total_seconds(), 0.0)
