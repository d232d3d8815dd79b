"""The form of one message in the table of messages."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Template:
    """A sentence and a hint with `{fields}`. A reason may have several, told apart by their fields.

    `where` names who shows it: kinds, or `refusal`, `client`, `host`, `log`.
    """

    reason: str
    where: str
    sentence: str
    hint: str = ""


NOTHING_TO_DO = "nothing; it goes on by itself"
ANOTHER = "take another one"
