"""The form of what people read: `SENTENCE. Try: HINT.` Put together and taken apart here alone."""

from __future__ import annotations

from collections.abc import Sequence

from quantix_api.message_table_phrases import AND_MORE

_NAMED = 3
_NAMES = ("Quantix", "AppArmor")
_TRY = " Try: "
_PROMISES = ("; it goes on by itself", "; it then goes on by itself")


def text_of(sentence: str, hint: str) -> str:
    """The whole, of a sentence with its full stop and a hint without one, "" for none. `hint_of` finds this
    hint in it, whatever the sentence quotes.
    """
    return f"{quoted(sentence)}{_TRY}{hint}." if hint else sentence


def quoted(said: str) -> str:
    """Names and words from outside as a sentence may hold them: they are no advice of ours."""
    return said.replace(_TRY.lstrip(), _TRY.lstrip().lower())


def first_of(items: Sequence[str]) -> str:
    """`a, b, c and 2 more`: of many hosts, say, those that a sentence has room for."""
    named, more = ", ".join(items[:_NAMED]), len(items) - _NAMED
    return AND_MORE.format(named=named, more=more) if more > 0 else named


def sentence_of(text: str) -> str:
    """What is said, without the hint."""
    return text.partition(_TRY)[0]


def cause_of(text: str) -> str:
    """What is said, without the hint and the final full stop: to be said within another sentence."""
    return sentence_of(text).rstrip(".")


def within(said: str) -> str:
    """A sentence as it goes on after a colon: with a small letter, unless it begins with a name or with an
    abbreviation.
    """
    first = said.split(" ", 1)[0]
    return said if first in _NAMES or first[1:2].isupper() else f"{said[:1].lower()}{said[1:]}"


def hint_of(text: str) -> str:
    """The way out that is named, "" without one."""
    return text.partition(_TRY)[2].rstrip(".")


def without_promise(hint: str) -> str:
    """A hint without the words that it goes on by itself: it does not, or that was said before."""
    for promise in _PROMISES:
        hint = hint.removesuffix(promise)
    return hint


def without_promises(hint: str) -> str:
    """A hint without all that says that something goes on by itself, "" where nothing else is to be done."""
    parts = (part for part in hint.split("; ") if "by itself" not in part)
    return "; ".join(part for part in parts if part != "nothing")
