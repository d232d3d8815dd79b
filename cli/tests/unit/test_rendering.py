"""Tables of objects: which columns, in which order, and how objects elsewhere are called."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from quantix_cli.exits import CommandError
from quantix_cli.nouns import NOUNS, World
from quantix_cli.rendering import (
    View,
    nothing,
    object_stream,
    object_text,
    refuse_unknown_columns,
    table_lines,
)
from quantix_cli.terminal import Terminal

SEEN = World(datetime(2026, 11, 24, tzinfo=UTC), {})
PIPE = Terminal(is_tty=False, colour=False, unicode=True, width=None)


def image(name: str, namespace: str = "default", size: str = "1Gi") -> dict[str, Any]:
    return {
        "kind": "Image",
        "metadata": {"name": name, "namespace": namespace, "creationTimestamp": "2026-11-23T23:00:00Z"},
        "status": {
            "virtualSize": size,
            "conditions": [{"type": "Ready", "status": "True", "reason": "Verified"}],
        },
    }


def lines(*images: dict[str, Any], **view: Any) -> list[list[str]]:
    wanted = View(PIPE, **{"home": "default", **view})
    return [line.split() for line in table_lines(images, NOUNS["image"], SEEN, wanted)]


def test_a_shared_object_is_called_as_it_can_be_typed() -> None:
    assert lines(image("tiny", "quantix-shared"))[1][0] == "shared/tiny"
    assert lines(image("tiny", "quantix-shared"), home="quantix-shared")[1][0] == "tiny"


def test_the_namespace_is_shown_where_there_may_be_several_or_when_asked_for() -> None:
    assert lines(image("a"), home=None)[1][:2] == ["default", "a"]
    assert lines(image("a"), columns=("NAME", "NAMESPACE")) == [["NAME", "NAMESPACE"], ["a", "default"]]


def test_sizes_are_sorted_by_amount() -> None:
    sizes = ("9Gi", "512Mi", "10Gi", "2Ti")
    shown = lines(*(image(size.lower(), size=size) for size in sizes), sort="SIZE", columns=("NAME",))
    assert [line[0] for line in shown[1:]] == ["512mi", "9gi", "10gi", "2ti"]


def test_wide_shows_exact_times() -> None:
    assert "60m" in lines(image("a"))[1]
    assert "2026-11-23T23:00:00Z" in lines(image("a"), wide=True)[1]


def test_a_column_that_is_not_there_is_refused_and_the_others_are_named() -> None:
    refuse_unknown_columns(NOUNS["image"], ["SIZE", "NAMESPACE"])
    with pytest.raises(CommandError, match="There is no column NAMESPACE"):
        refuse_unknown_columns(NOUNS["host"], ["NAMESPACE"])


def test_an_empty_list_says_where_more_may_be() -> None:
    assert nothing(NOUNS["image"], View(PIPE, "default")).endswith("qx image list 'shared/*'")
    assert nothing(NOUNS["vm"], View(PIPE, "default")) == "0 VMs"
    assert nothing(NOUNS["image"], View(PIPE, None)) == "0 images"


def test_objects_are_a_list_or_one_after_the_other() -> None:
    noun = NOUNS["image"]
    assert object_text([image("a"), image("b")], noun, "name").split() == [
        "images.quantix.io/a", "images.quantix.io/b",
    ]  # fmt: skip
    assert object_text([], noun, "json").startswith("{")
    assert "\n" not in object_stream(image("a"), noun, "json")
    assert object_stream(image("a"), noun, "yaml").startswith("---\nkind: Image\n")
