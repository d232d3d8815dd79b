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
from quantix_cli.session import Session
from quantix_cli.vm import under_way
from quantix_cli.vm.under_way import UnderWay

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
    way = UnderWay(
        VIRTUAL_MACHINE_MIGRATIONS,
        is_over,
        vm,
        _way_of,
        f"{vm} has not moved yet",
        "The move goes on.",
        f"qx migration show {reference(migration, 'migration', session.namespace)}",
        _QUIET_S,
        between="  ",
        alone=watch.alone,
    )
    return await under_way.until_over(session, migration, way)


def _way_of(migration: Manifest) -> str:
    source, target = look(migration, "status.sourceHost"), look(migration, "status.targetHost")
    runs = f", runs on {target}" if look(migration, "status.source.mode") == "PostCopy" else ""
    return f"{look(migration, 'spec.virtualMachine')}: {source} → {target}{runs}"


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
    # by the word of the source alone: of others nobody knows, or the VM is gone
    runs_on = look(migration, "status.source.outcome") == "GaveUp" and reason not in _NOT_RUNNING
    stays = f" It goes on running on {source}." if runs_on else ""
    code = Exit.FAILED if look(migration, "status.startedAt") else Exit.REFUSED
    said = f"{vm} was not moved: {cause_of(message)} ({reason}).{stays}"
    return CommandError(code, said, hint_of(message) or f"qx vm explain {vm}")


def _seconds(began: str, ended: str) -> float:
    return max((parse_time(ended) - parse_time(began)).total_seconds(), 0.0)
