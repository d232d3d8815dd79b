"""`qx vm migrate`, `qx migration cancel`, `qx host drain` and `resume`, as they are typed and told."""

from __future__ import annotations

from typing import Any

import pytest

from quantix_api.resources import HOSTS, VIRTUAL_MACHINE_MIGRATIONS, VIRTUAL_MACHINES, Resource
from quantix_cli.exits import CommandError, Exit
from quantix_cli.vm.migration import moved, not_moved
from quantix_client.api import ListResult
from quantix_client.errors import NotFound
from quantix_lab.clocks import HastyClock
from quantix_lab.qx_session import qx_session, typed

Manifest = dict[str, Any]


def condition(kind: str, status: str, reason: str, message: str, generation: int = 1) -> Manifest:
    said = {"type": kind, "status": status, "reason": reason, "message": message}
    return {**said, "observedGeneration": generation}


def obj(resource: Resource, name: str, spec: Manifest, status: Manifest | None = None) -> Manifest:
    metadata = {"name": name, "uid": f"uid-{name}", "generation": 1, "resourceVersion": "1"}
    metadata |= {"namespace": "default"} if resource.namespaced else {}
    return {"kind": resource.kind, "metadata": metadata, "spec": spec, "status": status or {}}


def migration(phase: str, name: str = "web-1-x7k2", **status: Any) -> Manifest:
    over = {"finishedAt": "2026-11-01T10:00:03Z"} if phase in ("Succeeded", "Failed", "Cancelled") else {}
    hosts = {"sourceHost": "h2", "targetHost": "h1", "startedAt": "2026-11-01T10:00:00Z"}
    return obj(
        VIRTUAL_MACHINE_MIGRATIONS,
        name,
        {"virtualMachine": "web-1"},
        {"phase": phase, **hosts, **over, **status},
    )


class Api:
    """Has objects by kind; a created migration, or one that is watched, then looks like `ends`."""

    def __init__(self, ends: list[Manifest] | None = None, **kinds: list[Manifest]) -> None:
        self.kinds = {
            HOSTS.kind: [obj(HOSTS, "h1", {}), obj(HOSTS, "h2", {})],
            VIRTUAL_MACHINES.kind: [obj(VIRTUAL_MACHINES, "web-1", {"powerState": "Running"})],
            **kinds,
        }
        self.ends = ends or []
        self.created: list[Manifest] = []
        self.patches: list[Manifest] = []
        self.selectors: list[str] = []

    async def get(self, resource: Resource, name: str, *_: Any, **__: Any) -> Manifest:
        if self.ends and resource.kind in (self.ends[0]["kind"],):
            return self.ends.pop(0) if len(self.ends) > 1 else self.ends[0]
        for item in self.kinds.get(resource.kind, []):
            if item["metadata"]["name"] == name:
                return item
        raise NotFound(f"no {name}")

    async def list(self, resource: Resource, *_: Any, label_selector: str = "", **__: Any) -> ListResult:
        self.selectors += [label_selector] if label_selector else []
        return ListResult(list(self.kinds.get(resource.kind, [])), "1")

    async def create(self, resource: Resource, body: Manifest, **_: Any) -> Manifest:
        self.created.append(body)
        made = obj(resource, body["metadata"]["name"], body["spec"])
        return made

    async def patch(self, resource: Resource, name: str, patch: Manifest, *_: Any, **__: Any) -> Manifest:
        self.patches.append(patch)
        found = next(o for o in self.kinds[resource.kind] if o["metadata"]["name"] == name)
        return {**found, "spec": {**found["spec"], **patch["spec"]}}


async def test_a_move_is_made_watched_and_told(capsys: pytest.CaptureFixture[str]) -> None:
    done = migration("Succeeded", source={"downtimeMilliseconds": 300})
    api = Api([migration("Copying", progress={"doneBytes": 1, "totalBytes": 2}), done])
    assert await typed(qx_session(api), "vm migrate web-1 --to h1 --post-copy") == Exit.DONE
    (made,) = api.created
    assert made["spec"] == {"virtualMachine": "web-1", "targetHost": "h1", "postCopy": True}
    assert made["metadata"]["name"].startswith("web-1-")
    assert capsys.readouterr().err == "web-1 moved to h1 in 3.0 s; it paused for 0.3 s.\n"


async def test_without_waiting_it_says_where_to_look(capsys: pytest.CaptureFixture[str]) -> None:
    api = Api()
    assert await typed(qx_session(api), "vm migrate web-1 --no-wait") == Exit.DONE
    (made,) = api.created
    assert made["spec"] == {"virtualMachine": "web-1"}
    name = made["metadata"]["name"]
    assert capsys.readouterr().err == f"web-1: migrate accepted. See: qx migration show {name}\n"


async def test_a_host_that_is_not_there_is_refused_before_anything_is_made() -> None:
    api = Api()
    with pytest.raises(CommandError) as refused:
        await typed(qx_session(api), "vm migrate web-1 --to h9")
    assert refused.value.exit_code == Exit.NOT_FOUND
    assert api.created == []


def test_what_was_not_moved_says_why_and_that_it_runs_on() -> None:
    message = "h1 could not receive it: it does not know pool fast. Try: another host."
    why = condition("Ready", "False", "TargetFailed", message)
    error = not_moved(migration("Failed", conditions=[why], source={"outcome": "GaveUp"}))
    assert error.exit_code == Exit.FAILED
    assert error.message == (
        "web-1 was not moved: h1 could not receive it: it does not know pool fast (TargetFailed). "
        "It goes on running on h2."
    )
    assert error.hint == "another host"


def test_of_what_lost_its_memory_on_the_way_it_is_not_said_that_it_runs_on() -> None:
    message = (
        "A part of the memory of web-1 was lost on the way; it starts anew from its disks on h1. Try: b."
    )
    error = not_moved(
        migration("Failed", conditions=[condition("Ready", "False", "PostCopyFailed", message)])
    )
    assert error.exit_code == Exit.FAILED
    assert "it starts anew from its disks on h1 (PostCopyFailed)." in error.message
    assert "It goes on running" not in error.message


def test_of_what_no_host_told_the_end_it_is_not_said_that_it_runs_on() -> None:
    """The VM may be gone."""
    message = "Neither host said how it ended, and the VM is no longer being moved. Try: a new one."
    why = condition("Ready", "False", "SourceFailed", message)
    for source in (None, {"mode": "PreCopy"}, {"outcome": "HandedOver", "epoch": 2}):
        error = not_moved(migration("Failed", conditions=[why], source=source))
        assert error.message.endswith("the VM is no longer being moved (SourceFailed).")


def test_what_never_began_is_refused() -> None:
    why = condition("Ready", "False", "NotRunning", "Only a VM that runs can be moved, and web-1 is off.")
    refused = migration("Failed", conditions=[why], startedAt=None, sourceHost=None)
    assert not_moved(refused).exit_code == Exit.REFUSED
    assert "It goes on running" not in not_moved(refused).message


def test_what_is_not_known_of_a_move_is_not_told() -> None:
    assert moved(migration("Succeeded", startedAt=None)) == "web-1 moved to h1."


async def test_a_wait_that_is_too_long_ends_with_8_and_the_move_goes_on() -> None:
    waits = condition("Ready", "False", "Queued", "It waits for its turn: h1 takes part in 2. Try: nothing.")
    api = Api([migration("Queued", conditions=[waits])])
    code = await typed(qx_session(api), "vm migrate web-1")
    assert code == Exit.TIMED_OUT


async def test_a_migration_is_cancelled_and_the_vm_stays(capsys: pytest.CaptureFixture[str]) -> None:
    live = migration("Copying")
    api = Api([migration("Cancelled")], **{VIRTUAL_MACHINE_MIGRATIONS.kind: [live]})
    assert await typed(qx_session(api), "migration cancel web-1-x7k2") == Exit.DONE
    assert api.patches == [{"spec": {"cancel": True}}]
    assert capsys.readouterr().err == "web-1-x7k2 is given up; web-1 stays where it is.\n"


async def test_what_is_over_cannot_be_cancelled(capsys: pytest.CaptureFixture[str]) -> None:
    api = Api(**{VIRTUAL_MACHINE_MIGRATIONS.kind: [migration("Succeeded")]})
    assert await typed(qx_session(api), "migration cancel web-1-x7k2") == Exit.REFUSED
    assert api.patches == []
    assert "is over (Succeeded): there is nothing to cancel." in capsys.readouterr().err


def host(status: str, reason: str, message: str = "", **spec: Any) -> Manifest:
    return obj(HOSTS, "h1", spec, {"conditions": [condition("Drained", status, reason, message)]})


async def test_a_host_is_drained_until_it_is_empty(capsys: pytest.CaptureFixture[str]) -> None:
    api = Api([host("False", "Draining"), host("True", "Empty")])
    assert await typed(qx_session(api), "host drain h1") == Exit.DONE
    assert api.patches == [{"spec": {"maintenance": True}}]
    assert capsys.readouterr().err == "h1 is empty, and in maintenance until: qx host resume h1\n"


async def test_who_leaves_a_host_is_told_and_found_by_the_host(capsys: pytest.CaptureFixture[str]) -> None:
    left = migration("Copying")
    api = Api([host("False", "Draining"), host("True", "Empty")], **{VIRTUAL_MACHINE_MIGRATIONS.kind: [left]})
    session = qx_session(api, clock=EndsAMove(left, after_s=0.0))
    assert await typed(session, "host drain h1") == Exit.DONE
    assert set(api.selectors) == {"quantix.io/maintenance-of=uid-h1"}
    assert "web-1 moved to h1 in 3.0 s.\n" in capsys.readouterr().err


class EndsAMove(HastyClock):
    """Waits by looks alone; the move copies a byte at each, and ends after a time."""

    def __init__(self, move: Manifest, after_s: float) -> None:
        super().__init__()
        self.move, self.ends_s = move, self.monotonic() + after_s

    async def sleep(self, delay_s: float) -> None:
        await super().sleep(delay_s)
        status = self.move["status"]
        status["progress"] = {"doneBytes": status.get("progress", {}).get("doneBytes", 0) + 1}
        if self.monotonic() > self.ends_s:
            status |= {"phase": "Succeeded", "finishedAt": "2026-11-01T10:00:03Z"}


async def test_a_drain_waits_for_as_long_as_a_vm_moves_on() -> None:
    left = migration("Copying")
    ends = [*(host("False", "Draining") for _ in range(40)), host("True", "Empty")]
    api = Api(ends, **{VIRTUAL_MACHINE_MIGRATIONS.kind: [left]})
    session = qx_session(api, timeout_s=5.0, clock=EndsAMove(left, after_s=18.0))
    assert await typed(session, "host drain h1") == Exit.DONE


@pytest.mark.parametrize("verb", ["drain", "resume"])
async def test_hosts_that_a_glob_picked_are_asked_about_first(verb: str) -> None:
    hosts = [obj(HOSTS, name, {"maintenance": True}) for name in ("h1", "h2")]
    api = Api(**{HOSTS.kind: hosts})
    with pytest.raises(CommandError) as refused:
        await typed(qx_session(api), f"host {verb} 'h*'")
    assert refused.value.exit_code == Exit.USAGE
    assert api.patches == []


async def test_a_host_that_does_not_become_empty_says_what_stays(capsys: pytest.CaptureFixture[str]) -> None:
    blocked = host("False", "Blocked", "web-1 does not leave it: so it is. Try: stop or move web-1.")
    assert await typed(qx_session(Api([blocked]), timeout_s=60.0), "host drain h1") == Exit.FAILED
    said = capsys.readouterr().err
    assert "web-1 does not leave it: so it is.\n" in said
    assert "✗ h1 is not empty: 1 VM on it. web-1 does not leave it: so it is (Blocked)." in said
    assert "Try: stop or move web-1, or take it back: qx host resume h1" in said


async def test_a_silent_host_is_not_waited_for_though_a_move_from_it_has_begun(
    capsys: pytest.CaptureFixture[str],
) -> None:
    message = "It has been silent since 12:00:00 UTC, so no VM leaves it: why. Try: turn the machine on."
    silent = host("False", "Blocked", message)
    silent["status"]["conditions"].append(condition("Ready", "Unknown", "Unreachable", "It is silent."))
    api = Api([silent], **{VIRTUAL_MACHINE_MIGRATIONS.kind: [migration("Copying")]})
    assert await typed(qx_session(api, timeout_s=60.0), "host drain h1") == Exit.FAILED
    said = capsys.readouterr().err
    assert "It has been silent since 12:00:00 UTC, so no VM leaves it: why (Blocked)." in said
    assert "Try: turn the machine on, or take it back: qx host resume h1" in said


async def test_a_drain_that_takes_long_ends_with_8() -> None:
    assert await typed(qx_session(Api([host("False", "Draining")])), "host drain h1") == Exit.TIMED_OUT


async def test_a_host_takes_vms_again(capsys: pytest.CaptureFixture[str]) -> None:
    closed = obj(HOSTS, "h1", {"maintenance": True})
    api = Api(**{HOSTS.kind: [closed]})
    opened = condition("Schedulable", "True", "Open", "It takes VMs.")
    api.ends = [obj(HOSTS, "h1", {}, {"conditions": [opened]})]
    assert await typed(qx_session(api), "host resume h1") == Exit.DONE
    assert api.patches == [{"spec": {"maintenance": False}}]
    assert capsys.readouterr().err == "h1 takes VMs again.\n"


async def test_a_host_that_stays_cordoned_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    api = Api(**{HOSTS.kind: [obj(HOSTS, "h1", {"maintenance": True, "unschedulable": True})]})
    cordoned = condition("Schedulable", "False", "Cordoned", "It is cordoned. Try: uncordon it.")
    api.ends = [obj(HOSTS, "h1", {}, {"conditions": [cordoned]})]
    assert await typed(qx_session(api), "host resume h1") == Exit.DONE
    assert "h1 is out of maintenance, but takes no VMs: It is cordoned." in capsys.readouterr().err


@pytest.mark.parametrize("command", ["host drain", "host resume", "migration cancel", "vm migrate"])
async def test_nobody_is_meant_by_no_name(command: str) -> None:
    with pytest.raises(CommandError) as refused:
        await typed(qx_session(Api()), command)
    assert refused.value.exit_code == Exit.USAGE
