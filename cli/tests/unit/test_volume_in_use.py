"""`qx volume delete` of a disk names the VM and the disk, in the namespace that it was typed for."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from quantix_api.messages import render
from quantix_api.resources import VIRTUAL_MACHINES, Resource
from quantix_cli.exits import Exit
from quantix_client.errors import NotFound, Unprocessable
from quantix_lab.qx_session import qx_session, typed

POLICY = (
    "volumes.quantix.io \"a1-keep\" is forbidden: ValidatingAdmissionPolicy 'x' with binding 'x' "
    "denied request: "
)
VOLUME: dict[str, Any] = {
    "metadata": {"name": "a1-keep", "namespace": "team", "uid": "v"},
    "status": {"attachedTo": [{"name": "a1"}], "data": "Present"},
}
VM: dict[str, Any] = {
    "metadata": {"name": "a1", "namespace": "team"},
    "spec": {"disks": [{"name": "root"}, {"name": "spare", "volume": "a1-keep"}]},
}


class Refusing:
    """An API that deletes nothing; `vm` is what it says of the VM, None: it is gone."""

    def __init__(self, reason: str, vm: dict[str, Any] | None, **fields: str) -> None:
        self.vm = vm
        self.refusal = render(reason, **fields).text

    async def list(self, resource: Resource, *_: Any, **__: Any) -> SimpleNamespace:
        return SimpleNamespace(items=[VOLUME] if resource.kind == "Volume" else [])

    async def get(self, resource: Resource, *_: Any) -> dict[str, Any]:
        if resource is not VIRTUAL_MACHINES:
            return VOLUME
        if self.vm is None:
            raise NotFound('virtualmachines.quantix.io "a1" not found')
        return self.vm

    async def delete(self, *_: Any, **__: Any) -> None:
        raise Unprocessable(f"{POLICY}{self.refusal}")


async def told(api: Refusing, capsys: pytest.CaptureFixture[str]) -> str:
    session = replace(qx_session(api, namespace="team"), assume_yes=True)
    assert await typed(session, "volume delete a1-keep") == Exit.REFUSED
    return capsys.readouterr().err


@pytest.mark.parametrize(
    ("vm", "hint"),
    [
        (VM, "qx vm detach -n team a1 spare takes it out of the VM; or delete that first."),
        (None, "qx vm detach -n team VM DISK takes it out of the VM; or delete that first."),
    ],
    ids=["known", "gone meanwhile"],
)
async def test_the_vm_and_the_disk_are_named(
    vm: dict[str, Any] | None, hint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    said = await told(Refusing("InUse", vm, volume="a1-keep", users="a1"), capsys)
    assert f"✗ Volume a1-keep is a disk of a1.\nTry: {hint.rstrip('.')}\n" in said


async def test_a_policys_way_out_says_in_which_namespace(capsys: pytest.CaptureFixture[str]) -> None:
    said = await told(Refusing("Protected", VM, kind="Volume", noun="volume", name="a1-keep"), capsys)
    assert "Try: qx volume set -n team a1-keep --no-protect, or set" in said
