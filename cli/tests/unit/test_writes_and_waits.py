"""A write that somebody overtook is made of the newer object; a wait says what it waits for."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from quantix_api.messages import render
from quantix_api.resources import VIRTUAL_MACHINES
from quantix_cli.commands import changing_vm, making
from quantix_cli.exits import CommandError, Exit
from quantix_cli.nouns import NOUNS
from quantix_cli.session import Session
from quantix_cli.vm.changes import growth_refusal, left_for_restart
from quantix_cli.waiting import Wait, has_no_place, is_ready, until
from quantix_cli.writing import Showing, Writer
from quantix_client.errors import Conflict
from quantix_lab.qx_session import PIPE, qx_session


def vm(version: int, disks: list[str], **more: Any) -> dict[str, Any]:
    metadata = {"name": "web-1", "namespace": "default", "uid": "1", "generation": 2}
    spec = {"disks": [{"name": name} for name in disks]}
    return {"metadata": metadata | {"resourceVersion": str(version)}, "spec": spec, **more}


class Api:
    """Has one VM; a patch that names an older version of it conflicts. `looks` are what reads find first."""

    def __init__(self, stored: dict[str, Any], looks: list[dict[str, Any]] | None = None) -> None:
        self.stored = stored
        self.looks = looks or []
        self.patches: list[dict[str, Any]] = []

    async def get(self, *_: Any) -> dict[str, Any]:
        return self.looks.pop(0) if self.looks else self.stored

    async def patch(self, _: Any, __: str, patch: dict[str, Any], *___: Any, dry_run: bool) -> dict[str, Any]:
        self.patches.append(patch)
        version = patch.get("metadata", {}).get("resourceVersion")
        if version not in (None, self.stored["metadata"]["resourceVersion"]):
            raise Conflict("somebody else was faster")
        return {**self.stored, "spec": {**self.stored["spec"], **patch.get("spec", {})}}


def writer(api: Any, showing: Showing = Showing()) -> Writer:  # noqa: B008
    return Writer(api, PIPE, showing)


def with_disk(live: dict[str, Any]) -> dict[str, Any]:
    return {"spec": {"disks": [*live["spec"]["disks"], {"name": "new"}]}}


async def test_a_list_is_added_to_as_it_is_now_and_not_as_it_was_read() -> None:
    api = Api(vm(8, ["root", "theirs"]))
    changed = await writer(api).change(VIRTUAL_MACHINES, vm(7, ["root"]), with_disk)
    assert changed is not None
    assert [disk["name"] for disk in changed["spec"]["disks"]] == ["root", "theirs", "new"]
    assert [patch["metadata"]["resourceVersion"] for patch in api.patches] == ["7", "8"]


async def test_a_value_is_set_whatever_else_was_written() -> None:
    api = Api(vm(8, ["root"]))
    await writer(api).patch(VIRTUAL_MACHINES, vm(7, ["root"]), {"spec": {"powerState": "Stopped"}})
    assert api.patches == [{"spec": {"powerState": "Stopped"}}]


async def test_an_empty_patch_is_not_sent() -> None:
    api = Api(vm(8, ["root"]))
    assert await writer(api).change(VIRTUAL_MACHINES, api.stored, lambda _: {}) is api.stored
    assert api.patches == []


async def test_what_is_only_shown_is_not_sent(capsys: pytest.CaptureFixture[str]) -> None:
    api = Api(vm(8, ["root"]))
    shown = writer(api, Showing(dry_run=True, script=True))
    assert await shown.change(VIRTUAL_MACHINES, api.stored, with_disk) is None
    assert api.patches == []
    script = capsys.readouterr().out
    assert script.startswith("kubectl patch virtualmachines.quantix.io web-1 -n default")
    assert "resourceVersion" not in script


session = partial(qx_session, timeout_s=30.0)


def said(
    status: str, reason: str, message: str = "", kind: str = "Ready", generation: int = 2
) -> dict[str, Any]:
    told = {"type": kind, "status": status, "reason": reason, "message": message}
    return told | {"observedGeneration": generation}


def running(generation: int) -> dict[str, Any]:
    return vm(9, [], status={"conditions": [said("True", "Running", generation=generation)]})


async def test_what_was_ready_before_the_write_is_not_what_is_waited_for() -> None:
    api = Api(running(2), [running(1), running(1)])
    found = await until(session(api), NOUNS["vm"], running(1), lambda live: is_ready(live, 2, "Running"))
    assert found is api.stored
    assert api.looks == []


async def test_a_second_default_pool_is_there_and_nobody_waits_for_the_first_to_lose_its_mark() -> None:
    message = "local is the default pool too, and the older one counts. Try: take its mark away."
    younger = vm(9, [], status={"conditions": [said("False", "DefaultConflict", message)]})
    assert await making._until_ready(session(Api(younger)), NOUNS["pool"], younger) is younger


def compared(generation: int | None, *paths: str) -> dict[str, Any]:
    """A VM that runs, whose host knows what spec meant at that generation; `paths` wait for a restart."""
    runtime: dict[str, Any] = {"pendingChanges": [{"path": path, "wanted": "2"} for path in paths]}
    runtime |= {} if generation is None else {"resolvedGeneration": generation}
    return vm(9, [], status={"observedGeneration": 2, "runtime": runtime})


async def left_after(asking: Session, changed: dict[str, Any]) -> int:
    return len(left_for_restart(await changing_vm.until_compared(asking, changed)))


async def test_what_waits_for_a_restart_is_known_once_the_host_compared_the_change() -> None:
    pending = compared(2, "spec.cpu.cores")
    api = Api(compared(2), [compared(1, "spec.old"), compared(1), pending])
    assert await left_after(session(api), compared(1)) == 1
    assert api.looks == []
    asking = session(Api(compared(2)))
    began_s = asking.clock.monotonic()
    assert await left_after(asking, compared(2)) == 0
    assert asking.clock.monotonic() == began_s, "nothing is waited for"


async def test_a_host_that_tells_no_comparison_is_waited_for_3_s() -> None:
    asking = session(Api(compared(None, "spec.cpu.cores")))
    began_s = asking.clock.monotonic()
    assert await left_after(asking, compared(None)) == 1
    assert 2.5 < asking.clock.monotonic() - began_s < 3.5


def sized(cores: int, generation: int, *conditions: dict[str, Any]) -> dict[str, Any]:
    runtime = {"domain": "Present", "resolvedGeneration": generation}
    status = {"observedGeneration": generation, "runtime": runtime, "conditions": list(conditions)}
    live = vm(9, [], status=status)
    live["metadata"]["generation"] = generation
    return live | {"spec": {"cpu": {"cores": cores}}}


async def test_a_growth_that_its_host_has_no_room_for_is_said_to_be_refused() -> None:
    message = "It wants 64 of box, where 2 are free: it keeps what it was given. Try: ask for less."
    no = said("False", "NotEnoughCPU", message, kind="SizeGranted")

    class Grown(Api):
        async def patch(self, *_: Any, **__: Any) -> dict[str, Any]:
            written = sized(64, 1)
            written["metadata"]["generation"] = 2
            return written

    def grow(_: Any) -> dict[str, Any]:
        return {"spec": {"cpu": {"cores": 64}}}

    with pytest.raises(CommandError) as ended:
        await changing_vm._change(session(Grown(sized(64, 2, no))), sized(1, 1), grow, True)
    assert (ended.value.exit_code, ended.value.hint) == (Exit.REFUSED, "ask for less")
    assert ended.value.message.startswith("web-1 is not given what was asked for: It wants 64 of box")


def test_what_else_is_changed_is_not_refused_for_an_earlier_growth() -> None:
    no = said("False", "NotEnoughCPU", "No. Try: less.", kind="SizeGranted")
    assert growth_refusal(sized(1, 1), sized(64, 2), sized(64, 2, no)) == "No. Try: less."
    assert growth_refusal(sized(64, 1), sized(64, 2), sized(64, 2, no)) == "", "cores are as they were"
    assert growth_refusal(sized(1, 2), sized(64, 3), sized(64, 3, no)) == "", "said of an earlier spec"
    assert growth_refusal(sized(1, 1), sized(64, 2), sized(64, 2)) == ""


async def test_a_wait_that_nothing_will_end_ends_with_the_reason_and_the_way_out() -> None:
    message = "Image x is refused. Try: another image."
    stalled = said("True", "ImageRefused", message, kind="Stalled")
    stuck = vm(9, [], status={"conditions": [said("False", "ImageRefused", message), stalled]})
    with pytest.raises(CommandError) as ended:
        await until(session(Api(stuck)), NOUNS["vm"], stuck, lambda live: False, Wait(gives_up=Exit.REFUSED))
    assert (ended.value.exit_code, ended.value.message, ended.value.hint) == (
        Exit.REFUSED,
        "Image x is refused.",
        "another image",
    )


def nowhere(reason: str = "NotEnoughMemory", *, away: bool = False, generation: int = 2) -> Any:
    message = "No host has 64 GiB free: box 20 GiB. Try: lower memory, stop or move a VM, or add a host."
    conditions = [said("False", reason, message, generation=generation)]
    unfit = [{"why": "lacks memory", "away": away, "count": 1, "hosts": ["box"]}]
    return vm(9, [], status={"conditions": conditions, "unfitHosts": unfit})


def source_nowhere() -> dict[str, Any]:
    told = render("WaitingForHost", volume="m-1-root", vm="m-1")
    return vm(9, [], status={"conditions": [said("False", told.reason, told.text)]})


async def test_a_clone_of_what_nobody_makes_says_whose_host_is_missing() -> None:
    with pytest.raises(CommandError) as ended:
        await until(session(Api(source_nowhere())), NOUNS["vm"], source_nowhere(), lambda live: False)
    assert "it is made on the host of VM m-1, which has none yet" in ended.value.message
    assert ended.value.hint == "qx vm explain m-1 says why"


async def test_a_wait_for_room_that_only_people_make_ends_with_the_reason() -> None:
    with pytest.raises(CommandError) as ended:
        await until(session(Api(nowhere())), NOUNS["vm"], nowhere(), lambda live: False)
    assert (ended.value.exit_code, ended.value.message, ended.value.hint) == (
        Exit.FAILED,
        "web-1 waits: No host has 64 GiB free: box 20 GiB. It goes on by itself once that is done.",
        "lower memory, stop or move a VM, or add a host",
    )


@pytest.mark.parametrize(
    ("found", "lost"),
    [
        (nowhere(), True),
        (nowhere("DeviceUnavailable"), True),
        (source_nowhere(), True),
        (nowhere("ImageDownloading"), False),
        (nowhere(away=True), False),
        (nowhere(generation=1), False),
        (running(2), False),
    ],
    ids=[
        "no room",
        "no device",
        "nobody makes its source",
        "work goes on",
        "a host may come back",
        "said of an older spec",
        "it runs",
    ],
)
def test_what_has_no_place(found: dict[str, Any], lost: bool) -> None:
    assert has_no_place(found, 2) is lost


class Growing(Api):
    """Has a Volume that is Ready, and the VM that has it, which is not; the Volume grows after seconds."""

    async def get(self, resource: Any, *_: Any) -> dict[str, Any]:
        if resource == VIRTUAL_MACHINES:
            return vm(9, [], status={"conditions": [said("False", "PoolFull", "Pool local has 1 GiB free.")]})
        return await super().get()


async def test_a_volume_that_grows_tells_what_its_vm_waits_for(capsys: pytest.CaptureFixture[str]) -> None:
    metadata = {"name": "web-1-root", "namespace": "default", "generation": 2}
    small, large = (
        {"metadata": metadata, "status": {"capacity": size, "conditions": [said("True", "Available")]}}
        for size in ("1Gi", "2Gi")
    )
    api = Growing(large, [small] * 20)
    wait = Wait(vm=vm(9, []))
    grown = await until(
        session(api), NOUNS["volume"], small, lambda live: live["status"]["capacity"] == "2Gi", wait
    )
    assert grown is large
    assert capsys.readouterr().err == "web-1: Pool local has 1 GiB free.\n"


async def test_a_wait_that_takes_too_long_says_what_it_waits_for_and_how_far_that_is() -> None:
    waiting = said("False", "ImageDownloading", "x is being downloaded. Try: nothing; it goes on by itself.")
    slow = vm(9, [], status={"conditions": [waiting], "progress": {"percent": 40}})
    with pytest.raises(CommandError) as ended:
        await until(session(Api(slow), timeout_s=0.0), NOUNS["vm"], slow, lambda live: False)
    assert ended.value.exit_code is Exit.TIMED_OUT
    assert ended.value.message == "web-1 is not there yet: x is being downloaded, 40 %."
