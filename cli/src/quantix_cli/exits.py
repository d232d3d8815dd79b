"""The exit codes of `qx`: part of its interface, used by every command and by nothing else."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from quantix_api.messages import Message


class Exit(IntEnum):
    """What the shell learns. Of several objects the highest code counts."""

    DONE = 0  # done, or it was already so
    FAILED = 1
    USAGE = 2
    NO = 3  # the answer is no: status, doctor, plan and drill found a problem
    NOT_ALLOWED = 4
    NOT_FOUND = 5
    REFUSED = 6  # validation, quota, conflict
    UNREACHABLE = 7
    TIMED_OUT = 8  # the work goes on
    INTERRUPTED = 130


class CommandError(Exception):
    """Ends a command: what happened and why, the way out, and the exit code.

    Raised anywhere below `main`, which prints it to stderr. A command that touches several objects collects
    these and raises the gravest.
    """

    def __init__(self, exit_code: Exit, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.exit_code = exit_code
        self.message = message
        self.hint = hint


class Interrupted(BaseException):
    """Ctrl-C, where it is known what has become of the command: `main` and `make` print that. No
    KeyboardInterrupt, which click would replace by an exception of its own.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


def refused(message: Message, hint: str | None = None) -> CommandError:
    """What is refused (6) for a reason of the table of messages; `hint` where its own does not fit here."""
    return CommandError(Exit.REFUSED, message.sentence_with_reason, message.hint if hint is None else hint)
