"""What is said of work that never comes to its end: once all is done that was planned, as much is to do.

Used by the controllers of every kind. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable

from quantix_api.conditions import INTERNAL_ERROR
from quantix_api.errors import InvariantError
from quantix_api.message_table_phrases import DONE_AGAIN
from quantix_api.messages import as_error


def endless(actions: Iterable[object]) -> InvariantError:
    """The bug, with the kinds of what was planned last."""
    named = ", ".join(dict.fromkeys(type(action).__name__ for action in actions))
    return as_error(InvariantError, INTERNAL_ERROR, said=DONE_AGAIN.format(actions=named))
