"""What is told of a namespace that is being deleted: who keeps it, what goes with it, that it is closed."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from quantix_api.messages import render
from quantix_api.resources import ANNOTATION_VIRTUAL_MACHINE, LABEL_VIRTUAL_MACHINE_UID, NAMESPACES, Resource
from quantix_cli.commands.explaining import explanation
from quantix_cli.commands.status import Seen, all_matters
from quantix_cli.exits import CommandError, Exit
from quantix_cli.nouns import NOUNS, World, reason
from quantix_cli.session import translated
from quantix_client.api import ListResult
from quantix_client.errors import Forbidden, NotFound
from quantix_lab.qx_session import TARGET, qx_session, typed

Manifest = dict[str, Any]
WORLD = World(datetime(2026, 11, 29, tzinfo=UTC), {})
GOING: Manifest = {"deletionTimestamp": "2026-11-29T10:00:00Z"}
OWNER: Manifest = {"ownerReferences": [{"uid": "uid-web-1"}]}
OF_THE_VM: Manifest = {
    "labels": {LABEL_VIRTUAL_MACHINE_UID: "uid-web-1"},
    "annotations": {ANNOTATION_VIRTUAL_MACHINE: "web-1"},
}
CREATED = "2026-11-01T10:00:00Z"


def made(
    kind: str, name: str, spec: Manifest | None = None, status: Manifest | None = None, **marks: Any
) -> Manifest:
    about = {"name": name, "namespace": "team", "uid": f"uid-{name}", "generation": 1, "resourceVersion": "7"}
    return {
        "kind": kind,
        "metadata": about | {"creationTimestamp": CREATED} | marks,
        "spec": spec or {},
        "status": status or {},
    }


def vm(*, protected: bool = True, **marks: Any) -> Manifest:
    return made("VirtualMachine", "web-1", {"deletionProtection": protected}, **marks)


def volume(name: str, *, protected: bool = False, **marks: Any) -> Manifest:
    return made("Volume", name, {"deletionProtection": protected}, {"data": "Present", "host": "h1"}, **marks)


NAMED = volume("data") | {
    "status": {"data": "Present", "attachedTo": [{"uid": "uid-web-1", "name": "web-1"}]}
}
DISKS = (volume("web-1-root", **OF_THE_VM), NAMED, volume("other"))


class Api:
    """A namespace, and what is in it; `written` counts what came to it."""

    def __init__(self, *there: Manifest, goes: bool = True, sees: bool = True) -> None:
        self.there, self.goes, self.sees, self.written = there, goes, sees, 0

    async def get(self, resource: Resource, name: str, namespace: str | None = None) -> Manifest:
        if resource == NAMESPACES:
            if not self.sees:
                raise Forbidden("may not look")
            return {"metadata": {"name": name, **(GOING if self.goes else {})}}
        for obj in self.there:
            if (obj["kind"], obj["metadata"]["name"]) == (resource.kind, name):
                return obj
        raise NotFound(f"there is no {name}")

    async def list(self, resource: Resource, namespace: str | None = None, **_: Any) -> ListResult:
        return ListResult([obj for obj in self.there if obj["kind"] == resource.kind], "1")

    async def patch(self, resource: Resource, name: str, *_: Any, **__: Any) -> Manifest:
        self.written += 1
        return await self.get(resource, name)

    async def create(self, *_: Any, **__: Any) -> Manifest:
        self.written += 1
        raise Forbidden(
            'volumes.quantix.io "new" is forbidden: unable to create new content in namespace team because '
            "it is being terminated"
        )


LETS_GO = "Namespace team is being deleted, and what is protected no more goes with it for good."


async def test_who_takes_the_protection_off_a_vm_is_told_what_goes_and_asked(
    capsys: pytest.CaptureFixture[str],
) -> None:
    api = Api(vm(), *DISKS)
    with pytest.raises(CommandError) as refused:
        await typed(qx_session(api, namespace="team"), "vm set web-1 --no-protect --no-wait")
    assert (refused.value.exit_code, refused.value.hint, api.written) == (Exit.USAGE, "--yes", 0)
    assert refused.value.message.startswith(f"{LETS_GO} Let VM web-1 go, with 1 volume beside it?")
    told = capsys.readouterr().err
    assert "VM web-1 (deletes web-1-root, data with all data)" in told
    assert "deletes volume other with all data" in told


async def test_what_waits_unprotected_in_the_same_namespace_is_named_too(
    capsys: pytest.CaptureFixture[str],
) -> None:
    others = [made("VirtualMachine", f"app-{number:02}") for number in range(21)]
    api = Api(vm(), DISKS[0], volume("other"), made("Image", "old", **GOING), *others)
    with pytest.raises(CommandError):
        await typed(qx_session(api, namespace="team"), "vm set web-1 --no-protect --no-wait")
    said = capsys.readouterr().err
    assert "  VM app-00\n" in said
    assert "  and 2 more\n" in said
    assert "image old" not in said


async def test_the_same_with_yes_tells_what_goes_and_does_it(capsys: pytest.CaptureFixture[str]) -> None:
    kept = volume("web-1-kept", protected=True, **OF_THE_VM)
    api = Api(vm(), DISKS[0], kept)
    assert await typed(qx_session(api, namespace="team"), "vm set web-1 --no-protect --no-wait -y") == 0
    assert (
        "VM web-1 (deletes web-1-root with all data; keeps web-1-kept, protected)" in capsys.readouterr().err
    )
    assert api.written == 1


@pytest.mark.parametrize(
    ("api", "options"),
    [
        (Api(vm(), *DISKS, goes=False), "--no-protect"),
        (Api(vm(protected=False), *DISKS), "--no-protect --priority 5"),
        (Api(vm(), *DISKS), "--priority 5"),
        (Api(vm(), *DISKS), "--protect --priority 5"),
        (Api(vm(), *DISKS, sees=False), "--no-protect"),
    ],
    ids=["nothing goes", "it was not protected", "another change", "it stays", "it may not be seen"],
)
async def test_nothing_is_asked_where_nothing_goes_by_it(api: Api, options: str) -> None:
    assert await typed(qx_session(api, namespace="team"), f"vm set web-1 {options} --no-wait") == 0
    assert api.written == 1


@pytest.mark.parametrize(
    ("word", "told"), [("volume", "volume files with all data"), ("image", "image files")]
)
async def test_a_volume_and_an_image_are_asked_about_as_well(
    word: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    api = Api(made(NOUNS[word].resource.kind, "files", {"deletionProtection": True}))
    with pytest.raises(CommandError) as refused:
        await typed(qx_session(api, namespace="team"), f"{word} set files --no-protect")
    assert refused.value.message.startswith(f"{LETS_GO} Let {word} files go?")
    assert (f"deletes {told}" in capsys.readouterr().err, api.written) == (True, 0)


@pytest.mark.parametrize(
    ("leaving", "marks", "asked"),
    [(True, OWNER, True), (True, {}, False), (False, OWNER, False)],
    ids=["it takes it along", "it leaves it", "it stays"],
)
async def test_a_volume_that_its_vm_takes_along_is_asked_about(
    leaving: bool, marks: Manifest, asked: bool
) -> None:
    root = volume("web-1-root", protected=True, **OF_THE_VM, **marks)
    api = Api(vm(**(GOING if leaving else {})), root, goes=False)
    command = typed(qx_session(api, namespace="team"), "volume set web-1-root --no-protect")
    if not asked:
        assert await command == 0
        return
    with pytest.raises(CommandError) as refused:
        await command
    assert "VM web-1 is being deleted, and takes its volumes along. Let volume web-1-root go?" in str(
        refused.value
    )


@pytest.mark.parametrize("option", ["--protect", "--no-protect"])
async def test_protection_is_no_help_to_what_is_being_deleted(
    option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    api = Api(vm(protected=option == "--no-protect", **GOING))
    assert await typed(qx_session(api, namespace="team"), f"vm set web-1 {option} --no-wait") == 0
    assert "VM web-1 is being deleted already, protected or not." in capsys.readouterr().err


@pytest.mark.parametrize(
    "command",
    [
        "vm create new --image tiny --type small --network web",
        "vm clone web-1 new",
        "vm attach web-1 --disk 1GiB",
        "volume create new --size 1GiB",
        "image create new --url https://example.org/new.qcow2",
        "network create new --subnet 10.9.0.0/24",
        "securitygroup create new",
        "image upload {file} --format Raw --name new",
        "volume upload {file} --format Raw --name new",
    ],
)
async def test_nothing_is_sent_into_a_namespace_that_goes(command: str, tmp_path: Path) -> None:
    file = tmp_path / "disk.raw"
    file.write_bytes(b"\0" * 1024 * 1024)
    api = Api(vm(), made("StoragePool", "local", {"default": True}))
    with pytest.raises(CommandError) as refused:
        await typed(qx_session(api, namespace="team"), command.format(file=file))
    said = render("NamespaceDeleting", namespace="team")
    assert (refused.value.message, refused.value.hint) == (said.sentence_with_reason, said.hint)
    assert (refused.value.exit_code, api.written) == (Exit.REFUSED, 0)


async def test_one_that_goes_meanwhile_is_told_in_the_same_words() -> None:
    with pytest.raises(CommandError) as refused:
        await typed(qx_session(Api(sees=False), namespace="team"), "securitygroup create new --no-wait")
    assert refused.value.exit_code is Exit.REFUSED
    assert refused.value.message.startswith("Namespace team is being deleted, so nothing can be made in it")
    assert translated(Forbidden("may not look"), TARGET).exit_code is Exit.NOT_ALLOWED


def held(kind: str, name: str) -> Manifest:
    ready = {"type": "Ready", "status": "True", "reason": "Running"}
    message = render("NamespaceDeleting", namespace="team", noun="vm", name=name).text
    told = {"type": "NamespaceKept", "status": "False", "reason": "NamespaceDeleting", "message": message}
    lone = {"type": "Protected", "status": "False", "reason": "NoFencing", "message": "It is not fenced."}
    return made(kind, name, {}, {"assignment": {"host": "h1"}, "conditions": [ready, told, lone]})


def test_what_keeps_its_namespace_says_so_in_lists_and_when_asked_why() -> None:
    keeper = held("VirtualMachine", "web-1")
    sentence = "Namespace team is being deleted, which nothing calls back; web-1 stays while it is protected"
    assert reason(keeper, NOUNS["vm"]) == f"NamespaceDeleting: {sentence}"
    lines = explanation(keeper, NOUNS["vm"], WORLD)
    assert f"  namespace    {sentence} (NamespaceDeleting)" in lines
    [hint] = [line for line in lines if line.startswith("  Try")]
    assert "qx vm set web-1 -n team --no-protect" in hint


def test_a_namespace_that_waits_for_somebody_is_one_matter_of_the_status() -> None:
    objects = {
        "host": [],
        "vm": [held("VirtualMachine", "web-1"), held("VirtualMachine", "web-2")],
        "volume": [held("Volume", "files")],
    }
    matters = all_matters(Seen(WORLD, 4, objects, hidden=("host",)))
    assert [(matter.text, matter.command, matter.attention) for matter in matters] == [
        (
            "namespace team is being deleted, and waits for what is protected: VM web-1, VM web-2, "
            "volume files.",
            "qx vm explain web-1 -n team",
            True,
        )
    ]
