"""The word with which a machine joins."""

import base64
import json
import zlib
from dataclasses import asdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quantix_api.errors import PermanentError
from quantix_cli.commands.adding_host import joining_line
from quantix_cli.joining_word import JoiningWord, parse_word, render_word

WORD = JoiningWord(
    server="https://10.0.0.11:6443",
    authority_pem="-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n",
    host="h2",
    southbound="ssl:10.0.0.11:6642",
    token="abcdef.0123456789abcdef",
)


def packed(document: object) -> str:
    return "qx1." + base64.urlsafe_b64encode(zlib.compress(json.dumps(document).encode())).decode()


@given(st.builds(JoiningWord, *[st.text(min_size=1)] * 5))
def test_what_was_written_is_read_again(word: JoiningWord) -> None:
    assert parse_word(render_word(word)) == word


def test_a_shell_reads_the_word_as_one() -> None:
    allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_."
    assert set(render_word(WORD)) <= set(allowed)
    assert joining_line(WORD) == f"echo {render_word(WORD)} | make join"


def test_a_word_that_a_terminal_broke_into_lines_is_whole() -> None:
    text = render_word(WORD)
    assert parse_word(f"  {text[:20]}\n{text[20:50]} \r\n{text[50:]}\n") == WORD


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "hello",
        "qx1.",
        "qx1.%%%",
        "qx1.é",
        render_word(WORD)[:-9],
        render_word(WORD)[9:],
        packed([]),
        packed("x"),
        packed({}),
        packed({**asdict(WORD), "host": ""}),
        packed({**asdict(WORD), "token": 7}),
        packed({**asdict(WORD), "server": "x" * 200_000}),
    ],
)
def test_what_is_no_word_is_refused_with_the_way_out(text: str) -> None:
    with pytest.raises(PermanentError) as refused:
        parse_word(text)
    assert refused.value.reason == "WordRefused"
    assert "qx host add" in refused.value.hint


def test_the_token_is_in_no_text_of_the_word_as_an_object() -> None:
    assert WORD.token not in repr(WORD)
