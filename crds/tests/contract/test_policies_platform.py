"""What hosts and the operator may write on the real API server."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from quantix_lab.api_as import Answer, ApiAs, User
from quantix_lab.api_objects import (
    OPERATOR,
    RESOURCES,
    SIZED,
    decide,
    host_user,
    make,
    manifest,
    report,
)

LEASES = "/apis/coordination.k8s.io/v1/namespaces/{}/leases"


@pytest.fixture
def h1() -> str:
    return f"h1-{uuid.uuid4().hex[:8]}"


def assigned(api: ApiAs, namespace: str, to: str) -> str:
    """A VM that the scheduler gave to the host, at epoch 1."""
    path = make(api, "VirtualMachine", namespace, "web-1", SIZED)
    answer = report(
        api, path, "VirtualMachine", OPERATOR, "quantix-scheduler", {"assignment": {"epoch": 1, "host": to}}
    )
    assert answer.code == 200, answer.message
    return path


def condition(condition_type: str, reason: str) -> dict[str, Any]:
    return {
        "type": condition_type,
        "status": "True",
        "reason": reason,
        "message": "",
        "lastTransitionTime": "2026-11-23T10:00:00Z",
    }


def test_only_the_scheduler_says_where_a_vm_runs(api: ApiAs, namespace: str, h1: str) -> None:
    path = assigned(api, namespace, h1)
    by_admin = api.merge(f"{path}/status", {"status": {"assignment": {"epoch": 9, "host": "h2"}}})
    assert by_admin.code == 403
    assert "only Quantix's scheduler writes them" in by_admin.message
    assert api.merge(f"{path}/status", {"status": {"phase": "Running"}}).code == 200


def test_a_host_reports_only_the_vms_that_it_was_given(api: ApiAs, namespace: str, h1: str) -> None:
    path = assigned(api, namespace, h1)
    said = {
        "phase": "Running",
        "runtime": {"observedEpoch": 1},
        "conditions": [condition("Ready", "Running")],
    }
    own = report(api, path, "VirtualMachine", host_user(h1), "quantix-hostd", said)
    assert own.code == 200, own.message
    other = report(api, path, "VirtualMachine", host_user("h2"), "quantix-hostd", said)
    assert other.code == 403
    assert "This VM is not assigned to host h2." in other.message


@pytest.mark.parametrize(
    ("said", "refusal"),
    [
        ({"runtime": {"observedEpoch": 2}}, "is not the epoch of the VM's assignment"),
        ({"assignment": {"epoch": 2, "host": "h2"}}, "only Quantix's scheduler"),
        ({"resolved": {"cores": 64}}, "written only by Quantix's operator"),
        ({"nics": [{"name": "eth0", "addresses": ["10.0.0.1"]}]}, "written only by Quantix's operator"),
        ({"conditions": [condition("Scheduled", "Assigned")]}, "Only the operator writes the conditions"),
        ({"conditions": [condition("Protected", "Protected")]}, "Only the operator writes the conditions"),
    ],
)
def test_a_host_does_not_decide_about_its_vms(
    api: ApiAs, namespace: str, h1: str, said: dict[str, Any], refusal: str
) -> None:
    path = assigned(api, namespace, h1)
    answer = report(api, path, "VirtualMachine", host_user(h1), "quantix-hostd", said)
    assert answer.code == 403
    assert refusal in answer.message


def test_five_managers_share_a_status_without_conflict(api: ApiAs, namespace: str, h1: str) -> None:
    path = assigned(api, namespace, h1)
    resolved = {"resolved": {"cores": 1}, "conditions": [condition("VolumesReady", "AllReady")]}
    running = {"runtime": {"observedEpoch": 1}, "conditions": [condition("Ready", "Running")]}
    assert decide(api, path, "VirtualMachine", resolved).code == 200
    assert report(api, path, "VirtualMachine", host_user(h1), "quantix-hostd", running).code == 200
    before = api.call("GET", path).body
    assert decide(api, path, "VirtualMachine", resolved).code == 200
    assert report(api, path, "VirtualMachine", host_user(h1), "quantix-hostd", running).code == 200
    after = api.call("GET", path).body
    assert after["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]
    assert {found["type"] for found in after["status"]["conditions"]} == {"Ready", "VolumesReady"}


def test_a_host_writes_its_own_host_and_lease_and_no_other(api: ApiAs, h1: str) -> None:
    hosts = RESOURCES["Host"].path()
    me = host_user(h1)
    assert api.create(hosts, manifest("Host", h1, spec={}), user=me).code == 201
    stranger = api.create(hosts, manifest("Host", f"{h1}-x", spec={}), user=me)
    assert stranger.code == 403
    assert f"Host {h1} writes only its own Host and Lease." in stranger.message
    assert report(api, f"{hosts}/{h1}", "Host", me, "quantix-hostd", {"cpus": 4}).code == 200
    assert report(api, f"{hosts}/{h1}", "Host", host_user("h2"), "quantix-hostd", {"cpus": 4}).code == 403
    leg = {"hostLeg": {"port": "p"}}
    assert report(api, f"{hosts}/{h1}", "Host", me, "quantix-hostd", leg).code == 403
    assert api.merge(f"{hosts}/{h1}", {"spec": {"maintenance": True}}, user=me).code == 403
    assert api.call("DELETE", f"{hosts}/{h1}", user=me).code == 403
    lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": h1}}
    assert api.create(LEASES.format("quantix-hosts"), lease, user=me).code == 201
    assert api.create(LEASES.format("quantix-system"), lease, user=me).code == 403
    assert api.create(LEASES.format("quantix-hosts"), lease, user=host_user(f"{h1}-x")).code == 403


def test_a_member_of_the_group_without_a_hosts_name_may_write_nothing(api: ApiAs, h1: str) -> None:
    eve = User("eve", ("quantix:hosts", "system:authenticated"))
    answer = api.create(RESOURCES["Host"].path(), manifest("Host", h1, spec={}), user=eve)
    assert answer.code == 403
    assert "needs a user name quantix:host:NAME" in answer.message


@pytest.mark.parametrize(
    ("what", "refused"),
    [
        ({"spec": {"unschedulable": False}}, False),
        ({"spec": {"unschedulable": True}}, True),
        ({"spec": {"taints": [{"key": "a", "effect": "Evacuate"}]}}, True),
        ({"spec": {"overcommit": {"cpuPercent": 10000}}}, True),
        ({"metadata": {"labels": {"zone": "a"}}}, True),
        ({"metadata": {"annotations": {"a": "b"}}}, True),
        ({"metadata": {"finalizers": ["example.com/mine"]}}, True),
        ({"metadata": {"finalizers": ["quantix.io/cleanup"]}}, False),
        (
            {
                "metadata": {
                    "ownerReferences": [{"apiVersion": "v1", "kind": "Node", "name": "a", "uid": "u"}]
                }
            },
            True,
        ),
    ],
    ids=str,
)
def test_a_host_joins_with_nothing_that_it_chose_itself(
    api: ApiAs, h1: str, what: dict[str, Any], refused: bool
) -> None:
    hosts = RESOURCES["Host"].path()
    body = manifest("Host", h1, spec=what.get("spec", {}))
    body["metadata"] |= what.get("metadata", {})
    answer = api.create(hosts, body, user=host_user(h1))
    assert answer.code == (403 if refused else 201), answer.message
    assert not refused or "joins with an empty spec, no labels" in answer.message
    if refused:
        assert api.create(hosts, body).code == 201


def test_a_volume_of_a_vm_is_reported_by_the_host_that_took_it_first(
    api: ApiAs, namespace: str, h1: str
) -> None:
    path = make(api, "Volume", namespace, "data", {"size": "1Gi"})
    uid = api.call("GET", path).body["metadata"]["uid"]

    def claim(user: User, name: str, **more: Any) -> Answer:
        return report(api, path, "Volume", user, "quantix-hostd", {"host": name, **more})

    of_nobody = claim(host_user(h1), h1)
    assert of_nobody.code == 403
    assert f"Nothing gives this object to host {h1}." in of_nobody.message
    assert decide(api, path, "Volume", {"attachedTo": [{"uid": "u", "name": "v"}]}).code == 200
    assert claim(host_user(h1), "h2").code == 403
    assert claim(host_user(h1), h1, handle="of-another").code == 403
    assert claim(host_user(h1), h1, confirmedHost=h1).code == 403
    assert claim(host_user(h1), h1, phase="Available", data="Present", handle=uid).code == 200
    stolen = claim(host_user("h2"), "h2")
    assert stolen.code == 403
    assert f"Host {h1} acts on this object, not host h2." in stolen.message
    assert claim(host_user(h1), h1, attachedTo=[{"uid": "x", "name": "w"}]).code == 403
    assert claim(host_user(h1), h1, data="Absent").code == 200, "it needs no handle any more"
    granted = [condition("SizeGranted", "Granted")]
    assert claim(host_user(h1), h1, conditions=granted).code == 403


def test_a_handle_that_the_operator_adopted_stays(api: ApiAs, namespace: str, h1: str) -> None:
    path = make(api, "Volume", namespace, "data", {"size": "1Gi"})
    adopted = {"host": h1, "handle": "of-before"}
    assert report(api, path, "Volume", OPERATOR, "quantix-scheduler", adopted).code == 200
    said = {"host": h1, "handle": "of-before", "data": "Present"}
    assert report(api, path, "Volume", host_user(h1), "quantix-hostd", said).code == 200
    other = {**said, "handle": "of-another"}
    assert report(api, path, "Volume", host_user(h1), "quantix-hostd", other).code == 403


def test_a_host_keeps_a_volume_in_the_pool_that_its_spec_names(api: ApiAs, namespace: str, h1: str) -> None:
    def said(name: str, spec: dict[str, Any], pool: str) -> Answer:
        path = RESOURCES["Volume"].path(namespace, name)
        if api.call("GET", path).code == 404:
            make(api, "Volume", namespace, name, {"size": "1Gi", **spec})
            report(api, path, "Volume", OPERATOR, "quantix-scheduler", {"host": h1})
        status = {"host": h1, "pool": pool}
        return report(api, path, "Volume", host_user(h1), "quantix-hostd", status)

    assert said("named", {"pool": "fast"}, "slow").code == 403
    assert said("named", {"pool": "fast"}, "fast").code == 200
    assert said("named", {"pool": "fast"}, "slow").code == 403
    assert said("default", {}, "local").code == 200
    assert said("default", {}, "other").code == 403


def test_a_host_moves_a_volume_only_where_the_operator_lets_it(api: ApiAs, namespace: str, h1: str) -> None:
    path = make(api, "Volume", namespace, "moves", {"size": "1Gi", "pool": "slow"})
    let = {"host": h1, "movingTo": "fast"}
    assert report(api, path, "Volume", OPERATOR, "quantix-scheduler", let).code == 200

    def said(**status: Any) -> int:
        return report(api, path, "Volume", host_user(h1), "quantix-hostd", {"host": h1, **status}).code

    assert said(pool="slow") == 200
    assert said(pool="slow", movingTo="other") == 403
    assert said(pool="other") == 403
    refused = [condition("MoveGranted", "PoolFull")]
    assert said(pool="slow", conditions=refused) == 403
    assert said(pool="fast") == 200, "it was under way as spec took it back"


def test_an_image_is_reported_only_by_the_host_that_the_scheduler_chose(
    api: ApiAs, namespace: str, h1: str
) -> None:
    path = make(api, "Image", namespace, "debian", {"upload": {}})
    said = {"host": h1, "phase": "Ready", "data": "Present"}
    assert report(api, path, "Image", host_user(h1), "quantix-hostd", said).code == 403
    assert report(api, path, "Image", OPERATOR, "quantix-scheduler", {"host": h1}).code == 200
    assert report(api, path, "Image", host_user(h1), "quantix-hostd", said).code == 200
    assert report(api, path, "Image", host_user("h2"), "quantix-hostd", said).code == 403


@pytest.mark.parametrize("changed", [{"checksum": f"sha256:{'b' * 64}"}, {"virtualSize": "2Gi"}])
def test_what_an_image_holds_is_found_once(
    api: ApiAs, namespace: str, h1: str, changed: dict[str, str]
) -> None:
    path = make(api, "Image", namespace, f"fixed-{next(iter(changed)).lower()}", {"upload": {}})
    assert report(api, path, "Image", OPERATOR, "quantix-scheduler", {"host": h1}).code == 200
    found = {"host": h1, "checksum": f"sha256:{'a' * 64}", "format": "Qcow2", "virtualSize": "1Gi"}
    assert report(api, path, "Image", host_user(h1), "quantix-hostd", found).code == 200
    again = report(api, path, "Image", host_user(h1), "quantix-hostd", {**found, "phase": "Ready"})
    assert again.code == 200
    other = report(api, path, "Image", host_user(h1), "quantix-hostd", {**found, **changed})
    assert (other.code, "never changes" in other.message) == (403, True)
    assert report(api, path, "Image", host_user(h1), "quantix-hostd", {"host": h1}).code == 403


def test_a_migration_is_reported_by_its_two_hosts(api: ApiAs, namespace: str) -> None:
    kind = "VirtualMachineMigration"
    path = make(api, kind, namespace, "move", {"virtualMachine": "web-1"})
    hosts = {"sourceHost": "h1", "targetHost": "h2"}
    assert report(api, path, kind, OPERATOR, "quantix-scheduler", hosts).code == 200
    source = {"source": {"mode": "PreCopy"}}
    assert report(api, path, kind, host_user("h1"), "quantix-hostd-source", source).code == 200
    target = {"target": {"prepared": True}}
    assert report(api, path, kind, host_user("h2"), "quantix-hostd-target", target).code == 200
    assert report(api, path, kind, host_user("h3"), "quantix-hostd-source", source).code == 403
    away = api.merge(f"{path}/status", {"status": {"targetHost": "h1"}}, user=host_user("h1"))
    assert away.code == 403


def test_each_host_of_a_migration_says_its_own_part_and_nothing_after_its_last_word(
    api: ApiAs, namespace: str
) -> None:
    kind = "VirtualMachineMigration"
    path = make(api, kind, namespace, "move", {"virtualMachine": "web-1"})
    hosts = {"sourceHost": "h1", "targetHost": "h2"}
    assert report(api, path, kind, OPERATOR, "quantix-scheduler", hosts).code == 200

    def source(user: str, **said: object) -> int:
        return report(api, path, kind, host_user(user), "quantix-hostd-source", {"source": said}).code

    def target(user: str, **said: object) -> int:
        return report(api, path, kind, host_user(user), "quantix-hostd-target", {"target": said}).code

    def merged(user: User, status: dict[str, object]) -> int:
        return api.merge(f"{path}/status", {"status": status}, user=user).code

    assert (source("h2", mode="PreCopy"), target("h1", prepared=True)) == (403, 403)
    assert merged(host_user("h2"), {"progress": {"percent": 100}}) == 403
    for forged in (
        {"phase": "Succeeded"},
        {"virtualMachineUID": "x"},
        {"finishedAt": "2026-01-01T00:00:00Z"},
    ):
        assert merged(host_user("h1"), dict(forged)) == 403
    assert merged(host_user("h1"), {"conditions": [condition("Ready", "Succeeded")]}) == 403
    assert source("h1", outcome="HandedOver", epoch=2**53 + 1) == 422, "epochs do not come to their end"
    by_admin = api.merge(f"{path}/status", {"status": {"source": {"outcome": "GaveUp"}}})
    assert by_admin.code == 403, "only its host knows"
    assert source("h1", mode="PreCopy") == 200
    assert source("h1", outcome="HandedOver", epoch=2) == 200
    assert source("h1", outcome="GaveUp") == 403
    assert source("h1", outcome="HandedOver", epoch=3) == 403
    assert merged(host_user("h1"), {"source": None}) == 403
    assert target("h2", outcome="Refused", reason="PoolFull") == 200
    assert target("h2", outcome="Running", epoch=2) == 403
    assert target("h2", outcome="Gone", reason="PoolFull") == 200
    assert target("h2", outcome="Refused") == 403


def test_the_status_of_a_recovery_is_the_operators(api: ApiAs, namespace: str) -> None:
    path = make(api, "HostRecovery", namespace, f"r-{namespace}", {"host": "h1", "cause": "Manual"})
    by_admin = api.merge(f"{path}/status", {"status": {"phase": "Proven"}})
    assert by_admin.code == 403
    assert decide(api, path, "HostRecovery", {"phase": "Intent"}).code == 200
