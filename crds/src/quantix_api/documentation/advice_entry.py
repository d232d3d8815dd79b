"""The form of one piece of advice."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Advice:
    """Markdown: `look` says where to look, `do` what to do beyond what the message says. Both are whole
    sentences.
    """

    look: str
    do: str


def waits(look: str, otherwise: str) -> Advice:
    """Advice for what goes on by itself; `otherwise` says what is so when it does not."""
    return Advice(look, f"Nothing: it goes on by itself. {otherwise}")
