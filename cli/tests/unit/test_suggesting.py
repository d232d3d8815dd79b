"""The commands that `qx` suggests lead to the namespace that the command was in."""

from __future__ import annotations

import pytest

from quantix_api.message_template import Template
from quantix_api.messages import TABLE, fields_of
from quantix_cli.nouns import NOUNS
from quantix_cli.suggesting import IN_NAMESPACES, Here, in_namespace
from quantix_cli.terminal import Terminal


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("qx vm explain web-1", "qx vm explain -n shop web-1"),
        ("qx explain vm/web-1", "qx explain -n shop vm/web-1"),
        ("qx volume list", "qx volume list -n shop"),
        (
            "web-1 runs at 10.0.0.1.   qx vm console web-1",
            "web-1 runs at 10.0.0.1.   qx vm console -n shop web-1",
        ),
        (
            "qx vm detach web-1 n, then qx vm attach web-1 --network a",
            "qx vm detach -n shop web-1 n, then qx vm attach -n shop web-1 --network a",
        ),
        (
            "qx vm explain db-1 -n other; qx vm stop db-1 ends this",
            "qx vm explain db-1 -n other; qx vm stop -n shop db-1 ends this",
        ),
        ("qx image explain shared/tiny", "qx image explain shared/tiny"),
        ("qx image list, qx image list 'shared/*'", "qx image list -n shop, qx image list 'shared/*'"),
        ("qx explain image/shared/tiny", "qx explain image/shared/tiny"),
        ("qx vm create --help", "qx vm create --help"),
        ("qx host explain h1; qx pool list", "qx host explain h1; qx pool list"),
        ("qx status", "qx status"),
    ],
)
def test_a_command_says_where_it_is_to_look(said: str, told: str) -> None:
    assert in_namespace(said, "shop") == told
    # however often it comes by
    assert in_namespace(told, "shop") == told


@pytest.mark.parametrize("template", TABLE, ids=lambda t: f"{t.reason}-{t.where}")
def test_every_command_of_the_table_of_messages_gets_it(template: Template) -> None:
    values = dict.fromkeys(fields_of(template), "web-1")
    text = f"{template.sentence.format(**values)} {template.hint.format(**values)}"
    named = sum(text.count(f"qx {noun} ") for noun in IN_NAMESPACES)
    assert in_namespace(text, "shop").count(" -n shop") == named


def test_the_nouns_are_those_whose_objects_lie_in_namespaces() -> None:
    namespaced = {word for word, noun in NOUNS.items() if noun.resource.namespaced}
    assert set(IN_NAMESPACES) == namespaced


def test_where_a_plain_command_would_look_it_stays_plain(capsys: pytest.CaptureFixture[str]) -> None:
    terminal = Terminal(is_tty=False, colour=False, unicode=True, width=None, here=Here("shop", "shop"))
    terminal.error("No.", "qx vm list")
    terminal.here.plain = "default"
    terminal.error("No.", "qx vm list")
    terminal.here.namespace = None
    terminal.error("No.", "qx vm list")
    terminal.error("No.", "qx vm explain web-1", "other")
    hints = capsys.readouterr().err.splitlines()[1::2]
    assert [hint.removeprefix("Try: qx vm ") for hint in hints] == [
        "list",
        "list -n shop",
        "list -A",
        "explain -n other web-1",
    ]


def test_of_all_namespaces_all_are_listed_and_nothing_else_is_said_of_where_to_look() -> None:
    everywhere = Here(None, "default")
    assert everywhere.told("qx vm list; qx vm explain web-1") == "qx vm list -A; qx vm explain web-1"
    assert everywhere.told("qx vm list -n shop, qx image list 'shared/*'") == (
        "qx vm list -n shop, qx image list 'shared/*'"
    )
    assert everywhere.told("qx vm list --help, qx pool list") == "qx vm list --help, qx pool list"
    # as long as nobody has said which
    assert Here().told("qx vm list") == "qx vm list"
