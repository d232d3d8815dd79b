"""What hosts and people may write of snapshots and restores on the real API server (docs/adr/0050)."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from quantix_lab.api_as import ApiAs
from quantix_lab.api_objects import OPERATOR, decide, host_user, make, report

KIND = "VirtualMachineSnapshot"
DISK = {"name": "root", "volume": "web-1-root", "volumeUID": "uid-of-volume", "pool": "local"}


@pytest.fixture
def h1() -> str:
    return f"h1-{uuid.uuid4().hex[:8]}"


def given(api: ApiAs, namespace: str, host: str, kind: str = KIND) -> str:
    """One that the scheduler gave to the host."""
    spec = {"virtualMachine": "web-1"} | ({} if kind == KIND else {"snapshot": "before"})
    path = make(api, kind, namespace, "snap", spec)
    chosen: dict[str, Any] = {"host": host, "virtualMachineUID": "uid-of-vm", "disks": [DISK]}
    answer = report(api, path, kind, OPERATOR, "quantix-scheduler", chosen)
    assert answer.code == 200, answer.message
    return path


def test_its_host_says_what_it_keeps_beside_what_the_scheduler_said(
    api: ApiAs, namespace: str, h1: str
) -> None:
    path = given(api, namespace, h1)
    uid = api.call("GET", path).body["metadata"]["uid"]
    kept = {"name": "root", "handle": f"{uid}/root", "size": "1Gi"}
    said = {"phase": "Ready", "takenAt": "2026-11-24T10:00:00Z", "config": {"any": {"thing": [1]}}}
    answer = report(api, path, KIND, host_user(h1), "quantix-hostd", {**said, "disks": [kept]})
    assert answer.code == 200, answer.message
    assert answer.body["status"]["disks"] == [{**DISK, **kept}]
    assert answer.body["status"]["config"] == {"any": {"thing": [1]}}
    changed = {**said, "disks": [kept], "config": {"any": "other"}}
    late = report(api, path, KIND, host_user(h1), "quantix-hostd", changed)
    assert late.code == 403
    assert "does not change once it was taken" in late.message


@pytest.mark.parametrize(
    ("said", "refusal"),
    [
        ({"host": "h2"}, ""),
        ({"virtualMachineUID": "another"}, "written only by Quantix's scheduler"),
        ({"disks": [{"name": "root", "volumeUID": "another"}]}, "written only by Quantix's scheduler"),
        ({"disks": [{"name": "more", "size": "1Gi"}]}, "written only by Quantix's scheduler"),
        ({"disks": [{"name": "root", "handle": "vm.of-somebody-else"}]}, "The handle of a disk"),
    ],
)
def test_a_host_does_not_say_what_it_is_about(
    api: ApiAs, namespace: str, h1: str, said: dict[str, Any], refusal: str
) -> None:
    path = given(api, namespace, h1)
    answer = report(api, path, KIND, host_user(h1), "quantix-hostd", said)
    assert answer.code == 403
    assert refusal in answer.message


@pytest.mark.parametrize("kind", [KIND, "VirtualMachineRestore"])
def test_another_host_says_nothing_of_it(api: ApiAs, namespace: str, h1: str, kind: str) -> None:
    path = given(api, namespace, h1, kind)
    said = {"phase": "Failed"}
    answer = report(api, path, kind, host_user("h2"), "quantix-hostd", said)
    assert answer.code == 403
    assert f"Host {h1} acts on this object, not host h2." in answer.message
    assert report(api, path, kind, host_user(h1), "quantix-hostd", said).code == 200


def test_a_host_takes_none_that_nobody_gave_to_it(api: ApiAs, namespace: str, h1: str) -> None:
    path = make(api, KIND, namespace, "snap", {"virtualMachine": "web-1"})
    answer = report(api, path, KIND, host_user(h1), "quantix-hostd", {"phase": "Taking"})
    assert answer.code == 403
    assert "Nothing gives this object to host" in answer.message


def test_administrators_say_neither_host_nor_what_was_kept(api: ApiAs, namespace: str, h1: str) -> None:
    path = given(api, namespace, h1)
    for status in ({"host": "h2"}, {"takenAt": "2026-11-24T10:00:00Z"}, {"data": "Absent"}):
        assert api.merge(f"{path}/status", {"status": status}).code == 403


def test_a_host_does_not_say_where_a_vm_differs(api: ApiAs, namespace: str, h1: str) -> None:
    path = given(api, namespace, h1, "VirtualMachineRestore")
    said = {"differences": ["spec.cpu"]}
    answer = report(api, path, "VirtualMachineRestore", host_user(h1), "quantix-hostd", said)
    assert answer.code == 403


def test_nobody_but_the_scheduler_holds_a_vm_off(api: ApiAs, namespace: str, h1: str) -> None:
    spec = {"cpu": {"cores": 1}, "memory": {"size": "1Gi"}}
    path = make(api, "VirtualMachine", namespace, "web-1", spec)
    chosen = {"assignment": {"epoch": 1, "host": h1}}
    report(api, path, "VirtualMachine", OPERATOR, "quantix-scheduler", chosen)
    held = {"restore": {"uid": "u", "name": "back"}}
    assert report(api, path, "VirtualMachine", host_user(h1), "quantix-hostd", held).code == 403
    assert api.merge(f"{path}/status", {"status": held}).code == 403
    both = {**chosen, **held}
    assert report(api, path, "VirtualMachine", OPERATOR, "quantix-scheduler", both).code == 200


def test_a_protected_snapshot_is_not_deleted_and_the_refusal_says_how_it_would_be(
    api: ApiAs, namespace: str
) -> None:
    path = make(api, KIND, namespace, "snap", {"virtualMachine": "web-1", "deletionProtection": True})
    refused = api.call("DELETE", path)
    assert refused.code == 403
    assert "qx snapshot set snap --no-protect" in refused.message
    assert api.merge(path, {"spec": {"deletionProtection": False}}).code == 200
    assert api.call("DELETE", path).code == 200


def test_a_pool_with_snapshots_is_not_deleted(api: ApiAs) -> None:
    name = f"pool-{uuid.uuid4().hex[:8]}"
    path = make(api, "StoragePool", "", name, {"dir": {"path": f"/srv/{name}"}})
    assert decide(api, path, "StoragePool", {"snapshots": 2, "allocated": "0"}).code == 200
    refused = api.call("DELETE", path)
    assert refused.code == 403
    assert f"Pool {name} keeps 2 snapshots." in refused.message
    assert decide(api, path, "StoragePool", {"snapshots": 0, "allocated": "0"}).code == 200
    assert api.call("DELETE", path).code == 200


def test_a_snapshot_does_not_change_and_carries_the_finalizer(api: ApiAs, namespace: str) -> None:
    path = make(api, KIND, namespace, "snap", {"virtualMachine": "web-1", "disks": ["root"]})
    for spec in ({"virtualMachine": "web-2"}, {"disks": ["data"]}, {"memory": True}, {"quiesce": "Never"}):
        changed = api.merge(path, {"spec": spec})
        assert changed.code == 422
        assert "make a new one" in changed.message
    assert api.call("GET", path).body["metadata"]["finalizers"] == ["quantix.io/cleanup"]


def test_a_restore_does_not_change(api: ApiAs, namespace: str) -> None:
    path = make(api, "VirtualMachineRestore", namespace, "back", {"virtualMachine": "a", "snapshot": "b"})
    for spec in ({"snapshot": "c"}, {"stop": "Force"}, {"memory": "Never"}):
        assert api.merge(path, {"spec": spec}).code == 422
