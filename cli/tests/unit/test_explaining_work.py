"""What `explain` says of pools, migrations and snapshots, and of hosts that are emptied."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from quantix_api.resources import HOSTS, Resource
from quantix_cli.commands.explaining import explanation
from quantix_cli.nouns import NOUNS, World, reason
from quantix_cli.vm.emptied_host import with_emptied_host
from quantix_lab.qx_session import qx_session

SEEN = World(datetime(2026, 11, 24, tzinfo=UTC), {})
LONG_AGO, JUST_NOW = "2026-11-20T00:00:00Z", "2026-11-23T23:59:30Z"
WHY = "web-1 does not leave it: No other host can take web-1 (NoHostFits)"
BLOCKED = {
    "type": "Drained",
    "status": "False",
    "reason": "Blocked",
    "message": f"{WHY}. Try: stop or move web-1.",
    "lastTransitionTime": JUST_NOW,
}


def ready(status: str = "True", reason: str = "Available", message: str = "It is.") -> dict[str, Any]:
    at = LONG_AGO
    return {"type": "Ready", "status": status, "reason": reason, "message": message, "lastTransitionTime": at}


def host(*conditions: dict[str, Any]) -> dict[str, Any]:
    status = {"phase": "Ready", "conditions": [ready(reason="Healthy"), *conditions]}
    return {"kind": "Host", "metadata": {"name": "h1"}, "spec": {"maintenance": True}, "status": status}


def vm(*conditions: dict[str, Any], **metadata: str) -> dict[str, Any]:
    status = {"assignment": {"host": "h1"}, "conditions": list(conditions)}
    about = {"name": "web-1", "namespace": "default", **metadata}
    return {"kind": "VirtualMachine", "metadata": about, "status": status}


def test_what_a_host_is_emptied_for_counts_from_the_beginning_of_that() -> None:
    assert explanation(host(BLOCKED), NOUNS["host"], SEEN)[0] == "h1 is Draining for 30 s."
    empty = {"type": "Drained", "status": "True", "reason": "Empty", "lastTransitionTime": JUST_NOW}
    assert explanation(host(empty), NOUNS["host"], SEEN)[0] == "h1 is Maintenance for 30 s."
    assert explanation(host(), NOUNS["host"], SEEN)[0] == "h1 is Draining."


def test_what_is_deleted_counts_from_its_deletion_and_what_moves_from_nothing() -> None:
    going = vm(ready(reason="Running"), deletionTimestamp=JUST_NOW)
    assert explanation(going, NOUNS["vm"], SEEN)[0] == "web-1 is Deleting on host h1 for 30 s."
    moving = vm(ready(reason="Running"))
    moving["status"]["migration"] = {"name": "m", "targetHost": "h2"}
    assert explanation(moving, NOUNS["vm"], SEEN)[0] == "web-1 is Migrating on host h1."


def test_a_list_of_hosts_tells_what_keeps_one_from_being_empty() -> None:
    assert reason(host(BLOCKED), NOUNS["host"]) == f"Blocked: {WHY}"
    assert reason(host(), NOUNS["host"]) == ""


class Hosts:
    """An API with host h1."""

    def __init__(self, host: dict[str, Any]) -> None:
        self.host = host

    async def get(self, resource: Resource, name: str, _namespace: str | None = None) -> dict[str, Any]:
        assert (resource, name) == (HOSTS, "h1")
        return self.host


@pytest.mark.parametrize(
    ("migratable", "said"),
    [
        (None, "host h1 is being emptied, and waits for it: no other host can take web-1 (NoHostFits)"),
        (
            {"status": "False", "reason": "HostDevice", "message": "It has device gpu. Try: take it away."},
            "host h1 is being emptied, and waits for it: it has device gpu (HostDevice)",
        ),
    ],
)
async def test_a_vm_tells_that_its_host_is_emptied_and_what_keeps_it(
    migratable: dict[str, str] | None, said: str
) -> None:
    found = vm(ready(reason="Running"), *([{"type": "Migratable", **migratable}] if migratable else []))
    seen = await with_emptied_host(qx_session(Hosts(host(BLOCKED))), found)
    (line,) = [line for line in explanation(seen, NOUNS["vm"], SEEN) if " drain " in line]
    assert line.split(maxsplit=1)[1] == said


async def test_of_another_host_nothing_is_said() -> None:
    found = vm(ready(reason="Running"))
    usual = host(BLOCKED)
    usual["spec"] = {}
    assert await with_emptied_host(qx_session(Hosts(usual)), found) == found
    other = vm(ready(reason="Running"), name="web-2")
    seen = await with_emptied_host(qx_session(Hosts(host(BLOCKED))), other)
    (line,) = [line for line in explanation(seen, NOUNS["vm"], SEEN) if " drain " in line]
    assert line.endswith("host h1 is being emptied")


def told(obj: dict[str, Any], noun: str) -> dict[str, str]:
    lines = [line.split(maxsplit=1) for line in explanation(obj, NOUNS[noun], SEEN)[1:]]
    return {words[0]: words[1] for words in lines if len(words) == 2}


def test_a_pool_tells_where_it_keeps_data_how_much_room_there_is_and_who_uses_it() -> None:
    status = {
        "capacity": "10Gi",
        "available": "6Gi",
        "allocated": "5Gi",
        "hosts": 2,
        "virtualMachines": 3,
        "snapshots": 1,
        "conditions": [ready(reason="Reachable")],
    }
    spec: dict[str, Any] = {"dir": {"path": "/srv/p"}, "default": True}
    pool = {"kind": "StoragePool", "metadata": {"name": "local"}, "spec": spec, "status": status}
    assert explanation(pool, NOUNS["pool"], SEEN)[1:] == [
        "  keeps data   in /srv/p, on each host its own",
        "  room         4 GiB of 10 GiB used; 5 GiB of 20 GiB promised",
        "  reached by   2 hosts",
        "  used by      3 VMs and 1 snapshot",
        "  default      it is taken where no pool is named",
    ]
    pool["spec"] = {"rbd": {"pool": "vms"}}
    assert told(pool, "pool")["keeps"] == "data   in Ceph, pool vms, which all hosts share"


def test_a_migration_tells_from_where_to_where_and_how_long_it_took() -> None:
    status: dict[str, Any] = {"sourceHost": "h1", "targetHost": "h2", "startedAt": LONG_AGO}
    status |= {"progress": {"percent": 41}, "phase": "Copying", "conditions": [ready("False", "Copying")]}
    move = {"kind": "VirtualMachineMigration", "metadata": {"name": "m"}, "status": status}
    move |= {"spec": {"virtualMachine": "web-1"}}
    assert told(move, "migration") | {"moves": "VM web-1 from h1 to h2", "copied": "41 %"} == told(
        move, "migration"
    )
    status |= {"finishedAt": "2026-11-20T00:00:02Z", "source": {"downtimeMilliseconds": 300}}
    assert told(move, "migration")["took"] == "2.0 s; the guest stood still for 0.3 s"
    waiting = {**move, "status": {"conditions": [ready("False", "Queued")]}}
    assert told(waiting, "migration")["moves"] == "VM web-1 to a host that is still to be chosen"


def test_a_snapshot_tells_its_moment_its_disks_and_why_the_guest_was_not_held_still() -> None:
    quiesced = {"type": "Quiesced", "status": "False", "reason": "NoAgent", "message": "No agent answers."}
    disk = {"name": "root", "volume": "web-1-root", "pool": "local", "size": "10Gi"}
    status = {"takenAt": LONG_AGO, "disks": [disk], "conditions": [ready(), quiesced], "phase": "Ready"}
    kept = {"kind": "VirtualMachineSnapshot", "metadata": {"name": "s"}, "status": status}
    kept |= {"spec": {"virtualMachine": "web-1"}}
    assert told(kept, "snapshot") == {
        "of": f"VM web-1, as it was at {LONG_AGO}",
        "disk": "root: 10 GiB of volume web-1-root, in pool local",
        "quiesced": "no: no agent answers",
    }
