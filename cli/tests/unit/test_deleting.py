"""What `qx vm delete` says before it deletes."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest

from quantix_api.resources import (
    ANNOTATION_VIRTUAL_MACHINE,
    LABEL_MANAGED_BY,
    LABEL_VIRTUAL_MACHINE_UID,
    MANAGED_BY,
    VOLUMES,
    Resource,
)
from quantix_cli.commands.deleting import remove_object
from quantix_cli.exits import CommandError, Exit
from quantix_cli.fates import effects, is_of
from quantix_cli.kept_for_copies import tell_kept
from quantix_cli.main import interrupted_words
from quantix_cli.nouns import NOUNS
from quantix_cli.terminal import Terminal
from quantix_client.api import ListResult
from quantix_client.errors import NotFound, Unprocessable
from quantix_lab.qx_session import qx_session, typed

VM: dict[str, Any] = {"metadata": {"name": "web-1", "namespace": "a", "uid": "u"}}
OWNED: dict[str, Any] = {"metadata": {"name": "web-1-root", "ownerReferences": [{"uid": "u"}]}}
# as many as there are in a few seconds
_LOOKS = 20
KEPT: dict[str, Any] = {"metadata": {"name": "web-1-data"}}
PROTECTED: dict[str, Any] = {**OWNED, "spec": {"deletionProtection": True}}
_SINCE = "2026-11-01T10:00:00Z"
NEVER_PLACED: dict[str, Any] = {"metadata": VM["metadata"] | {"creationTimestamp": _SINCE}}


def never_made(since: str = _SINCE, by: str = MANAGED_BY, **more: Any) -> dict[str, Any]:
    """A volume that stays, of a VM that waits for its host."""
    labels = {LABEL_VIRTUAL_MACHINE_UID: "u", LABEL_MANAGED_BY: by}
    return {"metadata": {"name": "web-1-root", "labels": labels, "creationTimestamp": since}} | more


@pytest.mark.parametrize(
    ("disks", "volumes", "told"),
    [
        ([OWNED, KEPT], False, "VM web-1 (deletes web-1-root with all data; keeps web-1-data)"),
        ([OWNED, KEPT], True, "VM web-1 (deletes web-1-root, web-1-data with all data)"),
        ([PROTECTED, KEPT], False, "VM web-1 (keeps web-1-root, protected; keeps web-1-data)"),
        ([PROTECTED], True, "VM web-1 (keeps web-1-root, protected)"),
        ([], False, "VM web-1"),
    ],
)
def test_it_names_the_disks_that_go_and_those_that_stay(
    disks: list[dict[str, Any]], volumes: bool, told: str
) -> None:
    assert effects(NOUNS["vm"], [VM], {"u": disks}, volumes=volumes, home="a") == [told]


@pytest.mark.parametrize("volumes", [False, True])
def test_what_was_made_for_a_vm_that_never_had_a_host_is_said_to_go(volumes: bool) -> None:
    disks = {"u": [never_made()]}
    told = "VM web-1 (deletes web-1-root, still empty)"
    assert effects(NOUNS["vm"], [NEVER_PLACED], disks, volumes=volumes, home="a") == [told]


@pytest.mark.parametrize(
    ("volume", "status"),
    [
        (never_made(), {"assignment": {"host": "box"}}),
        (never_made(since="2026-11-01T09:59:59Z"), {}),
        (never_made(by="someone"), {}),
        (never_made(status={"host": "box"}), {}),
        (never_made(status={"data": "Present"}), {}),
    ],
    ids=["was placed", "was there before", "made by somebody else", "has a host", "has data"],
)
def test_what_the_operator_does_not_delete_is_said_to_stay(
    volume: dict[str, Any], status: dict[str, Any]
) -> None:
    told = effects(NOUNS["vm"], [NEVER_PLACED | {"status": status}], {"u": [volume]}, volumes=False, home="a")
    assert told == ["VM web-1 (keeps web-1-root)"]


@pytest.mark.parametrize(("domain", "told"), [("Present", " (loses what it has not saved)"), ("Absent", "")])
def test_it_tells_of_a_guest_that_has_no_time_to_shut_down(domain: str, told: str) -> None:
    vm = {**VM, "status": {"runtime": {"domain": domain}}}
    assert effects(NOUNS["vm"], [vm], {}, volumes=False, home="a", now=True) == [f"VM web-1{told}"]


@pytest.mark.parametrize(("grace_s", "told"), [(90, True), (0, False)])
async def test_who_waits_for_a_guest_to_shut_down_is_told_how_not_to(
    grace_s: int, told: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    leaving = Leaving("It was asked to shut down. Try: qx vm stop web-1 --now.", "Stopping", grace_s)
    assert await remove_object(session_of(leaving), NOUNS["vm"], VM, wait=True)
    said = capsys.readouterr().err
    assert "web-1: It was asked to shut down." in said
    assert ("qx vm delete web-1 --now" in said) is told


@pytest.mark.parametrize("word", ["securitygroup", "router"])
async def test_what_somebody_uses_is_not_waited_for(word: str) -> None:
    said = "It is to be deleted; it stays in force as long as it leads to a, b, c and 2 more. Try: detach."
    with pytest.raises(CommandError, match="web-1 is not gone yet") as end:
        await remove_object(session_of(Leaving(said, "InUse")), NOUNS[word], VM, wait=True)
    assert (end.value.exit_code, end.value.hint) == (Exit.FAILED, "detach")
    assert "leads to a, b, c and 2 more (InUse)" in end.value.message


async def test_what_goes_after_others_that_go_is_waited_for() -> None:
    leaving = Leaving("It is being deleted: it goes after VM web-1. Try: nothing; it goes on by itself.")
    assert await remove_object(session_of(leaving), NOUNS["securitygroup"], VM, wait=True)


def test_a_volume_that_goes_with_the_vm_is_found_without_its_mark() -> None:
    marked = {"metadata": {"name": "web-1-data", "labels": {"quantix.io/virtual-machine-uid": "u"}}}
    assert [is_of(volume, VM) for volume in (OWNED, marked, KEPT)] == [True, True, False]


class Leaving:
    """A VM on its way out, of which its host says `message`, and then it is gone."""

    def __init__(self, message: str, reason: str = "Deleting", grace_s: int = 90) -> None:
        ready = {"type": "Ready", "status": "False", "reason": reason, "message": message}
        spec = {"gracePeriodSeconds": grace_s}
        self._answers = [{**VM, "spec": spec, "status": {"conditions": [ready]}}] * _LOOKS

    async def delete(self, *_: Any, **__: Any) -> None:
        """It begins to leave."""

    async def get(self, resource: Resource, name: str, namespace: str | None) -> dict[str, Any]:
        if self._answers:
            return self._answers.pop()
        raise NotFound(name)


SCREEN = Terminal(is_tty=True, colour=True, unicode=True, width=80)
session_of = partial(qx_session, terminal=SCREEN, namespace="a", timeout_s=9.0)


@pytest.mark.parametrize("message", ["It is \x1b[2Jgone", "It is \x9b2Jgone", "It is \u202egone"])
async def test_what_a_host_says_meanwhile_does_not_steer_the_terminal(
    message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await remove_object(session_of(Leaving(message)), NOUNS["vm"], VM, wait=True)
    said = capsys.readouterr().err
    assert "web-1: It is " in said
    assert all(letter.isprintable() for letter in said.replace("\n", ""))


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (["vm", "list"], "Stopped watching."),
        (["vm", "restart"], "Nothing was changed."),
        (["host", "end-orphan"], "Stopped watching; a guest that is being ended is ended all the same."),
        (["support-bundle"], "Stopped."),
    ],
)
def test_an_interrupted_command_that_began_nothing_promises_nothing(command: list[str], said: str) -> None:
    assert interrupted_words(command) == said


class Volumes:
    """An API with some volumes in namespace a."""

    def __init__(self, *volumes: dict[str, Any]) -> None:
        self._volumes = volumes

    async def list(self, resource: Resource, namespace: str) -> SimpleNamespace:
        assert (resource, namespace) == (VOLUMES, "a")
        return SimpleNamespace(items=list(self._volumes))


def volume(name: str, source: str = "", vm: str = "", **status: str) -> dict[str, Any]:
    metadata = {"name": name, "namespace": "a", "uid": f"uid-{name}"}
    annotations = {"annotations": {ANNOTATION_VIRTUAL_MACHINE: vm}} if vm else {}
    spec = {"source": {"volume": source}} if source else {}
    return {"metadata": metadata | annotations, "spec": spec, "status": status}


SOURCE = volume("web-1-root", data="Present")
CLONE = volume("web-2-root", "web-1-root", "web-2")


@pytest.mark.parametrize(
    ("copy", "explain"),
    [(CLONE, "qx vm explain web-2"), (volume("web-2-root", "web-1-root"), "qx volume explain web-2-root")],
)
async def test_what_another_volume_is_still_to_be_made_from_is_told_and_not_waited_for(
    copy: dict[str, Any], explain: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await tell_kept(session_of(Volumes(SOURCE, copy)), [SOURCE]) == {"uid-web-1-root"}
    told = "Volume web-1-root goes once what is still to be made from it is made: web-2-root."
    assert capsys.readouterr().err == f"{told}   {explain}\n"


@pytest.mark.parametrize(
    ("other", "going"),
    [
        (volume("web-2-root", "web-1-root", "web-2", data="Present"), [SOURCE]),
        (volume("web-2-root", "another", "web-2"), [SOURCE]),
        # the copy goes with it
        (CLONE, [SOURCE, CLONE]),
        # nothing can be made from it any more
        (CLONE, [volume("web-1-root")]),
    ],
)
async def test_nothing_is_told_of_what_goes_at_once(
    other: dict[str, Any], going: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert await tell_kept(session_of(Volumes(SOURCE, other)), going) == frozenset()
    assert capsys.readouterr().err == ""


class Refusing:
    """An API that has a volume with a copy still to be made, and refuses to delete it."""

    def __init__(self, source: dict[str, Any]) -> None:
        self._volumes = [source, CLONE]

    async def list(self, resource: Resource, *_: Any, **__: Any) -> ListResult:
        return ListResult(self._volumes if resource is VOLUMES else [], "1")

    async def delete(self, *_: Any, **__: Any) -> None:
        raise Unprocessable("Volume web-1-root is a disk of web-1. Try: delete the VM.")


@pytest.mark.parametrize(
    "refused",
    [
        {"status": {"data": "Present", "attachedTo": [{"name": "web-1"}]}},
        {"metadata": SOURCE["metadata"] | {"labels": {LABEL_VIRTUAL_MACHINE_UID: "u"}}},
        {"spec": {"deletionProtection": True}},
    ],
    ids=["attached", "made for a VM", "protected"],
)
async def test_of_a_volume_that_is_not_deleted_only_the_refusal_is_told(
    refused: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    there = replace(session_of(Refusing(SOURCE | refused)), assume_yes=True)
    assert await typed(there, "volume delete web-1-root") == Exit.REFUSED
    said = capsys.readouterr().err
    assert "is a disk of web-1" in said
    assert "is still to be made" not in said


async def test_of_a_volume_that_is_deleted_what_keeps_it_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    there = replace(session_of(Refusing(SOURCE)), assume_yes=True)
    await typed(there, "volume delete web-1-root")
    assert "is still to be made" in capsys.readouterr().err
