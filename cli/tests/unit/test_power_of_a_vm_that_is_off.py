"""What only a guest that runs, or is paused, can be asked for; and that a paused one is silent."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from quantix_api.resources import VIRTUAL_MACHINES, Resource
from quantix_cli import hostd
from quantix_cli.exits import CommandError, Exit
from quantix_client.api import ListResult
from quantix_lab.qx_session import qx_session, typed

Manifest = dict[str, Any]


def vm(reason: str, wanted: str, *, host: str = "box") -> Manifest:
    ready = {"type": "Ready", "status": "True", "reason": reason, "observedGeneration": 1}
    metadata = {"name": "web-1", "namespace": "default", "uid": "u", "generation": 1, "resourceVersion": "1"}
    status = {"conditions": [ready], "assignment": {"host": host} if host else {}}
    return {"metadata": metadata, "spec": {"powerState": wanted}, "status": status}


class Api:
    """Has one VM; `written` counts what came to it."""

    def __init__(self, stored: Manifest) -> None:
        self.stored, self.written = stored, 0

    async def get(self, *_: Any, **__: Any) -> Manifest:
        return self.stored

    async def list(self, resource: Resource, *_: Any, **__: Any) -> ListResult:
        return ListResult([self.stored] if resource is VIRTUAL_MACHINES else [], "1")

    async def patch(self, *_: Any, **__: Any) -> Manifest:
        self.written += 1
        return self.stored


@pytest.mark.parametrize(
    "stored",
    [vm("Stopped", "Stopped", host=""), vm("GuestShutdown", "Running"), vm("Pending", "Stopped")],
    ids=["off", "shut itself down", "to be off"],
)
async def test_a_vm_that_is_off_is_not_resumed_which_would_start_it(
    stored: Manifest, capsys: pytest.CaptureFixture[str]
) -> None:
    api = Api(stored)
    assert await typed(qx_session(api), "vm resume web-1 --no-wait") == Exit.REFUSED
    assert api.written == 0
    said = "✗ web-1 is off: it cannot be resumed.\nTry: qx vm start web-1\n"
    assert capsys.readouterr().err == said


@pytest.mark.parametrize(
    ("stored", "written"),
    [(vm("Paused", "Paused"), 1), (vm("Pending", "Paused", host=""), 1), (vm("Running", "Running"), 0)],
    ids=["paused", "to be paused", "runs already"],
)
async def test_another_one_goes_on(stored: Manifest, written: int) -> None:
    api = Api(stored)
    assert await typed(qx_session(api), "vm resume web-1 --no-wait") == Exit.DONE
    assert api.written == written


@pytest.mark.parametrize(("reason", "told"), [("Paused", True), ("Running", False)])
async def test_that_a_paused_guest_is_silent_is_told(
    reason: str, told: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await hostd.host_of(qx_session(Api(vm(reason, reason))), "web-1", "console") == "box"
    said = "web-1 is paused: its console stands still.   qx vm resume web-1\n"
    assert capsys.readouterr().err == (said if told else "")


WITHOUT = [
    ("screen", {"video": "None"}, "its spec.console.video is None.", "qx vm console web-1"),
    ("console", {"serial": False}, "its spec.console.serial is false.", "qx vm view web-1"),
]


@pytest.mark.parametrize(("what", "console", "why", "instead"), WITHOUT)
async def test_a_vm_that_was_made_without_is_not_asked(
    what: str, console: Manifest, why: str, instead: str
) -> None:
    made = vm("Running", "Running")
    made["spec"]["console"] = console
    with pytest.raises(CommandError) as refused:
        await hostd.host_of(qx_session(Api(made)), "web-1", what)
    assert (refused.value.exit_code, refused.value.hint) == (Exit.REFUSED, instead)
    assert refused.value.message == f"web-1 has no {what}: {why}"
    # the guest that runs has what it had
    (field,) = console
    made["status"]["runtime"] = {"pendingChanges": [{"path": f"spec.console.{field}"}]}
    assert await hostd.host_of(qx_session(Api(made)), "web-1", what) == "box"


@pytest.mark.parametrize(
    "command", ["vm stop web-1 --now", "vm stop web-1 --grace 0", "vm stop web-1 --grace 9"]
)
async def test_a_vm_that_is_off_loses_nothing_when_it_is_stopped(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    api = Api(vm("Stopped", "Stopped"))
    assert await typed(qx_session(api), command) == Exit.DONE
    assert capsys.readouterr().err == "web-1 is off already.\n"
    assert api.written == 0


@pytest.mark.parametrize("stored", [vm("Running", "Running"), vm("Stopping", "Stopped")])
async def test_a_guest_that_runs_is_still_asked_about(stored: Manifest) -> None:
    with pytest.raises(CommandError, match="Pull the plug"):
        await typed(qx_session(Api(stored)), "vm stop web-1 --now")


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("vm delete web-1 wbe-1 --yes", "Nothing was deleted."),
        ("vm stop web-1 wbe-1", "Nothing was changed."),
        ("vm set web-1 wbe-1 --cpu 2", "Nothing was changed."),
        ("vm stop wbe-1", "Did you mean web-1?"),
    ],
)
async def test_one_wrong_name_leaves_the_others_alone_and_says_so(command: str, said: str) -> None:
    api = Api(vm("Running", "Running"))
    with pytest.raises(CommandError) as refused:
        await typed(qx_session(api), command)
    assert refused.value.message == f"There is no VM wbe-1 here. {said}"
    assert api.written == 0


class Several(Api):
    """One that runs, one that is off, and one that nobody has a host for, each in a namespace of its own."""

    async def list(self, resource: Resource, *_: Any, **__: Any) -> ListResult:
        states = {"a": ("Running", "box"), "b": ("Stopped", ""), "c": ("NotEnoughMemory", "")}
        vms = [
            {**vm(reason, "Running", host=host), "metadata": vm("", "")["metadata"] | {"namespace": name}}
            for name, (reason, host) in states.items()
        ]
        return ListResult(vms if resource is VIRTUAL_MACHINES else [], "1")


@pytest.mark.parametrize("verb", ["stop --now", "restart --now"])
async def test_a_question_about_several_names_those_that_lose_nothing_as_well(
    verb: str, capsys: pytest.CaptureFixture[str]
) -> None:
    everywhere = replace(qx_session(Several(vm("", ""))), namespace=None)
    with pytest.raises(CommandError):
        await typed(everywhere, f"vm {verb} 'web-*' -A")
    assert capsys.readouterr().err.splitlines() == [
        "  a/web-1 loses what it has not saved",
        "  b/web-1",
        "  c/web-1",
    ]


@pytest.mark.parametrize("command", ["stop 'web-*'", "set web-1 --priority 3", "delete web-1"])
async def test_vms_of_one_name_are_told_with_their_namespaces(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    everywhere = replace(qx_session(Several(vm("", ""))), namespace=None)
    with pytest.raises(CommandError):
        await typed(everywhere, f"vm {command} -A")
    told = [line.strip().removeprefix("VM ") for line in capsys.readouterr().err.splitlines()]
    assert told == ["a/web-1", "b/web-1", "c/web-1"]


class Slow(Api):
    """A VM whose guest takes longer to shut down than anybody waits; `patches` are those of its spec."""

    def __init__(self) -> None:
        super().__init__(vm("Running", "Running"))
        self.stored["spec"]["gracePeriodSeconds"] = 60
        self.patches: list[Manifest] = []

    async def patch(self, _: object, __: str, patch: Manifest, *___: Any, **____: Any) -> Manifest:
        self.patches.append(patch["spec"])
        stopping = {"type": "Ready", "status": "False", "reason": "Stopping", "observedGeneration": 1}
        self.stored = {
            **self.stored,
            "spec": self.stored["spec"] | patch["spec"],
            "status": {"conditions": [stopping], "assignment": {"host": "box"}},
        }
        return self.stored


@pytest.mark.parametrize(
    ("command", "kept"),
    [("stop web-1 --grace 600", True), ("stop web-1 --grace 30", False), ("stop web-1 --now -y", False)],
)
async def test_a_wait_that_ends_first_shortens_no_time_that_a_guest_was_given(
    command: str, kept: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    api = Slow()
    assert await typed(qx_session(api), f"vm {command}") == Exit.TIMED_OUT
    assert [patch.get("gracePeriodSeconds") for patch in api.patches][1:] == ([] if kept else [60])
    said = "web-1 keeps 600 s to shut down; 60 s again:   qx vm set web-1 --grace 60"
    assert (said in capsys.readouterr().err) == kept


async def test_without_a_wait_it_is_told_that_the_time_stays(capsys: pytest.CaptureFixture[str]) -> None:
    api = Slow()
    assert await typed(qx_session(api), "vm stop web-1 --now -y --no-wait") == Exit.DONE
    assert len(api.patches) == 1
    said = "web-1 keeps 0 s to shut down; 60 s again:   qx vm set web-1 --grace 60"
    assert capsys.readouterr().err.splitlines()[-1] == said
