"""What `qx status` makes of hosts that are not there yet."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from quantix_api.layout import Layout
from quantix_api.resources import STORAGE_POOLS, Resource
from quantix_cli import fetch
from quantix_cli.cluster import Target
from quantix_cli.commands.status import Seen, all_matters, report
from quantix_cli.doctor.findings import Verdict
from quantix_cli.doctor.platform import said_of
from quantix_cli.exits import Exit
from quantix_cli.nouns import NOUNS, World, reason, row
from quantix_cli.session import translated
from quantix_client.api import ListResult
from quantix_client.errors import Forbidden, NotFound, Unreachable
from quantix_lab.qx_session import PIPE, qx_session

WORLD = World(datetime(2026, 11, 24, tzinfo=UTC), {})


def host(name: str, phase: str, reason: str, message: str) -> dict[str, Any]:
    ready = {
        "type": "Ready", "status": "True" if phase == "Ready" else "False",
        "reason": reason, "message": message,
    }  # fmt: skip
    return {
        "kind": "Host",
        "metadata": {"name": name},
        "status": {"phase": phase, "conditions": [ready]},
    }


READY = host("h1", "Ready", "Healthy", "It runs VMs.")
JOINING = host(
    "box", "Joining", "LibvirtDown",
    "libvirt does not answer on it. Try: nothing; it is started again by itself.",
)  # fmt: skip
STUCK = host(
    "box", "Joining", "OVNAlreadyConfigured",
    "Its Open vSwitch belongs to another OVN already (x). Try: take that away, or use another machine.",
)  # fmt: skip
NEW = {"kind": "Host", "metadata": {"name": "new"}}


def lines(*hosts: dict[str, Any], **others: list[dict[str, Any]]) -> list[str]:
    objects = {"host": list(hosts), "vm": [], "pool": [], "image": [], **others}
    seen = Seen(WORLD, 4, objects)
    return report(seen, all_matters(seen), PIPE)


def test_a_machine_that_is_joining_is_not_called_healthy_and_says_what_it_waits_for() -> None:
    told = lines(JOINING)
    assert told[0].startswith("Getting ready: box is Joining: libvirt does not answer on it.   1 host")
    assert "hosts          ◐ 1 Joining" in told
    assert told[-1] == "1 ◐ box is Joining: libvirt does not answer on it.   qx host explain box"


def test_a_machine_on_which_quantix_is_being_stopped_is_not_said_to_join() -> None:
    said = "Quantix is being stopped on it; its guests shut down. Try: qx up starts it again."
    told = lines(host("box", "Joining", "ShuttingDown", said))
    assert "hosts          ◐ 1 Stopping" in told
    stopping = "box is Stopping: Quantix is being stopped on it; its guests shut down."
    assert told[-1] == f"1 ◐ {stopping}   qx host explain box"
    assert told[0].startswith(f"Being stopped: {stopping}   1 host")
    seen = Seen(WORLD, 4, {"host": [host("box", "Joining", "ShuttingDown", said)]})
    assert not any(matter.attention for matter in all_matters(seen))


def test_a_host_that_joins_others_is_something_to_know() -> None:
    assert lines(READY, JOINING)[0].startswith("Healthy, 1 thing to know   2 hosts")


@pytest.mark.parametrize(
    ("kind", "verdict", "line", "found"),
    [
        ("Confined", "Healthy, 1 thing to know", "1 ▲ It is so.", Verdict.NOTE),
        ("KVMAvailable", "Healthy, 1 thing to know", "1 ▲ It is so.", Verdict.NOTE),
        ("GuestTraffic", "Needs attention: 1", "1 ▲ It is so.", Verdict.PROBLEM),
        ("VolumesKnown", "Needs attention: 1", "1 ▲ host h1: It is so.", Verdict.PROBLEM),
        ("HugePagesSetAside", "Needs attention: 1", "1 ▲ host h1: It is so.", Verdict.PROBLEM),
    ],
)
def test_what_a_host_complains_of_is_as_grave_as_the_doctor_says(
    kind: str, verdict: str, line: str, found: Verdict
) -> None:
    said = {"type": kind, "status": "False", "reason": "R", "message": "It is so. Try: x."}
    conditions = [*READY["status"]["conditions"], said]
    complaining = {**READY, "status": {**READY["status"], "conditions": conditions}}
    told = lines(complaining)
    assert told[0].startswith(f"{verdict}   ")
    assert told[-1] == f"{line}   qx host explain h1"
    assert [finding.verdict for finding in said_of("h1", [complaining])][-1] is found


def test_a_host_that_cannot_join_without_a_person_needs_attention() -> None:
    assert lines(READY, STUCK)[0].startswith("Needs attention: 1   ")


def test_a_host_that_fell_silent_needs_attention_though_its_last_word_was_good() -> None:
    silent = World(WORLD.now, {"h1": 95.0})
    seen = Seen(silent, 4, {"host": [READY], "vm": [], "pool": [], "image": []})
    told = report(seen, all_matters(seen), PIPE)
    assert told[0].startswith("Needs attention: 1   ")
    assert told[-1] == "1 ? h1 is Unreachable: it was last heard 95 s ago.   qx host explain h1"


def test_a_host_that_has_said_nothing_is_joining() -> None:
    assert lines(NEW)[-1] == "1 ◐ new is Joining: it has not said anything yet.   qx host explain new"


def test_no_host_at_all_needs_attention() -> None:
    assert lines()[-1] == "1 ▲ There is no host yet, so no VM can run.   make up"


def test_a_team_sees_its_own_and_that_hosts_are_not_shown() -> None:
    none: dict[str, list[dict[str, Any]]] = {"host": [], "vm": [], "pool": [], "image": []}
    seen = Seen(WORLD, 4, none, "team-blue", hidden=("host", "pool"))
    told = report(seen, all_matters(seen), PIPE)
    assert told[0].startswith("Healthy   namespace team-blue · ")
    assert "not shown      hosts and pools, which your account may not list" in told
    assert not any(line.startswith("hosts") for line in told)


def test_the_commands_of_matters_find_objects_in_other_namespaces() -> None:
    image = {
        "kind": "Image",
        "metadata": {"name": "tiny", "namespace": "quantix-shared"},
        "status": {"conditions": [{"type": "Ready", "status": "False", "reason": "WaitingForUpload"}]},
    }
    assert lines(READY, image=[image])[-1].endswith("   qx image explain shared/tiny")


def test_that_a_single_host_protects_nothing_is_no_reason_at_each_vm() -> None:
    lone = {"type": "Protected", "status": "False", "reason": "NoOtherHost", "message": "No other host."}
    ready = {"type": "Ready", "status": "True", "reason": "Running"}
    vm = {
        "kind": "VirtualMachine",
        "metadata": {"name": "web-1"},
        "status": {"assignment": {"host": "h1"}, "conditions": [ready, lone]},
    }
    assert reason(vm, NOUNS["vm"], alone=True) == ""
    assert reason(vm, NOUNS["vm"]) == "NoOtherHost: No other host"
    assert row(vm, NOUNS["vm"], World(WORLD.now, {"h1": 1.0}))[-1].text == ""
    assert row(vm, NOUNS["vm"], World(WORLD.now, {}, pooling_hosts=1))[-1].text == ""
    assert row(vm, NOUNS["vm"], World(WORLD.now, {}, pooling_hosts=2))[-1].text != ""
    assert row(vm, NOUNS["vm"], World(WORLD.now, {}))[-1].text != ""


@pytest.mark.parametrize(
    ("pools", "hosts"),
    [
        ([{"status": {"hosts": 1}}, {"status": {"hosts": 2}}, {}], 2),
        ([{"status": {"hosts": 1}}], 1),
        ([], 0),
        (None, 0),
    ],
)
async def test_who_may_not_read_leases_learns_from_the_pools_whether_there_are_more_hosts(
    pools: list[Any] | None, hosts: int
) -> None:
    class Api:
        async def list(self, resource: Resource, *_: Any) -> ListResult:
            if resource is not STORAGE_POOLS or pools is None:
                raise Forbidden("may not look")
            return ListResult(pools, "1")

    seen = await fetch.world(qx_session(Api(), namespace="shop"))
    assert (seen.lease_ages_s, seen.pooling_hosts) == ({}, hosts)


def test_the_way_out_of_a_refusal_is_told_apart_from_what_was_refused() -> None:
    target = Target(Path("kubeconfig"), None, "")
    refused = Forbidden("admission denied request: It is in use. Try: delete web-1 first.")
    error = translated(refused, target)
    assert (error.exit_code, error.message) == (Exit.REFUSED, "It is in use.")
    assert error.hint == "delete web-1 first"


def test_a_namespace_that_is_not_there_is_told_as_such() -> None:
    error = translated(NotFound('namespaces "nope" not found'), Target(Path("kubeconfig"), None, ""))
    assert (error.exit_code, error.message) == (Exit.NOT_FOUND, "There is no namespace nope.")


def test_a_machine_on_which_quantix_was_stopped_says_so_and_how_to_start_it(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    down = Unreachable("The API does not answer.")
    own = Target(layout.admin_kubeconfig, None, "", layout)
    assert "running VMs are not affected" in translated(down, own).message
    layout.control_plane_data.mkdir(parents=True)
    stopped = translated(down, own)
    assert (stopped.message, stopped.hint) == ("Quantix is stopped on this machine.", "make up")
    programs = layout.etc / "supervisor/programs"
    programs.mkdir(parents=True)
    (programs / "controlplane.conf").touch()
    runs = translated(down, own)
    assert "running VMs are not affected" in runs.message
    assert f"{layout.log}/controlplane.log" in runs.hint
    assert "journalctl" not in runs.hint
    assert "journalctl" in translated(down, Target(Path("kubeconfig"), None, "")).hint


GOING = {
    "kind": "Network",
    "metadata": {"name": "lan", "namespace": "default", "deletionTimestamp": "2026-11-23T00:00:00Z"},
    "status": {
        "conditions": [
            {
                "type": "Ready",
                "status": "False",
                "reason": "InUse",
                "message": "It is to be deleted, but is still used by VM web-1. Try: delete those first.",
            }
        ]
    },
}
UNWIRED = {
    "kind": "VirtualMachine",
    "metadata": {"name": "web-1", "namespace": "default"},
    "spec": {"powerState": "Running"},
    "status": {
        "runtime": {"state": "Running"},
        "conditions": [
            {"type": "Ready", "status": "True", "reason": "Running"},
            {
                "type": "NetworkReady",
                "status": "False",
                "reason": "NetworkNotFound",
                "message": "Network lan is being deleted. Try: x.",
            },
        ],
    },
}


def test_a_network_that_is_being_deleted_needs_attention() -> None:
    told = lines(READY, network=[GOING])
    assert told[0].startswith("Needs attention: 1")
    assert "network lan is being deleted: It is to be deleted, but is still used by VM web-1." in told[-1]
    assert told[-1].endswith("qx network explain lan")


def test_a_running_vm_without_its_network_needs_attention_and_says_why_in_the_list() -> None:
    told = lines(READY, vm=[UNWIRED])
    assert told[0].startswith("Needs attention: 1")
    assert "VM web-1 is Running without its network: Network lan is being deleted." in told[-1]
    assert reason(UNWIRED, NOUNS["vm"]) == "NetworkNotFound: Network lan is being deleted"


def test_data_without_a_volume_needs_attention_though_its_host_is_ready() -> None:
    found = host("h1", "Ready", "Healthy", "It runs VMs.")
    message = "Pool local has data that belongs to no Volume in the API: /pool/volumes/a. Try: look at it"
    orphan = {"type": "VolumesKnown", "status": "False", "reason": "OrphanVolume", "message": message}
    found["status"]["conditions"].append(orphan)
    told = lines(found)
    assert told[0].startswith("Needs attention: 1")
    assert "host h1: Pool local has data that belongs to no Volume in the API: /pool/volumes/a." in told[-1]


def test_a_host_that_a_vm_keeps_from_being_empty_needs_attention() -> None:
    said = "web-1 does not leave it: its migration.onMaintenance is Block (PolicyBlock). Try: stop it."
    blocked = {"type": "Drained", "status": "False", "reason": "Blocked", "message": said}
    emptied = {**READY, "spec": {"maintenance": True}, "status": {**READY["status"]}}
    emptied["status"]["conditions"] = [*READY["status"]["conditions"], blocked]
    (line,) = [line for line in lines(emptied) if "not empty" in line]
    assert line == (
        "1 ▲ host h1 is not empty: web-1 does not leave it: its migration.onMaintenance is Block "
        "(PolicyBlock).   qx host explain h1"
    )


def test_a_guest_without_a_vm_needs_attention_though_its_host_is_ready() -> None:
    found = host("h1", "Ready", "Healthy", "It runs VMs.")
    message = "Since 2026 it has domain qx-1, whose VM a/b is no longer in the API. Try: qx host end-orphan 1"
    orphan = {"type": "GuestsKnown", "status": "False", "reason": "OrphanGuest", "message": message}
    found["status"]["conditions"].append(orphan)
    told = lines(found)
    assert told[0].startswith("Needs attention: 1")
    assert told[-1] == (
        "1 ▲ host h1: Since 2026 it has domain qx-1, whose VM a/b is no longer in the API.   "
        "qx host explain h1"
    )


def test_huge_pages_that_a_host_cannot_spare_need_attention() -> None:
    found = host("h1", "Ready", "Healthy", "It runs VMs.")
    message = "It was asked for 9 huge pages of 2 MiB and has 3: more. Try: set spec"
    few = {"type": "HugePagesSetAside", "status": "False", "reason": "TooFewPages", "message": message}
    found["status"]["conditions"].append(few)
    assert lines(found)[-1].startswith("1 ▲ host h1: It was asked for 9 huge pages of 2 MiB and has 3: more.")


def test_cpus_are_told_with_what_overcommit_makes_of_them() -> None:
    four = READY["status"] | {"cpus": 4, "allocated": {"cpus": 6}}
    mine = {**READY, "spec": {"reserved": {"cpus": 1}, "overcommit": {"cpuPercent": 150}}, "status": four}
    usual = {**READY, "spec": {}, "status": four}
    seen = Seen(
        WORLD,
        4,
        {"host": [mine, usual], "vm": [], "pool": []},
        policy={"spec": {"overcommit": {"cpuPercent": 400}}},
    )
    # 3 of 4 at 150 %, and 4 at the usual 400 %
    assert "CPUs           12 of 20 promised, on 8 real ones" in report(seen, [], PIPE)


def test_cpus_are_told_without_overcommit_to_who_may_not_read_the_policy() -> None:
    assert "CPUs           1 promised on 1 real one" in lines(
        {**READY, "status": READY["status"] | {"cpus": 1, "allocated": {"cpus": 1}}}
    )
