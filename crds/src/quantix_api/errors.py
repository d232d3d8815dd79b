"""The errors of every Quantix component: each knows its reason, its message and the way out.

Raised by clients (which translate foreign exceptions at the edge) and by planners; read by the reconcile
loops, which map class and reason to condition, event and requeue. Nothing here prints or exits.
"""

from __future__ import annotations

from quantix_api.message_text import text_of


class QuantixError(Exception):
    """An error that a user can be told about.

    `reason` is CamelCase and stable; `message` says what happened and why, with names and numbers;
    `hint` is what to do about it ("" when there is nothing to do).
    """

    def __init__(self, reason: str, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return text_of(self.message, self.hint)


class WaitingError(QuantixError):
    """Nothing is wrong: something else has to happen first. Look again after `retry_after_s` seconds."""

    def __init__(self, reason: str, message: str, hint: str = "", *, retry_after_s: float = 2.0) -> None:
        super().__init__(reason, message, hint)
        self.retry_after_s = retry_after_s


class TransientError(QuantixError):
    """It failed this time and may work the next: retried with exponential backoff."""


class PermanentError(QuantixError):
    """It cannot work until a user changes the spec (or the machine)."""


class InvariantError(QuantixError):
    """Something that must never happen did: a bug, or a foreign hand. Stop, report, touch nothing."""
