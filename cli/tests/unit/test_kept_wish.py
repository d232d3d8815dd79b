"""`qx vm set` whose host has no room says that spec goes on asking, and what takes that back."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from quantix_cli.commands import changing_vm
from quantix_cli.exits import CommandError, Exit
from quantix_cli.vm.kept_wish import kept_wish, taken_back_by
from quantix_lab.qx_session import Looks, qx_session

Manifest = dict[str, Any]
NO = {"type": "SizeGranted", "status": "False", "reason": "NotEnoughCPU", "observedGeneration": 2}
NO |= {"message": "box has no room for 64 cores of it. Try: set fewer."}


def vm(cores: int | None = 2, memory: str = "2Gi", type_: str = "", generation: int = 2) -> Manifest:
    """It was given 2 cores and 2Gi, whatever its spec asks for."""
    spec: Manifest = {"cpu": {"cores": cores}} if cores else {}
    spec |= {"memory": {"size": memory}} if memory else {}
    spec |= {"instanceType": type_} if type_ else {}
    metadata = {"name": "web-2", "namespace": "default", "generation": generation, "resourceVersion": "1"}
    runtime = {"domain": "Present", "resolvedGeneration": 2}
    status = {"observedGeneration": 2, "runtime": runtime, "conditions": [NO]}
    return {
        "metadata": metadata,
        "spec": spec,
        "status": status | {"resolved": {"cores": 2, "memory": "2Gi"}},
    }


@pytest.mark.parametrize(
    ("before", "seen", "kept", "back"),
    [
        (vm(), vm(64), ["cpu.cores 2 → 64"], "--cpu 2"),
        (vm(), vm(2, "64Gi"), ["memory.size 2Gi → 64Gi"], "--memory 2GiB"),
        (vm(64), vm(64, "64Mi"), ["cpu.cores 2 → 64", "memory.size 2Gi → 64Mi"], "--cpu 2 --memory 2GiB"),
        (vm(64), vm(64, "2048Mi"), ["cpu.cores 2 → 64"], "--cpu 2"),
        (vm(None, "", "small"), vm(64), ["cpu.cores 2 → 64"], "--type small"),
        (vm(None, "", "small"), vm(None, "", "huge"), [], "--type small"),
        (vm(), vm(None, "", "huge"), [], "--cpu 2 --memory 2GiB"),
        (vm(), vm(), [], ""),
    ],
)
def test_what_spec_keeps_asking_for(before: Manifest, seen: Manifest, kept: list[str], back: str) -> None:
    assert kept_wish(seen) == kept
    assert taken_back_by(before, seen, "web-2") == (f"qx vm set web-2 {back}" if back else "")


def capped(vm: Manifest, cores: int | None = None, memory: str = "", **resolved: Any) -> Manifest:
    """As `vm`, with what it may grow to, as spec says it and as it was `resolved` where that says nothing."""
    spec = vm["spec"]
    cpu = {**spec.get("cpu", {})} | ({"maxCores": cores} if cores else {})
    size = {**spec.get("memory", {})} | ({"maxSize": memory} if memory else {})
    status = {**vm["status"], "resolved": vm["status"]["resolved"] | resolved}
    return {**vm, "spec": {**spec, "cpu": cpu, "memory": size}, "status": status}


@pytest.mark.parametrize(
    ("before", "seen", "back"),
    [
        (
            capped(vm(), memory="4Gi"),
            capped(vm(2, "900Gi"), memory="900Gi"),
            "--memory 2GiB --max-memory 4GiB",
        ),
        (
            capped(vm(), maxMemory="4Gi"),
            capped(vm(2, "900Gi"), memory="900Gi", maxMemory="4Gi"),
            "--memory 2GiB --max-memory 4GiB",
        ),
        (capped(vm(), 4), capped(vm(64), 64), "--cpu 2 --max-cpu 4"),
        (capped(vm(), memory="4Gi"), capped(vm(2, "3Gi"), memory="4096Mi"), "--memory 2GiB"),
        (capped(vm(None, "", "small"), 4), capped(vm(64), 64), "--type small --max-cpu 4"),
    ],
    ids=["a ceiling", "one that was resolved", "of cores", "the same one", "of a type"],
)
def test_a_ceiling_that_was_raised_is_taken_back_too(before: Manifest, seen: Manifest, back: str) -> None:
    assert taken_back_by(before, seen, "web-2") == f"qx vm set web-2 {back}"


class Refusing(Looks):
    """A VM that runs on a host without room; what is written to it stays in its spec."""

    async def patch(self, *_: Any, **__: Any) -> Manifest:
        return await self.get()

    async def list(self, *_: Any) -> SimpleNamespace:
        return SimpleNamespace(items=[])


@pytest.mark.parametrize(
    ("before", "after", "patch", "keeps", "back"),
    [
        (vm(), vm(64), {"cpu": {"cores": 64}}, "cpu.cores 2 → 64", "--cpu 2"),
        (
            vm(64),
            vm(64, "64Mi"),
            {"memory": {"size": "64Mi"}},
            "cpu.cores 2 → 64, memory.size 2Gi → 64Mi",
            "--cpu 2 --memory 2GiB",
        ),
    ],
    ids=["refused itself", "beside what was refused before"],
)
async def test_a_refusal_says_what_stays_and_how_to_take_it_back(
    before: Manifest, after: Manifest, patch: Manifest, keeps: str, back: str
) -> None:
    old = {**before, "metadata": {**before["metadata"], "generation": 1}}
    with pytest.raises(CommandError) as ended:
        await changing_vm._change(qx_session(Refusing(after)), old, lambda _: {"spec": patch}, True)
    assert (ended.value.exit_code, ended.value.message, ended.value.hint) == (
        Exit.REFUSED,
        "web-2 is not given what was asked for: box has no room for 64 cores of it. "
        f"Its spec keeps the wish: {keeps}.",
        f"set fewer; qx vm set web-2 {back} takes it back",
    )
