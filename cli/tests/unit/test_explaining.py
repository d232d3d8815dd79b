"""What `qx vm explain` says about a VM, from its conditions."""

from datetime import UTC, datetime
from typing import Any

import pytest

from quantix_cli.commands.explaining import explanation
from quantix_cli.host_pressure import pressure_facts
from quantix_cli.nouns import NOUNS, World
from quantix_cli.vm.moves import told_of_move

SEEN = World(datetime(2026, 11, 24, tzinfo=UTC), {})


def vm(*conditions: dict[str, Any]) -> dict[str, Any]:
    status = {"assignment": {"host": "box"}, "conditions": list(conditions)}
    return {"kind": "VirtualMachine", "metadata": {"name": "web-1"}, "status": status}


def test_a_healthy_vm_on_a_single_host_gets_no_hint() -> None:
    ready = {"type": "Ready", "status": "True", "reason": "Running"}
    message = "No other host could run it. Try: add a host."
    lone = {"type": "Protected", "status": "False", "reason": "NoOtherHost", "message": message}
    assert not [line for line in explanation(vm(ready, lone), NOUNS["vm"], SEEN) if "Try" in line]
    other = {**lone, "reason": "LocalDisk"}
    assert [line for line in explanation(vm(ready, other), NOUNS["vm"], SEEN) if "Try" in line]


def test_the_drives_of_a_vm_are_told_with_their_media() -> None:
    drives = [{"name": "install", "image": "shared/debian-iso"}, {"name": "cd"}]
    ready = {"type": "Ready", "status": "True", "reason": "Running"}
    lines = explanation({**vm(ready), "spec": {"cdroms": drives}}, NOUNS["vm"], SEEN)
    assert [line.split(maxsplit=1) for line in lines if " drive " in line] == [
        ["drive", "install: shared/debian-iso"],
        ["drive", "cd: empty"],
    ]


def test_a_host_is_called_one() -> None:
    ready = {"type": "Ready", "status": "True", "reason": "Running"}
    assert explanation(vm(ready), NOUNS["vm"], SEEN)[0] == "web-1 is Running on host box."
    silent = World(SEEN.now, {"box": 9.0})
    assert "host box was last heard 9 s ago" in explanation(vm(ready), NOUNS["vm"], silent)[0]


def test_who_has_not_looked_yet_is_named() -> None:
    new = {"kind": "VirtualMachine", "metadata": {"name": "web-1"}}
    said = explanation(new, NOUNS["vm"], SEEN)[0]
    assert said == "web-1 is Starting: quantix-operator has not looked at it yet (Pending)."


def test_a_time_that_nobody_wrote_is_left_out_and_the_end_follows_the_way_out() -> None:
    waiting = {
        "type": "Ready",
        "status": "Unknown",
        "reason": "Pending",
        "message": "Wait. Try: x.",
        "lastTransitionTime": "1970-01-01T00:00:00Z",
    }
    lines = explanation(vm(waiting), NOUNS["vm"], SEEN)
    assert " for " not in lines[0]
    assert lines[-1] == "  It goes on by itself once that is done; nothing to retry."


def test_what_goes_on_by_itself_is_said_once() -> None:
    for hint in ("nothing; it goes on by itself", "add disks; it goes on by itself"):
        message = f"box is starting it. Try: {hint}."
        starting = {"type": "Ready", "status": "False", "reason": "Starting", "message": message}
        lines = explanation(vm(starting), NOUNS["vm"], SEEN)
        assert sum("by itself" in line for line in lines) == 1


def test_a_host_says_the_way_out_of_each_thing_to_know() -> None:
    ready = {"type": "Ready", "status": "True", "reason": "Healthy"}
    slow = {"type": "KVMAvailable", "status": "False", "reason": "KVMUnusable", "message": "No KVM. Try: x."}
    open_door = {"type": "Confined", "status": "False", "reason": "NoAppArmor", "message": "None. Try: y."}
    host = {
        "kind": "Host",
        "metadata": {"name": "box"},
        "status": {"phase": "Ready", "conditions": [ready, slow, open_door]},
    }
    lines = explanation(host, NOUNS["host"], SEEN)
    assert [line.split()[-1] for line in lines if "Try" in line] == ["x", "y"]


def test_a_host_tells_the_labels_by_which_it_is_chosen() -> None:
    ready = {"type": "Ready", "status": "True", "reason": "Healthy"}
    host = {
        "kind": "Host",
        "metadata": {"name": "box", "labels": {"zone": "a"}},
        "status": {"phase": "Ready", "arch": "x86_64", "conditions": [ready]},
    }
    told = "  labels       quantix.io/arch=x86_64, quantix.io/host=box, zone=a"
    assert told in explanation(host, NOUNS["host"], SEEN)


def test_a_host_tells_how_much_of_its_memory_is_in_huge_pages() -> None:
    pages = [{"size": "2Mi", "total": 300}, {"size": "1Gi", "total": 2}]
    ready = {"type": "Ready", "status": "True", "reason": "Healthy"}
    few = {"type": "HugePagesSetAside", "status": "False", "reason": "TooFewPages", "message": "Few. Try: x."}
    host = {
        "kind": "Host",
        "metadata": {"name": "box"},
        "status": {"phase": "Ready", "hugepages": pages, "conditions": [ready, few]},
    }
    lines = explanation(host, NOUNS["host"], SEEN)
    assert "  huge pages   300 of 2 MiB, 2 of 1 GiB: 2.6 GiB of its memory" in lines
    assert lines[-1] == "  Try          x"
    del host["status"]["hugepages"]  # type: ignore[attr-defined]
    assert not any("huge pages  " in line for line in explanation(host, NOUNS["host"], SEEN))


def test_a_host_tells_how_much_its_programs_wait() -> None:
    said = [
        {"resource": "CPU", "level": "High", "since": "2026-11-24T10:00:00Z"},
        {"resource": "Memory", "level": "Low", "since": "2026-11-24T09:00:00Z"},
    ]
    assert pressure_facts({"status": {"pressure": said}}) == [
        ("pressure", "CPU High since 2026-11-24T10:00:00Z, Memory Low")
    ]
    assert pressure_facts({}) == []


def test_a_vm_that_no_host_takes_names_every_host_by_what_it_lacks() -> None:
    message = "No host fits: 2 lack memory, 1 is Failed. Try: qx vm explain web-1 lists every host."
    refused = {"type": "Ready", "status": "False", "reason": "NoHostFits", "message": message}
    waiting = vm(refused)
    waiting["status"]["unfitHosts"] = [
        {"why": "lack memory", "count": 1200, "hosts": ["h1", "h2"]},
        {"why": "is Failed", "count": 1, "hosts": ["h3"]},
    ]
    lines = explanation(waiting, NOUNS["vm"], SEEN)
    assert lines[1:3] == ["  1,200 hosts  lack memory: h1, h2 and 1,198 more", "  1 host       is Failed: h3"]
    assert not any("lists every host" in line for line in lines)
    assert lines[-2] == "  Try          add a host, make room on one, or ask for less"


def test_an_idle_volume_tells_the_host_that_looks_after_it() -> None:
    ready = {"type": "Ready", "status": "True", "reason": "Available"}
    volume = {"kind": "Volume", "metadata": {"name": "data"}, "spec": {}}
    status: dict[str, Any] = {"host": "h2", "conditions": [ready]}
    told = explanation({**volume, "status": status}, NOUNS["volume"], SEEN)
    assert any(line.split() == ["kept", "by", "host", "h2"] for line in told)
    used = {**status, "attachedTo": [{"uid": "u", "name": "web-1"}]}
    told = explanation({**volume, "status": used}, NOUNS["volume"], SEEN)
    assert not any("kept by" in line for line in told), "its VM may be elsewhere by now"


def test_a_volume_on_its_way_is_told_with_how_far_it_has_come() -> None:
    message = "web-1-root is on its way to pool fast. Try: nothing; it goes on by itself."
    moving = {"type": "Ready", "status": "False", "reason": "Moving", "message": message}
    status = {"phase": "Moving", "movingTo": "fast", "progress": {"percent": 41}, "conditions": [moving]}
    volume = {"kind": "Volume", "metadata": {"name": "web-1-root"}, "status": status}
    told = "  moving       web-1-root to pool fast, 41 %"
    assert told in explanation(volume, NOUNS["volume"], SEEN)
    assert told in explanation(vm(moving) | {"movingVolumes": [volume]}, NOUNS["vm"], SEEN)


def test_a_move_that_its_host_keeps_waiting_is_told() -> None:
    said = "h1 is to bring data to pool local, and has been silent since 12:00:00 UTC. Try: bring h1 back."
    silent = {"type": "MoveGranted", "status": "False", "reason": "HostUnreachable", "message": said}
    ready = {"type": "Ready", "status": "True", "reason": "Available"}
    volume = {"kind": "Volume", "metadata": {"name": "data"}, "status": {"conditions": [ready, silent]}}
    (line,) = [line for line in explanation(volume, NOUNS["volume"], SEEN) if " move " in line]
    assert line.split(maxsplit=1)[1] == (
        "h1 is to bring data to pool local, and has been silent since 12:00:00 UTC (HostUnreachable)"
    )
    assert told_of_move(volume)["reason"] == "HostUnreachable"
    full = {**ready, "status": "False", "reason": "PoolFull"}
    refused = {**silent, "reason": "PoolFull"}
    same = {**volume, "status": {"conditions": [full, refused]}}
    assert not [line for line in explanation(same, NOUNS["volume"], SEEN) if " move " in line]


def test_what_waits_for_a_restart_is_told_with_what_its_host_says_keeps_it() -> None:
    waiting = vm({"type": "Ready", "status": "True", "reason": "Running"})
    change = {"path": "spec.disks[files]", "wanted": "attached", "why": "web-1 was started with no slot left"}
    waiting["status"]["runtime"] = {"pendingChanges": [change]}
    told = "disks[files] none → attached at the next restart: web-1 was started with no slot left"
    lines = explanation(waiting, NOUNS["vm"], SEEN)
    assert f"  pending      {told}" in lines
    assert any(line.endswith("qx vm restart web-1") for line in lines)


def test_a_volume_that_is_to_grow_is_told_with_what_that_waits_for() -> None:
    message = "It grows to 2Gi at the next start of b1. Try: qx vm restart b1."
    ready = {"type": "Ready", "status": "True", "reason": "Available", "message": message}
    status = {"phase": "InUse", "capacity": "1Gi", "conditions": [ready]}
    volume = {"kind": "Volume", "metadata": {"name": "keep"}, "spec": {"size": "2Gi"}, "status": status}
    lines = explanation(volume, NOUNS["volume"], SEEN)
    assert "  size         1 GiB → 2 GiB: it grows to 2Gi at the next start of b1" in lines
    assert lines[-1] == "  Try          qx vm restart b1"
    ready["message"] = "It is there."
    assert explanation(volume, NOUNS["volume"], SEEN)[1:] == ["  size         1 GiB → 2 GiB"]
    status["capacity"] = "2Gi"
    assert len(explanation(volume, NOUNS["volume"], SEEN)) == 1


HOURS_AGO, NOW_AND_THEN, JUST_NOW = "2026-11-23T21:00:00Z", "2026-11-23T23:50:00Z", "2026-11-23T23:59:30Z"


@pytest.mark.parametrize(
    ("ready", "other", "runtime", "said"),
    [
        (("True", "Running", JUST_NOW), None, {"startedAt": HOURS_AGO}, "is Running on host box for 3 h."),
        (("True", "Running", HOURS_AGO), None, {"startedAt": JUST_NOW}, "is Running on host box for 30 s."),
        (("True", "Running", HOURS_AGO), None, {}, "is Running on host box for 3 h."),
        (
            ("True", "Stopped", HOURS_AGO),
            None,
            {"startedAt": HOURS_AGO, "lastExit": {"at": JUST_NOW, "reason": "Requested"}},
            "is Stopped on host box for 30 s.",
        ),
        (("True", "Paused", HOURS_AGO), None, {"startedAt": HOURS_AGO}, "is Paused on host box."),
        (
            ("False", "PoolFull", HOURS_AGO),
            ("False", "PoolFull", NOW_AND_THEN),
            {"startedAt": HOURS_AGO},
            "on host box for 10 m: ",
        ),
        (("False", "PoolFull", NOW_AND_THEN), ("True", "AllReady", JUST_NOW), {}, "on host box for 10 m: "),
    ],
    ids=[
        *("it ran on", "it was started anew", "nobody told", "it was stopped", "it is paused"),
        *("what is wrong since then", "by Ready alone"),
    ],
)
def test_a_verdict_counts_since_what_it_tells(
    ready: tuple[str, str, str], other: tuple[str, str, str] | None, runtime: dict[str, Any], said: str
) -> None:
    keys = ("status", "reason", "lastTransitionTime")
    conditions = [{"type": "Ready"} | dict(zip(keys, ready, strict=True))]
    conditions += [{"type": "VolumesReady"} | dict(zip(keys, other, strict=True))] if other else []
    seen = vm(*conditions)
    seen["status"] |= {"runtime": runtime, "phase": ready[1] if ready[0] == "True" else "Pending"}
    assert said in explanation(seen, NOUNS["vm"], SEEN)[0]
