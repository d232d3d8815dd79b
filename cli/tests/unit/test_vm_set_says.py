"""What `qx vm set` says of what it did: groups that it replaced, memory on its way, and nothing of others."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from quantix_api.messages import render
from quantix_cli.commands import changing_vm
from quantix_cli.vm.changes import Wanted, told_of_groups
from quantix_lab.qx_session import Looks, qx_session

Manifest = dict[str, Any]
NIC = {"name": "eth0", "network": "a"}
OLD = {"path": "spec.cpu.model", "running": "A", "wanted": "B"}
NEW = {"path": "spec.memory.maxSize", "running": "4Gi", "wanted": "8Gi"}
SLOW = render("WaitingForGuest", has="4Gi", wants="5Gi", name="web-1")


def vm(generation: int, spec: Manifest, message: str = "", pending: tuple[Manifest, ...] = ()) -> Manifest:
    ready = {"type": "Ready", "status": "True", "reason": "Running", "observedGeneration": generation}
    ready |= {"status": "False", "reason": "WaitingForGuest", "message": message} if message else {}
    runtime = {"domain": "Present", "resolvedGeneration": generation, "pendingChanges": list(pending)}
    status = {"observedGeneration": generation, "runtime": runtime, "conditions": [ready]}
    metadata = {"name": "web-1", "namespace": "default", "generation": generation, "resourceVersion": "1"}
    return {"metadata": metadata, "spec": spec, "status": status}


class Running(Looks):
    """The VM after it was written, as it is seen then."""

    async def patch(self, *_: Any, **__: Any) -> Manifest:
        return await self.get()

    async def list(self, *_: Any, **__: Any) -> SimpleNamespace:
        return SimpleNamespace(items=[])


async def told(capsys: pytest.CaptureFixture[str], before: Manifest, wanted: Wanted, *looks: Manifest) -> str:
    await changing_vm._set(qx_session(Running(*looks)), before, wanted, True)
    return capsys.readouterr().err


@pytest.mark.parametrize(
    ("had", "gets", "said"),
    [
        (NIC | {"securityGroups": ["web"]}, ["ssh"], "web → ssh"),
        (NIC, ["ssh", "web"], "default → ssh, web"),
        (NIC | {"securityGroups": []}, ["ssh"], "none → ssh"),
        (NIC | {"securityGroups": ["ssh"]}, ["ssh"], ""),
    ],
)
def test_groups_that_are_replaced_are_named(had: Manifest, gets: list[str], said: str) -> None:
    patch = {"spec": {"nics": [had | {"securityGroups": gets}]}}
    expected = [f"security groups of eth0: {said}; it counts at once."] if said else []
    assert told_of_groups(vm(1, {"nics": [had]}), patch) == expected


async def test_what_waited_before_is_not_repeated(capsys: pytest.CaptureFixture[str]) -> None:
    before = vm(1, {"memory": {"size": "2Gi", "maxSize": "4Gi"}}, pending=(OLD,))
    raised = {"memory": {"size": "2Gi", "maxSize": "8Gi"}}
    said = await told(capsys, before, Wanted(max_memory="8Gi"), vm(2, raised, pending=(OLD, NEW)))
    assert said == "web-1: memory.maxSize 4Gi → 8Gi at the next restart.\nTry: qx vm restart web-1\n"
    spec: Manifest = {"nics": [NIC | {"securityGroups": ["web"]}]}
    regrouped: Manifest = {"nics": [NIC | {"securityGroups": ["ssh"]}]}
    after = vm(2, regrouped, pending=(OLD,))
    said = await told(capsys, vm(1, spec, pending=(OLD,)), Wanted(groups=("ssh",)), after)
    assert said == ("web-1: security groups of eth0: web → ssh; it counts at once.\nweb-1 changed.\n")


async def test_memory_that_the_guest_has_not_taken_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    before, grown = vm(1, {"memory": {"size": "4Gi"}}), {"memory": {"size": "5Gi"}}
    slow, done = vm(2, grown, SLOW.text), vm(2, grown)
    assert await told(capsys, before, Wanted(memory="5Gi"), slow, slow, slow, done) == "web-1 changed.\n"
    said = await told(capsys, before, Wanted(memory="5Gi"), slow)
    assert said == (
        "web-1 changed. The guest has 4Gi of memory so far, of 5Gi.\n"
        "Try: qx vm explain web-1, which says how far it is; "
        "look whether its virtio-mem driver runs, or qx vm restart web-1\n"
    )
