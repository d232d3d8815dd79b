"""What `qx vm delete` says before it deletes."""

from __future__ import annotations

from typing import Any

import pytest

from quantix_cli.commands.deleting import effects
from quantix_cli.main import interrupted_words
from quantix_cli.nouns import NOUNS

VM: dict[str, Any] = {"metadata": {"name": "web-1", "uid": "u"}}
OWNED: dict[str, Any] = {"metadata": {"name": "web-1-root", "ownerReferences": [{"uid": "u"}]}}
KEPT: dict[str, Any] = {"metadata": {"name": "web-1-data"}}


@pytest.mark.parametrize(
    ("disks", "volumes", "told"),
    [
        ([OWNED, KEPT], False, "VM web-1 (deletes web-1-root; keeps web-1-data)"),
        ([OWNED, KEPT], True, "VM web-1 (deletes web-1-root, web-1-data)"),
        ([], False, "VM web-1"),
    ],
)
def test_it_names_the_disks_that_go_and_those_that_stay(
    disks: list[dict[str, Any]], volumes: bool, told: str
) -> None:
    assert effects(NOUNS["vm"], [VM], {"u": disks}, volumes=volumes) == [told]


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (["vm", "list"], "Stopped watching."),
        (["vm", "restart"], "Stopped watching; work that was begun goes on."),
    ],
)
def test_an_interrupted_command_says_what_goes_on(command: list[str], said: str) -> None:
    assert interrupted_words(command) == said
