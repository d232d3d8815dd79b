"""`qx vm start` while Quantix is being stopped waits for nothing, and says when the VM starts."""

from __future__ import annotations

from typing import Any

import pytest

from quantix_api.resources import HOSTS, VIRTUAL_MACHINES, Resource
from quantix_cli.exits import Exit
from quantix_cli.vm.stopping_host import stopping_host
from quantix_client.api import ListResult
from quantix_lab.qx_session import qx_session, typed

Manifest = dict[str, Any]


def host(name: str, reason: str) -> Manifest:
    ready = {"type": "Ready", "status": "True" if reason == "Healthy" else "False", "reason": reason}
    return {"kind": "Host", "metadata": {"name": name}, "status": {"conditions": [ready]}}


def vm(reason: str, on: str = "") -> Manifest:
    ready = {"type": "Ready", "status": "False", "reason": reason, "observedGeneration": 1}
    assignment = {"assignment": {"host": on, "epoch": 1}} if on else {}
    return {
        "metadata": {"name": "web-1", "namespace": "a", "uid": "u", "generation": 1, "resourceVersion": "1"},
        "spec": {"powerState": "Stopped"},
        "status": {"conditions": [ready], **assignment},
    }


DOWN, UP = host("box", "ShuttingDown"), host("h2", "Healthy")
LOST, EMPTIED = host("h3", "Unreachable"), {**host("h4", "Healthy"), "spec": {"maintenance": True}}
ILL = host("h5", "LibvirtDown")


@pytest.mark.parametrize(
    ("machine", "hosts", "kept"),
    [
        (vm("Stopped"), [DOWN], "box"),
        (vm("Stopped"), [DOWN, UP], ""),
        # who starts nothing either
        (vm("Stopped"), [DOWN, LOST, EMPTIED], "box"),
        (vm("Stopped"), [DOWN, ILL], ""),
        (vm("Stopped"), [LOST, EMPTIED], ""),
        (vm("Stopped"), [], ""),
        (vm("Stopped"), [UP], ""),
        (vm("ShuttingDown", on="box"), [DOWN, UP], "box"),
        # whoever may list no hosts
        (vm("ShuttingDown", on="box"), [], "box"),
        (vm("Stopping", on="h2"), [DOWN, UP], ""),
    ],
)
def test_a_vm_is_kept_by_its_own_host_or_by_all(machine: Manifest, hosts: list[Manifest], kept: str) -> None:
    assert stopping_host(machine, hosts) == kept


class Api:
    """Keeps what is written, and has nothing to be waited for."""

    def __init__(self) -> None:
        self.wanted = ""

    async def list(self, resource: Resource, *_: Any, **__: Any) -> ListResult:
        return ListResult({VIRTUAL_MACHINES: [vm("Stopped")], HOSTS: [DOWN]}.get(resource, []), "1")

    async def patch(self, _: Any, __: str, patch: Manifest, *___: Any, **____: Any) -> Manifest:
        self.wanted = patch["spec"]["powerState"]
        return vm("Stopped")


@pytest.mark.parametrize("wait", [True, False])
async def test_the_wish_is_kept_and_it_is_said_when_it_comes_true(
    wait: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    api = Api()
    words = "vm start web-1" if wait else "vm start web-1 --no-wait"
    assert await typed(qx_session(api, namespace="a"), words) == Exit.DONE
    assert api.wanted == "Running"
    assert capsys.readouterr().err == (
        "web-1 starts once Quantix, which is being stopped on box, is started there again: make up.\n"
    )
