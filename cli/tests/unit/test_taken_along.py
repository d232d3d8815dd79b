"""Who takes a protection off in a namespace that is being deleted is told all that goes then, not the one."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from quantix_api.messages import render
from quantix_api.resources import ANNOTATION_VIRTUAL_MACHINE, LABEL_VIRTUAL_MACHINE_UID, NAMESPACES, Resource
from quantix_cli.commands.explaining import explanation
from quantix_cli.commands.status import Seen, all_matters
from quantix_cli.exits import CommandError
from quantix_cli.nouns import NOUNS, World, reason
from quantix_client.api import ListResult
from quantix_client.errors import Forbidden, NotFound
from quantix_lab.qx_session import qx_session, typed

Manifest = dict[str, Any]
GOING: Manifest = {"deletionTimestamp": "2026-11-29T10:00:00Z"}
WORLD = World(datetime(2026, 11, 29, tzinfo=UTC), {})
KINDS = {"vm": "VirtualMachine", "volume": "Volume", "image": "Image"}


def made(word: str, name: str, *, protected: bool = False, of: str = "", **marks: Any) -> Manifest:
    labels = {LABEL_VIRTUAL_MACHINE_UID: f"vm-{of}"}
    of_vm = {"labels": labels, "annotations": {ANNOTATION_VIRTUAL_MACHINE: of}} if of else {}
    about = {"name": name, "namespace": "team", "uid": f"{word}-{name}", "generation": 1}
    known = {"creationTimestamp": "2026-11-01T10:00:00Z", "resourceVersion": "7"}
    return {
        "kind": KINDS[word],
        "metadata": about | known | of_vm | marks,
        "spec": {"deletionProtection": protected},
        "status": {"data": "Present"} if word == "volume" else {},
    }


KEEPER = made("vm", "p-2", protected=True)
ROOT = made("volume", "p-2-root", of="p-2")
BESIDE = (
    made("vm", "p-1", **GOING),
    made("vm", "p-3"),
    made("volume", "p-3-root", of="p-3"),
    made("volume", "p-3-kept", protected=True, of="p-3"),
    made("volume", "files"),
    made("image", "golden"),
)


class Api:
    """A namespace that is being deleted; `hides`: kinds that may not be listed."""

    def __init__(self, *there: Manifest, hides: tuple[str, ...] = ()) -> None:
        self.there, self.hides, self.written = there, hides, 0

    async def get(self, resource: Resource, name: str, _namespace: str | None = None) -> Manifest:
        if resource == NAMESPACES:
            return {"metadata": {"name": name, **GOING}}
        for obj in self.there:
            if (obj["kind"], obj["metadata"]["name"]) == (resource.kind, name):
                return obj
        raise NotFound(f"there is no {name}")

    async def list(self, resource: Resource, _namespace: str | None = None, **_: Any) -> ListResult:
        if resource.kind in self.hides:
            raise Forbidden("may not list")
        return ListResult([obj for obj in self.there if obj["kind"] == resource.kind], "1")

    async def patch(self, resource: Resource, name: str, *_: Any, **__: Any) -> Manifest:
        self.written += 1
        return await self.get(resource, name)


async def asked(api: Api, command: str) -> str:
    with pytest.raises(CommandError) as refused:
        await typed(qx_session(api, namespace="team"), command)
    assert api.written == 0
    return refused.value.message


async def test_all_that_goes_with_a_vm_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    question = await asked(Api(KEEPER, ROOT, *BESIDE), "vm set p-2 --no-protect --no-wait")
    assert "Let VM p-2 go, with 1 VM, 1 volume, 1 image beside it?" in question
    assert capsys.readouterr().err.splitlines() == [
        "  VM p-2 (deletes p-2-root with all data)",
        "  VM p-3 (deletes p-3-root with all data; keeps p-3-kept, protected)",
        "  deletes volume files with all data",
        "  deletes image golden",
    ]


async def test_it_is_told_as_well_where_nothing_is_asked(capsys: pytest.CaptureFixture[str]) -> None:
    api = Api(KEEPER, *BESIDE)
    assert await typed(qx_session(api, namespace="team"), "vm set p-2 --no-protect --no-wait -y") == 0
    told = capsys.readouterr().err
    assert ("VM p-3 (" in told, "volume files" in told, api.written) == (True, True, 1)


@pytest.mark.parametrize("word", ["volume", "image"])
async def test_a_volume_or_an_image_takes_the_others_along(
    word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    last = made(word, "last", protected=True)
    question = await asked(Api(last, made("vm", "p-3")), f"{word} set last --no-protect")
    assert f"Let {word} last go, with 1 VM beside it?" in question
    told = capsys.readouterr().err.splitlines()
    assert told == [f"  deletes {word} last{' with all data' if word == 'volume' else ''}", "  VM p-3"]


async def test_what_stays_protected_is_told_and_its_volumes_are_not_named(
    capsys: pytest.CaptureFixture[str],
) -> None:
    other, its = made("vm", "p-4", protected=True), made("volume", "p-4-root", of="p-4")
    question = await asked(Api(KEEPER, other, its), "vm set p-2 --no-protect --no-wait")
    assert "Let VM p-2 go?" in question
    told = capsys.readouterr().err
    assert "keeps VM p-4, protected; what goes may wait for that" in told
    assert "p-4-root" not in told


async def test_of_many_some_twenty_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    many = [made("vm", f"m-{number:02}") for number in range(33)]
    question = await asked(Api(KEEPER, *many), "vm set p-2 --no-protect --no-wait")
    assert "with 33 VMs beside it?" in question
    told = capsys.readouterr().err.splitlines()
    assert (told[0], told[20], told[21:]) == ("  VM p-2", "  VM m-19", ["  and 13 more"])


async def test_who_may_not_list_them_is_told_so_and_goes_on(capsys: pytest.CaptureFixture[str]) -> None:
    api = Api(KEEPER, ROOT, *BESIDE, hides=("Volume", "Image"))
    assert await typed(qx_session(api, namespace="team"), "vm set p-2 --no-protect --no-wait -y") == 0
    told = capsys.readouterr().err
    assert "any other volumes and images, too, which you may not list" in told
    assert ("  VM p-3" in told, "files" in told, api.written) == (True, False, 1)


def saying(name: str, cause: str, **marks: Any) -> Manifest:
    message = render(cause, namespace="team", noun="vm", name=name).text
    ready = {"type": "Ready", "status": "True", "reason": "Running"}
    told = {"type": "NamespaceKept", "status": "False", "reason": cause, "message": message}
    return made("vm", name, **marks) | {"status": {"conditions": [ready, told]}}


def test_what_goes_with_its_namespace_says_so_in_lists_and_when_asked_why() -> None:
    waiting = saying("p-3", "GoesWithNamespace")
    assert reason(waiting, NOUNS["vm"]).startswith("GoesWithNamespace: Namespace team is being deleted")
    lines = explanation(waiting, NOUNS["vm"], WORLD)
    assert any(line.startswith("  namespace") and "p-3 goes with it for good" in line for line in lines)
    assert any("Try" in line and "qx vm set p-3 -n team --protect" in line for line in lines)


@pytest.mark.parametrize(
    ("held", "text", "attention"),
    [
        (True, ", and waits for what is protected: VM p-2; what goes with it: VM p-3.", True),
        (False, "; what goes with it: VM p-3.", False),
    ],
)
def test_the_status_names_what_goes_beside_what_holds(held: bool, text: str, attention: bool) -> None:
    leaving = saying("p-1", "NamespaceDeleting", **GOING)
    holders = [saying("p-2", "NamespaceDeleting")] if held else []
    vms = [leaving, *holders, saying("p-3", "GoesWithNamespace")]
    matters = all_matters(Seen(WORLD, 4, {"host": [], "vm": vms}, hidden=("host",)))
    found = [matter for matter in matters if matter.text.startswith("namespace ")]
    assert [(matter.text, matter.attention) for matter in found] == [
        (f"namespace team is being deleted{text}", attention)
    ]
