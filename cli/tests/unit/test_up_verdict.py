"""What `make up` says at its end, and how long it waits for a VM that waits itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from quantix_api.errors import TransientError
from quantix_api.resources import SECURITY_GROUPS, VIRTUAL_MACHINES, Resource
from quantix_cli.commands.up import ending
from quantix_cli.settings import read_settings
from quantix_cli.up.hostd_door import HostdDoor
from quantix_cli.up.settings import judge_settings
from quantix_cli.up.start import example
from quantix_cli.up.start.declaring import declare
from quantix_cli.up.start.going import until_gone
from quantix_cli.up.start.patience import Patience
from quantix_cli.up.start.verdict import Trouble, sentences, trouble_of
from quantix_client.api import ApiClient
from quantix_client.errors import NotFound, Throttled

SETTINGS = judge_settings(read_settings({}))
RUNS = example.ExampleState("10.77.0.10", "Running")


def vm(reason: str, message: str = "", *, name: str = "web-1", namespace: str = "default") -> dict[str, Any]:
    status = "True" if reason in ("Running", "Stopped") else "False"
    ready = {"type": "Ready", "status": status, "reason": reason, "message": message}
    return {
        "kind": "VirtualMachine",
        "metadata": {"name": name, "namespace": namespace, "generation": 1},
        "spec": {},
        "status": {"conditions": [ready]},
    }


def trouble(name: str, word: str = "Waiting", namespace: str = "default") -> Trouble:
    return Trouble(namespace, name, word, "NoHostFits: There is no host yet")


def test_a_vm_that_waits_is_named_with_its_reason_and_without_its_hint() -> None:
    found = trouble_of(vm("NotEnoughMemory", "No host has 64 GiB free. Try: add a host."))
    assert found is not None
    assert sentences([found]) == ["1 VM waits: web-1, NotEnoughMemory: No host has 64 GiB free."]


@pytest.mark.parametrize("reason", ["Running", "Stopped", "Creating", "ImageDownloading", "Starting"])
def test_a_vm_that_is_as_asked_or_being_worked_on_is_no_trouble(reason: str) -> None:
    assert trouble_of(vm(reason)) is None


def test_many_are_counted_and_three_are_named_by_state() -> None:
    waiting = [trouble(f"w{number}") for number in range(5)]
    assert sentences([trouble("crashed", "Failed", "shop"), *waiting]) == [
        "1 VM is Failed: shop/crashed, NoHostFits: There is no host yet.",
        "5 VMs wait: w0, NoHostFits: There is no host yet; w1, NoHostFits: There is no host yet; "
        "w2, NoHostFits: There is no host yet; and 2 more.",
    ]


def told(state: example.ExampleState, *troubles: Trouble, changed: bool = False) -> list[str]:
    return ending(state, troubles, took_s=2.8, changed=changed, settings=SETTINGS)


def test_a_repeated_run_with_all_well_is_one_line() -> None:
    assert told(RUNS) == ["Ready in 2.8 s, nothing to change. web-1 is Running at 10.77.0.10."]


def test_a_repeated_run_says_who_waits_and_what_tells_more() -> None:
    assert told(RUNS, trouble("db-1", namespace="shop")) == [
        "Ready in 2.8 s, nothing to change. web-1 is Running at 10.77.0.10. "
        "1 VM waits: shop/db-1, NoHostFits: There is no host yet.",
        "  Try          qx vm explain db-1 -n shop",
    ]


def test_an_example_that_waits_is_not_said_to_run() -> None:
    waits = trouble("web-1")
    assert told(example.ExampleState("", "Running", waits), waits)[0] == (
        "Ready in 2.8 s, nothing to change. 1 VM waits: web-1, NoHostFits: There is no host yet."
    )


def test_an_example_without_a_nic_is_said_to_run_and_to_have_no_address() -> None:
    said = told(example.ExampleState("", "Running", has_nic=False))[0]
    assert said.endswith("web-1 is Running and has no NIC, so no address.")


def test_an_example_that_is_to_be_off_is_said_to_be() -> None:
    assert told(example.ExampleState("", "Stopped"))[0].endswith("web-1 is Stopped, as its powerState says.")


def test_a_first_run_ends_with_where_to_go_on() -> None:
    assert told(RUNS, changed=True) == [
        "Ready in 2.8 s. web-1 is Running at 10.77.0.10. kubeconfig: /etc/quantix/admin.kubeconfig",
        "  Try          qx status   ·   qx vm console web-1   ·   kubectl get vm",
    ]


class OneVm:
    """Answers every `get` with the same VM."""

    def __init__(self, vm: dict[str, Any]) -> None:
        self.vm = vm

    async def get(self, *_: object) -> dict[str, Any]:
        return self.vm


async def wait(waiting: dict[str, Any], patience_s: float | None) -> example.ExampleState:
    client = cast(ApiClient, OneVm(waiting))
    door = HostdDoor(Path("/nonexistent"))
    return await example.wait_for_answer(client, door, lambda _: None, patience_s, timeout_s=0.0)


async def test_an_example_that_was_there_and_waits_is_reported_after_a_moment() -> None:
    state = await wait(vm("NoHostFits", "There is no host yet."), patience_s=0.0)
    assert state.trouble == trouble("web-1")


async def test_an_example_that_was_there_and_answers_nobody_is_reported_and_no_failure() -> None:
    runs = vm("Running")
    runs["spec"]["nics"] = [{"name": "eth0"}]
    runs["status"]["nics"] = [{"addresses": ["127.0.0.1"]}]
    state = await wait(runs, patience_s=0.0)
    assert state.trouble is not None
    (said,) = sentences([state.trouble])
    assert said.startswith("1 VM is silent: web-1, 127.0.0.1 does not answer on port 80")
    with pytest.raises(TransientError, match="security group has to open port 80"):
        await wait(runs, patience_s=None)


class Closed(OneVm):
    """A VM whose security group lets in nobody on port 80."""

    async def get(self, *words: object) -> dict[str, Any]:
        rules = [{"protocol": "TCP", "ports": [{"port": 22}]}]
        group = {"metadata": {"name": "web"}, "spec": {"ingress": rules}}
        return group if words[0] is SECURITY_GROUPS else self.vm


@pytest.mark.parametrize("patience_s", [None, 3.0], ids=["new", "there before"])
async def test_a_port_that_no_rule_opens_is_not_waited_for(patience_s: float | None) -> None:
    runs = vm("Running")
    runs["spec"]["nics"] = [{"name": "eth0", "securityGroups": ["web"]}]
    runs["status"]["nics"] = [{"name": "eth0", "addresses": ["127.0.0.1"]}]
    client, door = cast(ApiClient, Closed(runs)), HostdDoor(Path("/nonexistent"))
    state = await example.wait_for_answer(client, door, lambda _: None, patience_s)
    assert state.trouble is not None
    (said,) = sentences([state.trouble])
    assert said.startswith("1 VM is silent: web-1, 127.0.0.1 cannot answer on port 80: No rule of security")
    assert state.trouble.command == "qx securitygroup set web --allow tcp:80"


async def test_a_new_example_that_waits_is_a_failure_that_says_why() -> None:
    with pytest.raises(TransientError, match="web-1 did not answer within 0 s: There is no host yet"):
        await wait(vm("NoHostFits", "There is no host yet."), patience_s=None)


async def test_an_example_whose_nic_was_detached_is_not_waited_for_to_answer() -> None:
    assert await wait(vm("Running"), patience_s=None) == example.ExampleState("", "Running", has_nic=False)


def placeless(message: str) -> dict[str, Any]:
    waits = vm("NotEnoughCPU", message)
    waits["status"]["conditions"][0]["observedGeneration"] = 1
    waits["status"]["unfitHosts"] = [{"reason": "NotEnoughCPU", "hosts": ["box"]}]
    return waits


def stalled() -> dict[str, Any]:
    waits = vm("NetworkNotFound", "There is no network x.")
    waits["status"]["conditions"].append({"type": "Stalled", "status": "True", "observedGeneration": 1})
    waits["status"]["conditions"][0]["observedGeneration"] = 1
    return waits


class Seconds:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def test_a_new_example_that_no_host_takes_is_reported_after_ten_seconds_though_its_words_change() -> None:
    clock = Seconds()
    patience = Patience(None, clock)
    assert patience.over(placeless("No host has 2 CPUs free, box has 1.")) is None
    clock.now_s += 9.9
    assert patience.over(placeless("No host has 2 CPUs free, box has 0.5.")) is None
    clock.now_s += 0.1
    over = patience.over(placeless("No host has 2 CPUs free, box has 0. Try: stop another."))
    assert over == Trouble("default", "web-1", "Waiting", "NotEnoughCPU: No host has 2 CPUs free, box has 0")


def test_a_new_example_that_only_a_change_helps_is_reported_at_once() -> None:
    over = Patience(None, Seconds()).over(stalled())
    assert over is not None
    assert over.why == "NetworkNotFound: There is no network x"


def test_a_trouble_that_passed_begins_anew() -> None:
    clock = Seconds()
    patience = Patience(3.0, clock)
    for waits in (placeless(""), vm("Starting"), placeless("")):
        assert patience.over(waits) is None
        clock.now_s += 2.9


class Learning:
    """An API that refuses its first `times` writes, as one does that has just started."""

    def __init__(self, times: int) -> None:
        self.times = times
        self.applied: list[str] = []

    async def get(self, *_: object) -> dict[str, Any]:
        raise NotFound("not there")

    async def apply(self, resource: Resource, manifest: dict[str, Any], *, manager: str) -> None:
        if self.times:
            self.times -= 1
            raise Throttled(f"Resource kind {resource.kind} not found. There can be a delay.", code=503)
        self.applied.append(manifest["metadata"]["name"])


async def test_an_api_that_does_not_know_the_kinds_of_the_example_yet_is_waited_for() -> None:
    api, said = Learning(1), list[str]()
    file = SETTINGS.checkout / "examples/first-vm.yaml"
    assert await example.ensure_declared(cast(ApiClient, api), file, said.append)
    assert api.applied == ["web", "web-1"]
    assert "waiting until the API takes SecurityGroup web" in said


async def test_an_api_that_never_takes_an_object_ends_the_run_with_what_it_said_and_a_way_out() -> None:
    api = cast(ApiClient, Learning(1000))
    manifest = {"metadata": {"name": "web-1"}}
    with pytest.raises(TransientError) as caught:
        await declare(api, VIRTUAL_MACHINES, manifest, lambda _: None, timeout_s=0.0, interval_s=0.0)
    assert str(caught.value) == (
        "The API did not take VirtualMachine web-1 within 0 s: Resource kind VirtualMachine not found. "
        "There can be a delay. Try: make up again."
    )


class Going:
    """An API in which web-1 is being deleted for so many looks, and then can be made anew."""

    def __init__(self, looks: int) -> None:
        self.looks = looks
        self.calls: list[str] = []

    async def get(self, resource: Resource, name: str, *_: object) -> dict[str, Any]:
        if resource is VIRTUAL_MACHINES and self.looks <= 0:
            raise NotFound("gone")
        found = vm("Stopping", "It has 60 s to shut down.", name=name)
        found["metadata"] |= {"uid": name}
        if resource is VIRTUAL_MACHINES:
            self.looks -= 1
            found["metadata"] |= {"deletionTimestamp": "2026-11-29T20:00:00Z"}
        return found

    async def apply(self, resource: Resource, manifest: dict[str, Any], *, manager: str) -> None:
        self.calls.append(manifest["metadata"]["name"])


async def test_an_example_that_is_being_deleted_is_made_again_once_it_is_gone() -> None:
    api, said = Going(3), list[str]()
    file = SETTINGS.checkout / "examples/first-vm.yaml"
    assert await example.ensure_declared(cast(ApiClient, api), file, said.append)
    assert api.calls == ["web-1"], "what is there stays the user's"
    assert said[0] == "VirtualMachine web-1 is being deleted (It has 60 s to shut down)"


async def test_an_example_that_does_not_go_ends_the_run_with_what_keeps_it() -> None:
    api = Going(1000)
    going = await api.get(VIRTUAL_MACHINES, "web-1")
    going["spec"] = {"gracePeriodSeconds": 0}
    with pytest.raises(TransientError) as caught:
        await until_gone(
            cast(ApiClient, api), VIRTUAL_MACHINES, going, lambda _: None, after_grace_s=0.0, interval_s=0.0
        )
    assert str(caught.value) == (
        "VirtualMachine web-1 was not gone within 0 s: VirtualMachine web-1 is being deleted "
        "(It has 60 s to shut down). Try: qx vm explain web-1; then make up again."
    )


@pytest.mark.parametrize("looks", [2, 1, 0], ids=["being deleted", "gone", "gone before the first look"])
async def test_an_example_that_is_deleted_while_it_is_waited_for_is_reported(looks: int) -> None:
    client, door = cast(ApiClient, Going(looks)), HostdDoor(Path("/nonexistent"))
    state = await example.wait_for_answer(client, door, lambda _: None, None, timeout_s=0.0)
    assert state.trouble is not None
    assert sentences([state.trouble]) == ["1 VM is Deleting: web-1, make up makes it again once it is gone."]
