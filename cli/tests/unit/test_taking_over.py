"""Volumes that an earlier VM left are told before a new one gets them; what is another VM's is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from quantix_api.messages import render
from quantix_api.resources import (
    LABEL_MANAGED_BY,
    LABEL_VIRTUAL_MACHINE_UID,
    MANAGED_BY,
    STORAGE_POOLS,
    VIRTUAL_MACHINES,
    VOLUMES,
    Resource,
)
from quantix_cli.exits import CommandError, Exit
from quantix_client.api import ListResult
from quantix_client.errors import NotFound
from quantix_lab.qx_session import qx_session, typed

Manifest = dict[str, Any]
CREATE = "vm create a1 --image shared/tiny --size 1GiB --cpu 1 --memory 1GiB --network none"
POOL: Manifest = {"metadata": {"name": "local"}, "spec": {"default": True}}
ASKS = "Make a1 with that data"


def left(name: str = "a1-root", image: str = "shared/tiny", **about: Any) -> Manifest:
    about = {"namespace": "default", "uid": f"uid-{name}", "labels": {LABEL_MANAGED_BY: MANAGED_BY}} | about
    return {"metadata": {"name": name, **about}, "spec": {"size": "2Gi", "source": {"image": image}}}


def vm(name: str, **about: Any) -> Manifest:
    metadata = {
        "name": name,
        "namespace": "default",
        "uid": f"uid-{name}",
        "generation": 1,
        "resourceVersion": "1",
        **about,
    }
    return {"metadata": metadata, "spec": {"powerState": "Running", "disks": [{"name": "root"}]}}


class Api:
    """Has these volumes and VMs; what is made runs at once."""

    def __init__(self, *volumes: Manifest, vms: tuple[Manifest, ...] = ()) -> None:
        self.objects = {VOLUMES: list(volumes), VIRTUAL_MACHINES: list(vms), STORAGE_POOLS: [POOL]}
        self.written: list[str] = []

    async def get(self, resource: Resource, name: str, namespace: str | None = None) -> Manifest:
        for found in self.objects.get(resource, []):
            if found["metadata"]["name"] == name:
                return found
        if resource in self.objects:
            raise NotFound(name)
        return {"metadata": {"name": name, "namespace": namespace}, "spec": {}}

    async def list(self, resource: Resource, *_: Any, **__: Any) -> ListResult:
        return ListResult(list(self.objects.get(resource, [])), "1")

    async def create(self, _: Resource, manifest: Manifest, **__: Any) -> Manifest:
        self.written.append(manifest["metadata"]["name"])
        ready = {"type": "Ready", "status": "True", "reason": "Running", "observedGeneration": 1}
        metadata = {**manifest["metadata"], "generation": 1, "uid": "new"}
        return {**manifest, "metadata": metadata, "status": {"conditions": [ready]}}

    async def patch(self, _: Resource, name: str, *__: Any, **___: Any) -> Manifest:
        self.written.append(name)
        return vm(name)

    async def delete(self, resource: Resource, name: str, *_: Any, **__: Any) -> Manifest:
        self.written.append(name)
        gone = [one for one in self.objects[resource] if one["metadata"]["name"] == name]
        self.objects[resource] = [one for one in self.objects[resource] if one not in gone]
        return gone[0]


async def test_what_a_new_vm_takes_over_is_asked_first(capsys: pytest.CaptureFixture[str]) -> None:
    api = Api(left())
    with pytest.raises(CommandError, match=ASKS) as ended:
        await typed(qx_session(api), CREATE)
    assert (ended.value.exit_code, ended.value.hint, api.written) == (Exit.USAGE, "--yes", [])
    said = capsys.readouterr().err
    assert "disk root of a1 is volume a1-root (2 GiB), with the data of an earlier VM" in said
    assert "qx volume delete a1-root, or another name for the VM" in said


async def test_who_is_sure_is_told_and_the_end_says_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    api = Api(left())
    await typed(replace(qx_session(api), assume_yes=True), CREATE)
    said = capsys.readouterr().err
    assert api.written == ["a1"]
    assert "disk root 2GiB of a1-root" in said
    assert "a1 runs on volume a1-root (2 GiB), with the data of an earlier VM, after" in said


async def test_each_of_several_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    await typed(qx_session(Api(left("a1-1-root"), left("a1-2-root"))), f"{CREATE} --count 3 -y --no-wait")
    said = capsys.readouterr().err
    assert "of a1-1 is volume a1-1-root" in said
    assert "of a1-2 is volume a1-2-root" in said
    assert "of a1-3" not in said


@pytest.mark.parametrize(
    ("volume", "hint"),
    [
        (left(image="other"), "qx volume delete a1-root, or another name for the VM"),
        (left(labels={LABEL_VIRTUAL_MACHINE_UID: "uid-b"}), "another name for the VM"),
    ],
)
async def test_what_it_cannot_get_is_refused(volume: Manifest, hint: str) -> None:
    api = Api(volume, vms=(vm("b"),))
    with pytest.raises(CommandError, match="a1-root is there already") as ended:
        await typed(qx_session(api), f"{CREATE} -y")
    assert (ended.value.exit_code, ended.value.hint, api.written) == (Exit.REFUSED, hint, [])


@pytest.mark.parametrize(
    "volume",
    [left("other"), left(deletionTimestamp="2026-11-29T10:00:00Z"), left(ownerReferences=[{"uid": "gone"}])],
    ids=["another name", "deleted", "goes with its VM"],
)
async def test_what_it_gets_anew_is_not_asked(volume: Manifest) -> None:
    api = Api(volume)
    await typed(qx_session(api), f"{CREATE} --no-wait")
    assert api.written == ["a1"]


async def test_what_is_another_vms_disk_is_not_attached() -> None:
    volume = left(labels={LABEL_VIRTUAL_MACHINE_UID: "uid-a1"})
    volume["status"] = {"attachedTo": [{"uid": "uid-a1", "name": "a1"}]}
    with pytest.raises(CommandError, match="Volume a1-root is in use by VM a1") as ended:
        await typed(qx_session(Api(volume, vms=(vm("a1"), vm("b1")))), "vm attach b1 --volume a1-root")
    assert ended.value.exit_code == Exit.REFUSED
    assert ended.value.hint == "another volume, or a copy: qx volume create NAME --from a1-root"


@pytest.mark.parametrize(
    ("labels", "options", "told"),
    [
        ({}, "--volumes", "Volume a1-root stays: it was not a disk of a1."),
        ({LABEL_VIRTUAL_MACHINE_UID: "uid-a1"}, "", "Volume a1-root stays; the next VM a1 gets it."),
    ],
)
async def test_a_volume_that_stays_is_told(
    labels: dict[str, str], options: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    await typed(qx_session(Api(left(labels=labels), vms=(vm("a1"),))), f"vm delete a1 {options} -y")
    assert told in capsys.readouterr().err


def test_the_way_out_of_a_conflict_names_the_volume() -> None:
    said = render("VolumeConflict", volume="x1-root", source="image other")
    assert said.hint == "qx volume delete x1-root where its data is not needed, or another name for the VM"


async def test_that_another_vm_has_a_volume_attached_is_told_of_a_vm_that_is_off(
    capsys: pytest.CaptureFixture[str],
) -> None:
    volume = left("files")
    volume["status"] = {"attachedTo": [{"uid": "uid-a1", "name": "a1"}]}
    api = Api(volume, vms=(vm("a1"), vm("b1")))
    await typed(qx_session(api), "vm attach b1 --volume files --no-wait")
    assert "Volume files is in use by VM a1. Try: stop that one" in capsys.readouterr().err


async def test_a_dry_run_tells_it_and_asks_nobody(capsys: pytest.CaptureFixture[str]) -> None:
    await typed(qx_session(Api(left())), f"{CREATE} --dry-run")
    assert "is volume a1-root (2 GiB), with the data of an earlier VM" in capsys.readouterr().err
