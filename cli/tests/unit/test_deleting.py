"""What `qx vm delete` says before it deletes."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from quantix_api.layout import Layout
from quantix_api.resources import Resource
from quantix_cli.cluster import Target
from quantix_cli.commands.deleting import effects, is_of, remove_object
from quantix_cli.main import interrupted_words
from quantix_cli.nouns import NOUNS
from quantix_cli.session import Session
from quantix_cli.terminal import Terminal
from quantix_client.api import ApiClient
from quantix_client.errors import NotFound
from quantix_lab.clocks import HastyClock

VM: dict[str, Any] = {"metadata": {"name": "web-1", "namespace": "a", "uid": "u"}}
OWNED: dict[str, Any] = {"metadata": {"name": "web-1-root", "ownerReferences": [{"uid": "u"}]}}
# as many as there are in a few seconds
_LOOKS = 20
KEPT: dict[str, Any] = {"metadata": {"name": "web-1-data"}}


@pytest.mark.parametrize(
    ("disks", "volumes", "told"),
    [
        ([OWNED, KEPT], False, "VM web-1 (deletes web-1-root with all data; keeps web-1-data)"),
        ([OWNED, KEPT], True, "VM web-1 (deletes web-1-root, web-1-data with all data)"),
        ([], False, "VM web-1"),
    ],
)
def test_it_names_the_disks_that_go_and_those_that_stay(
    disks: list[dict[str, Any]], volumes: bool, told: str
) -> None:
    assert effects(NOUNS["vm"], [VM], {"u": disks}, volumes=volumes) == [told]


def test_a_volume_that_goes_with_the_vm_is_found_without_its_mark() -> None:
    marked = {"metadata": {"name": "web-1-data", "labels": {"quantix.io/virtual-machine-uid": "u"}}}
    assert [is_of(volume, VM) for volume in (OWNED, marked, KEPT)] == [True, True, False]


class Leaving:
    """A VM on its way out, of which its host says `message`, and then it is gone."""

    def __init__(self, message: str) -> None:
        ready = {"type": "Ready", "status": "False", "reason": "Deleting", "message": message}
        self._answers = [{**VM, "status": {"conditions": [ready]}}] * _LOOKS

    async def delete(self, *_: Any, **__: Any) -> None:
        """It begins to leave."""

    async def get(self, resource: Resource, name: str, namespace: str | None) -> dict[str, Any]:
        if self._answers:
            return self._answers.pop()
        raise NotFound(name)


@pytest.mark.parametrize("message", ["It is \x1b[2Jgone", "It is \x9b2Jgone", "It is \u202egone"])
async def test_what_a_host_says_meanwhile_does_not_steer_the_terminal(
    message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    leaving, terminal = Leaving(message), Terminal(is_tty=True, colour=True, unicode=True, width=80)
    target = Target(Path("/x"), None, "a test says so")
    session = Session(
        cast(ApiClient, leaving), terminal, Layout(Path("/nonexistent")), target, "a", False, 9.0,
        clock=HastyClock(),
    )  # fmt: skip
    assert await remove_object(session, NOUNS["vm"], VM, wait=True)
    said = capsys.readouterr().err
    assert "web-1: It is " in said
    assert all(letter.isprintable() for letter in said.replace("\n", ""))


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (["vm", "list"], "Stopped watching."),
        (["vm", "restart"], "Stopped watching; work that was begun goes on."),
    ],
)
def test_an_interrupted_command_says_what_goes_on(command: list[str], said: str) -> None:
    assert interrupted_words(command) == said
