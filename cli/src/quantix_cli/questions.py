"""Asking before what cannot be taken back. Without a terminal a question ends the command: nothing hangs."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from quantix_cli.exits import CommandError, Exit, Interrupted
from quantix_cli.terminal import Terminal

_LISTED = 10


def confirm_name(
    question: str, effects: Sequence[str], name: str, *, given: str | None, terminal: Terminal
) -> None:
    """As `confirm`, for what is graver: the name is typed, or `given` by --confirm; --yes is no answer."""
    for effect in effects:
        terminal.note(f"  {terminal.plain(effect)}")
    if given is None and not sys.stdin.isatty():
        said = f"{question} Nobody can be asked here; nothing was changed."
        raise CommandError(Exit.USAGE, said, f"--confirm {name}")
    if given is None:
        given = _answer(f"{question} Type {name}: ")
    if given != name:
        raise CommandError(Exit.FAILED, "That is another name. Nothing was changed.")


def confirm(
    question: str,
    effects: Sequence[str],
    *,
    assume_yes: bool,
    terminal: Terminal,
    always_told: Sequence[str] = (),
) -> None:
    """Show what would happen and ask. `always_told`: those of the effects that are told even where nothing
    is asked, and however many, such as data that goes. Raises CommandError: 2 without a terminal, 1 when the
    answer is no.
    """
    others = [] if assume_yes else [effect for effect in effects if effect not in always_told]
    _tell([*always_told, *others], terminal, at_least=len(always_told))
    if assume_yes:
        return
    if not sys.stdin.isatty():
        raise CommandError(Exit.USAGE, f"{question} Nobody can be asked here; nothing was changed.", "--yes")
    if _answer(f"{question} [y/N] ").lower() not in ("y", "yes"):
        raise CommandError(Exit.FAILED, "Nothing was changed.")


def _answer(question: str) -> str:
    """The line that is typed after `question`. Raises Interrupted: nothing is done before."""
    try:
        with _interrupts_at_once():
            print(question, end="", file=sys.stderr, flush=True)
            return sys.stdin.readline().strip()
    except KeyboardInterrupt as error:
        raise Interrupted("Nothing was changed.") from error


@contextmanager
def _interrupts_at_once() -> Iterator[None]:
    """asyncio's handler of Ctrl-C only has the task cancelled once the loop gets to it, and reading goes on
    until Enter. A handler that was set to nothing stays. Raises KeyboardInterrupt at once for a Ctrl-C that
    came before, and that the loop has not got to yet.
    """
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(before):
        yield
        return
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        if _is_being_cancelled():
            raise KeyboardInterrupt
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _is_being_cancelled() -> bool:
    from asyncio import current_task  # late: who asks without a loop need not load it

    try:
        task = current_task()
    except RuntimeError:
        return False
    return task is not None and task.cancelling() > 0


def _tell(effects: Sequence[str], terminal: Terminal, *, at_least: int) -> None:
    listed = max(_LISTED, at_least)
    for effect in effects[:listed]:
        terminal.note(f"  {terminal.plain(effect)}")
    if len(effects) > listed:
        terminal.note(f"  and {len(effects) - listed} more")


def choose(question: str, names: Sequence[str], option: str, *, terminal: Terminal) -> str:
    """Which of `names` is meant. Raises CommandError: 2 without a terminal, 1 for any other word."""
    known = ", ".join(names)
    if not sys.stdin.isatty():
        said = f"{question} There are {known}, and none is marked default."
        raise CommandError(Exit.USAGE, said, f"{option} {names[0]}")
    answer = _answer(f"{question} [{terminal.plain(known)}] ")
    if answer not in names:
        raise CommandError(Exit.FAILED, "That is none of them. Nothing was changed.")
    return answer
