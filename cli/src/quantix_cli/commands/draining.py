"""`qx host drain` and `qx host resume`: a host is emptied for maintenance, and takes VMs again.

spec.maintenance says what is wanted; the cluster moves the VMs, and this only watches.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import click

from quantix_api.conditions import condition_of, is_current
from quantix_api.message_text import cause_of, hint_of
from quantix_api.quantities import counted
from quantix_api.resources import HOSTS, LABEL_MAINTENANCE_OF, VIRTUAL_MACHINE_MIGRATIONS, VIRTUAL_MACHINES
from quantix_cli import fetch
from quantix_cli.commands.selecting import UNTOUCHED, confirm_selection
from quantix_cli.exits import CommandError, Exit
from quantix_cli.helping import Verb
from quantix_cli.nouns import NOUNS, Manifest, look
from quantix_cli.options import Invocation, write_options
from quantix_cli.selection import Selection, expand
from quantix_cli.session import Session, each
from quantix_cli.vm.migration import is_over, moved, not_moved

_POLL_S = 0.5
_BLOCKED_S = 10.0
"""A VM that says for so long why it does not leave, while nothing moves, will not by itself."""


def drain_command(_: str) -> click.Command:
    """The command `qx host drain`."""

    @click.command(
        "drain",
        cls=Verb,
        short_help="empty hosts for maintenance",
        examples=("qx host drain h2", "qx host drain h2 --timeout 1h", "qx host drain h2 --no-wait"),
    )
    @click.argument("names", nargs=-1, metavar="NAME...")
    @click.option("--no-wait", is_flag=True, help="Return once the API has accepted it.")
    @write_options
    def command(invocation: Invocation, names: tuple[str, ...], no_wait: bool) -> int:
        """Take a host out of service: it gets no new VMs, and those on it move to others while they run.

        What a VM does is its migration.onMaintenance: Migrate, Stop, or Block, which waits for a person. This
        waits for as long as VMs move on: --timeout is how long nothing may.
        """
        return _carry_out(invocation, names, wanted=True, wait=not no_wait)

    return command


def resume_command(_: str) -> click.Command:
    """The command `qx host resume`."""

    @click.command(
        "resume",
        cls=Verb,
        short_help="let hosts take VMs again after maintenance",
        examples=("qx host resume h2",),
    )
    @click.argument("names", nargs=-1, metavar="NAME...")
    @click.option("--no-wait", is_flag=True, help="Return once the API has accepted it.")
    @write_options
    def command(invocation: Invocation, names: tuple[str, ...], no_wait: bool) -> int:
        """End the maintenance of a host. VMs that have left it stay where they are now."""
        return _carry_out(invocation, names, wanted=False, wait=not no_wait)

    return command


def _carry_out(invocation: Invocation, names: tuple[str, ...], *, wanted: bool, wait: bool) -> int:
    verb = "drain" if wanted else "resume"
    if not names:
        raise CommandError(Exit.USAGE, "Which host?", f"qx host {verb} NAME")

    async def act(session: Session) -> Exit:
        selection = Selection(names=expand(names))
        picked, _ = await fetch.selected(session, NOUNS["host"], selection, untouched=UNTOUCHED)
        confirm_selection(verb.capitalize(), picked, NOUNS["host"], session)
        return await each(
            list(picked.objects), lambda host: _one(session, host, wanted=wanted, wait=wait), session
        )

    return invocation.run(act)


async def _one(session: Session, host: Manifest, *, wanted: bool, wait: bool) -> None:
    name, verb = host["metadata"]["name"], "drain" if wanted else "resume"
    if not wanted and not look(host, "spec.maintenance"):
        session.terminal.note(f"{name} is in no maintenance.")
        return
    patched = await session.write.patch(HOSTS, host, {"spec": {"maintenance": wanted}})
    if patched is None:
        return
    if not wait:
        session.terminal.note(f"{name}: {verb} accepted.")
        return
    if wanted:
        session.begun.instead = (
            f"Stopped watching; {name} goes on being emptied. See: qx host explain {name}; "
            f"qx host resume {name} takes it back"
        )
        await _until_empty(session, patched)
    else:
        await _until_open(session, patched)


@dataclass
class _Told:
    """What was said already, how far the moves were and since when, and since when nothing moves while a VM
    stays.
    """

    moved_on_s: float
    how_far: list[tuple[object, ...]] = field(default_factory=list)
    ended: set[str] = field(default_factory=set)
    blocked: str = ""
    stuck_since_s: float | None = None


async def _until_empty(session: Session, host: Manifest) -> None:
    """Tell who leaves, and end once nobody is left. Raises CommandError: 1 when what is left does not leave
    by itself, 8 after the session's time without any that came further.
    """
    name, generation, clock = host["metadata"]["name"], host["metadata"]["generation"], session.clock
    told = _Told(clock.monotonic())
    told.ended = {one["metadata"]["uid"] for one in await _moves(session, host) if is_over(one)}
    while True:
        host = await session.api.get(HOSTS, name)
        drained = condition_of(host, "Drained")
        moves = await _moves(session, host)
        _tell_ended(session, moves, told)
        if is_current(drained, generation) and drained.get("status") == "True":
            session.terminal.note(f"{name} is empty, and in maintenance until: qx host resume {name}")
            return
        now = clock.monotonic()
        _tell_blocked(session, drained, told)
        moving = any(not is_over(one) for one in moves)
        # what a silent host has begun does not go on either
        silent = condition_of(host).get("status") == "Unknown"
        stuck = drained.get("reason") == "Blocked" and (silent or not moving)
        since_s = now if told.stuck_since_s is None else told.stuck_since_s
        told.stuck_since_s = since_s if stuck else None
        if told.stuck_since_s is not None and now - told.stuck_since_s > _BLOCKED_S:
            raise await _not_empty(session, name, drained)
        if (how_far := _how_far(moves)) != told.how_far:
            told.how_far, told.moved_on_s = how_far, now
        if now - told.moved_on_s > session.timeout_s:
            left = await _left(session, name)
            said = f"{name} is not empty yet: {counted(left, 'VM')} on it. It goes on being emptied."
            raise CommandError(Exit.TIMED_OUT, said, f"qx host explain {name}")
        await clock.sleep(_POLL_S)


def _how_far(moves: list[Manifest]) -> list[tuple[object, ...]]:
    looked_at = ("metadata.uid", "status.phase", "status.progress.doneBytes")
    return sorted(tuple(str(look(one, path)) for path in looked_at) for one in moves)


def _tell_ended(session: Session, moves: list[Manifest], told: _Told) -> None:
    for one in moves:
        uid = one["metadata"]["uid"]
        if is_over(one) and uid not in told.ended:
            told.ended.add(uid)
            succeeded = look(one, "status.phase") == "Succeeded"
            session.terminal.note(session.terminal.plain(moved(one) if succeeded else not_moved(one).message))


def _tell_blocked(session: Session, drained: Manifest, told: _Told) -> None:
    why = cause_of(str(drained.get("message", ""))) if drained.get("reason") == "Blocked" else ""
    if why and why != told.blocked:
        session.terminal.note(session.terminal.plain(f"{why}."))
    told.blocked = why


async def _not_empty(session: Session, name: str, drained: Manifest) -> CommandError:
    left, message = await _left(session, name), str(drained.get("message", ""))
    said = f"{name} is not empty: {counted(left, 'VM')} on it. {cause_of(message)} (Blocked)."
    hint = f"{hint_of(message)}, or take it back: qx host resume {name}"
    return CommandError(Exit.FAILED, session.terminal.plain(said), hint)


async def _left(session: Session, name: str) -> int:
    selector = f"status.assignment.host={name}"
    return len((await session.api.list(VIRTUAL_MACHINES, None, field_selector=selector)).items)


async def _moves(session: Session, host: Manifest) -> list[Manifest]:
    """The migrations that were made to empty it."""
    selector = f"{LABEL_MAINTENANCE_OF}={host['metadata']['uid']}"
    listed = await session.api.list(VIRTUAL_MACHINE_MIGRATIONS, None, label_selector=selector)
    return fetch.in_order(listed.items)


async def _until_open(session: Session, host: Manifest) -> None:
    name, generation, clock = host["metadata"]["name"], host["metadata"]["generation"], session.clock
    begun = clock.monotonic()
    while True:
        said = condition_of(host, "Schedulable")
        if is_current(said, generation) and said.get("reason") != "Maintenance":
            break
        if clock.monotonic() - begun > session.timeout_s:
            raise CommandError(Exit.TIMED_OUT, f"{name} does not take VMs yet.", f"qx host explain {name}")
        await clock.sleep(_POLL_S)
        host = await session.api.get(HOSTS, name)
    if said.get("status") == "True":
        session.terminal.note(f"{name} takes VMs again.")
        return
    why = cause_of(str(said.get("message", "")))
    session.terminal.note(session.terminal.plain(f"{name} is out of maintenance, but takes no VMs: {why}."))
