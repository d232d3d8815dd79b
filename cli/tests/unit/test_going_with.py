"""`qx vm delete --volumes` hands the volumes to the platform before it waits for anything."""

from __future__ import annotations

from typing import Any

import pytest

from quantix_api.resources import (
    LABEL_MANAGED_BY,
    LABEL_VIRTUAL_MACHINE_UID,
    MANAGED_BY,
    VIRTUAL_MACHINES,
    VOLUMES,
    Resource,
)
from quantix_cli.exits import Exit
from quantix_cli.going_with import bind
from quantix_client.api import ListResult
from quantix_client.errors import Conflict, Forbidden, NotFound, Unprocessable
from quantix_lab.qx_session import qx_session, typed

Manifest = dict[str, Any]
VM: Manifest = {"metadata": {"name": "web-1", "namespace": "a", "uid": "u", "generation": 1}, "spec": {}}
OWNER = {"apiVersion": VIRTUAL_MACHINES.api_version, "kind": "VirtualMachine", "name": "web-1", "uid": "u"}
DISK = (
    "Volume web-1-root is a disk of web-1. "
    "Try: qx vm detach VM DISK takes it out of the VM; or delete that first."
)


def volume(version: str = "1", uid: str = "v", **spec: Any) -> Manifest:
    about = {"name": "web-1-root", "namespace": "a", "uid": uid, "resourceVersion": version}
    return {"metadata": about | {"labels": {LABEL_VIRTUAL_MACHINE_UID: "u"}}, "spec": spec, "status": {}}


class Api:
    """Has the VM, which ends after `looks` looks at it, and its volume; `calls` are the writes in order."""

    def __init__(self, stored: Manifest, looks: int = 2, *, may_patch: bool = True) -> None:
        self.stored, self.looks, self.may_patch = stored, looks, may_patch
        self.calls: list[tuple[str, str]] = []

    async def list(self, resource: Resource, namespace: str | None = None, **_: Any) -> ListResult:
        return ListResult({VIRTUAL_MACHINES: [VM], VOLUMES: [self.stored]}.get(resource, []), "1")

    async def get(self, resource: Resource, name: str, namespace: str) -> Manifest:
        if resource is VOLUMES and self.looks >= 0:
            return self.stored
        self.looks -= 1
        if self.looks < 0:
            raise NotFound(name)
        return VM

    async def patch(
        self, resource: Resource, name: str, patch: Manifest, namespace: str, **_: Any
    ) -> Manifest:
        if resource is VIRTUAL_MACHINES:
            self.calls.append((f"patch {patch}", name))
            if self.looks < 0:
                raise NotFound(name)
            return VM
        if not self.may_patch:
            raise Forbidden("volumes is forbidden")
        self.calls.append(("patch", name))
        if patch["metadata"]["resourceVersion"] != self.stored["metadata"]["resourceVersion"]:
            raise Conflict("somebody was faster")
        self.stored = {**self.stored, "metadata": {**self.stored["metadata"], **patch["metadata"]}}
        return self.stored

    async def delete(self, resource: Resource, name: str, namespace: str, **_: Any) -> None:
        self.calls.append(("delete", name))
        if resource is VOLUMES and self.looks >= 0:
            raise Forbidden(f"quantix-deletion denied request: {DISK}")


class Protected(Api):
    """Refuses to delete the VM."""

    async def delete(self, resource: Resource, name: str, namespace: str, **_: Any) -> None:
        raise Unprocessable("VM web-1 is protected.")


async def deleted(api: Api, options: str = "--volumes") -> int:
    """How `qx vm delete web-1 --yes` ends with these options."""
    return await typed(qx_session(api, namespace="a"), f"vm delete web-1 --yes {options}")


AT_ONCE = ("patch {'spec': {'gracePeriodSeconds': 0}, 'metadata': {'uid': 'u'}}", "web-1")


@pytest.mark.parametrize("looks", [2, -1], ids=["is shutting down", "gone at once"])
async def test_a_guest_is_ended_at_once_only_when_its_deletion_was_accepted(looks: int) -> None:
    api = Api(volume(), looks)
    assert await deleted(api, "--now") == Exit.DONE
    assert api.calls == [("delete", "web-1"), AT_ONCE]


async def test_of_a_vm_whose_deletion_is_refused_no_guest_is_ended() -> None:
    api = Protected(volume())
    assert await deleted(api, "--volumes --now") == Exit.REFUSED
    assert api.calls == []


@pytest.mark.parametrize("dry_run", [True, False])
async def test_a_script_ends_the_guest_before_kubectl_waits_for_its_vm(
    dry_run: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    api = Api(volume())
    await deleted(api, f"--now --no-wait --show-yaml {'--dry-run' if dry_run else ''}")
    assert (AT_ONCE in api.calls) is not dry_run
    script = capsys.readouterr().out
    assert 0 < script.index("gracePeriodSeconds: 0") < script.index("kubectl delete virtualmachines")


async def test_volumes_go_with_a_vm_that_nobody_waits_for(capsys: pytest.CaptureFixture[str]) -> None:
    api = Api(volume())
    assert await deleted(api, "--volumes --no-wait") == Exit.DONE
    assert api.calls == [("delete", "web-1"), ("patch", "web-1-root")]
    assert api.stored["metadata"]["ownerReferences"] == [OWNER]
    assert capsys.readouterr().err.splitlines() == [
        "  VM web-1 (deletes web-1-root with all data)",
        "VM web-1 is being deleted.",
        "Volume web-1-root goes with it.",
    ]


async def test_they_are_bound_before_the_wait_so_that_an_interrupt_leaves_none() -> None:
    api = Api(volume())
    assert await deleted(api) == Exit.DONE
    assert api.calls == [("delete", "web-1"), ("patch", "web-1-root"), ("delete", "web-1-root")]


async def test_a_volume_that_cannot_be_bound_is_not_said_to_go(capsys: pytest.CaptureFixture[str]) -> None:
    api = Api(volume(), may_patch=False)
    assert await deleted(api, "--volumes --no-wait") == Exit.REFUSED
    assert ("patch", "web-1-root") not in api.calls
    assert "goes with it" not in capsys.readouterr().err


@pytest.mark.parametrize("owners", [[], [OWNER]], ids=["would stay", "would go"])
async def test_a_protected_volume_is_said_to_stay(
    owners: list[Manifest], capsys: pytest.CaptureFixture[str]
) -> None:
    stored = volume(deletionProtection=True)
    api = Api({**stored, "metadata": stored["metadata"] | {"ownerReferences": owners}})
    assert await deleted(api, "") == Exit.DONE
    assert api.calls == [("delete", "web-1")]
    assert "Volume web-1-root stays: it is protected.\n" in capsys.readouterr().err


@pytest.mark.parametrize("options", ["--volumes", "--volumes --no-wait"])
async def test_a_protected_volume_that_is_kept_as_told_is_no_failure(
    options: str, capsys: pytest.CaptureFixture[str]
) -> None:
    api = Api(volume(deletionProtection=True))
    assert await deleted(api, options) == Exit.DONE
    assert api.calls == [("delete", "web-1")]
    assert capsys.readouterr().err.splitlines()[-1] == (
        "Volume web-1-root stays: it is protected.   "
        "qx volume set -n a web-1-root --no-protect, then qx volume delete -n a web-1-root"
    )


async def test_of_what_was_made_for_a_vm_that_never_had_a_host_nothing_is_said_to_stay(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    since, stored = {"creationTimestamp": "2026-11-01T10:00:00Z"}, volume()
    monkeypatch.setitem(VM, "metadata", VM["metadata"] | since)
    labels = stored["metadata"]["labels"] | {LABEL_MANAGED_BY: MANAGED_BY}
    api = Api({**stored, "metadata": stored["metadata"] | since | {"labels": labels}})
    assert await deleted(api, "") == Exit.DONE
    assert capsys.readouterr().err == "VM web-1 deleted.\n"


async def test_what_somebody_changed_meanwhile_is_bound_as_it_is_now() -> None:
    api = Api(volume("2"))
    assert await bind(qx_session(api), volume("1"), VM)
    assert api.stored["metadata"]["ownerReferences"] == [OWNER]
    protected = Api(volume("2", deletionProtection=True))
    assert not await bind(qx_session(protected), volume("1"), VM)
    another = Api(volume("2", uid="w"))
    assert not await bind(qx_session(another), volume("1"), VM)


@pytest.mark.parametrize("script", [False, True])
async def test_a_dry_run_shows_the_volumes_of_a_vm_that_is_still_there(
    script: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    api = Api(volume())
    assert await deleted(api, f"--volumes --dry-run {'--show-yaml' if script else ''}") == Exit.DONE
    assert api.calls == ([] if script else [("delete", "web-1")])
    said = capsys.readouterr().out
    assert (
        "kubectl delete volumes.quantix.io web-1-root -n a" if script else "volume web-1-root, now"
    ) in said
