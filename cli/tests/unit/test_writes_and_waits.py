"""A write that somebody overtook is made of the newer object; a wait says what it waits for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from quantix_api.layout import Layout
from quantix_api.resources import VIRTUAL_MACHINES
from quantix_cli.cluster import Target
from quantix_cli.exits import CommandError, Exit
from quantix_cli.nouns import NOUNS
from quantix_cli.session import Session
from quantix_cli.terminal import Terminal
from quantix_cli.waiting import is_ready, until
from quantix_cli.writing import Showing, Writer
from quantix_client.errors import Conflict

PLAIN = Terminal(is_tty=False, colour=False, unicode=True, width=None)


def vm(version: int, disks: list[str], **more: Any) -> dict[str, Any]:
    metadata = {"name": "web-1", "namespace": "default", "uid": "1", "generation": 2}
    spec = {"disks": [{"name": name} for name in disks]}
    return {"metadata": metadata | {"resourceVersion": str(version)}, "spec": spec, **more}


class Api:
    """Has one VM; a patch that names an older version of it conflicts. `looks` are what reads find first."""

    def __init__(self, stored: dict[str, Any], looks: list[dict[str, Any]] | None = None) -> None:
        self.stored = stored
        self.looks = looks or []
        self.patches: list[dict[str, Any]] = []

    async def get(self, *_: Any) -> dict[str, Any]:
        return self.looks.pop(0) if self.looks else self.stored

    async def patch(self, _: Any, __: str, patch: dict[str, Any], *___: Any, dry_run: bool) -> dict[str, Any]:
        self.patches.append(patch)
        version = patch.get("metadata", {}).get("resourceVersion")
        if version not in (None, self.stored["metadata"]["resourceVersion"]):
            raise Conflict("somebody else was faster")
        return {**self.stored, "spec": {**self.stored["spec"], **patch.get("spec", {})}}


def writer(api: Any, showing: Showing = Showing()) -> Writer:  # noqa: B008
    return Writer(api, PLAIN, showing)


def with_disk(live: dict[str, Any]) -> dict[str, Any]:
    return {"spec": {"disks": [*live["spec"]["disks"], {"name": "new"}]}}


async def test_a_list_is_added_to_as_it_is_now_and_not_as_it_was_read() -> None:
    api = Api(vm(8, ["root", "theirs"]))
    changed = await writer(api).change(VIRTUAL_MACHINES, vm(7, ["root"]), with_disk)
    assert changed is not None
    assert [disk["name"] for disk in changed["spec"]["disks"]] == ["root", "theirs", "new"]
    assert [patch["metadata"]["resourceVersion"] for patch in api.patches] == ["7", "8"]


async def test_a_value_is_set_whatever_else_was_written() -> None:
    api = Api(vm(8, ["root"]))
    await writer(api).patch(VIRTUAL_MACHINES, vm(7, ["root"]), {"spec": {"powerState": "Stopped"}})
    assert api.patches == [{"spec": {"powerState": "Stopped"}}]


async def test_an_empty_patch_is_not_sent() -> None:
    api = Api(vm(8, ["root"]))
    assert await writer(api).change(VIRTUAL_MACHINES, api.stored, lambda _: {}) is api.stored
    assert api.patches == []


async def test_what_is_only_shown_is_not_sent(capsys: pytest.CaptureFixture[str]) -> None:
    api = Api(vm(8, ["root"]))
    shown = writer(api, Showing(dry_run=True, script=True))
    assert await shown.change(VIRTUAL_MACHINES, api.stored, with_disk) is None
    assert api.patches == []
    script = capsys.readouterr().out
    assert script.startswith("kubectl patch virtualmachines.quantix.io web-1 -n default")
    assert "resourceVersion" not in script


def session(api: Any, timeout_s: float = 30.0) -> Session:
    target = Target(Path("/x"), None, "a test says so")
    return Session(api, PLAIN, Layout(Path("/nonexistent")), target, "default", False, timeout_s)


def said(
    status: str, reason: str, message: str = "", kind: str = "Ready", generation: int = 2
) -> dict[str, Any]:
    told = {"type": kind, "status": status, "reason": reason, "message": message}
    return told | {"observedGeneration": generation}


def running(generation: int) -> dict[str, Any]:
    return vm(9, [], status={"conditions": [said("True", "Running", generation=generation)]})


async def test_what_was_ready_before_the_write_is_not_what_is_waited_for() -> None:
    api = Api(running(2), [running(1), running(1)])
    found = await until(session(api), NOUNS["vm"], running(1), lambda live: is_ready(live, 2, "Running"))
    assert found is api.stored
    assert api.looks == []


async def test_a_wait_that_nothing_will_end_ends_with_the_reason_and_the_way_out() -> None:
    message = "Image x is refused. Try: another image."
    stalled = said("True", "ImageRefused", message, kind="Stalled")
    stuck = vm(9, [], status={"conditions": [said("False", "ImageRefused", message), stalled]})
    with pytest.raises(CommandError) as ended:
        await until(session(Api(stuck)), NOUNS["vm"], stuck, lambda live: False, gives_up=Exit.REFUSED)
    assert (ended.value.exit_code, ended.value.message, ended.value.hint) == (
        Exit.REFUSED,
        "Image x is refused.",
        "another image",
    )


async def test_a_wait_that_takes_too_long_says_what_it_waits_for_and_how_far_that_is() -> None:
    waiting = said("False", "ImageDownloading", "x is being downloaded. Try: nothing; it goes on by itself.")
    slow = vm(9, [], status={"conditions": [waiting], "progress": {"percent": 40}})
    with pytest.raises(CommandError) as ended:
        await until(session(Api(slow), timeout_s=0.0), NOUNS["vm"], slow, lambda live: False)
    assert ended.value.exit_code is Exit.TIMED_OUT
    assert ended.value.message == "web-1 is not there yet: x is being downloaded, 40 %."
