"""What people may delete, change and read on the real API server."""

from __future__ import annotations

import time
from typing import Any

import pytest

from quantix_api.resources import FINALIZER, LABEL_BALANCER, LABEL_MAINTENANCE_OF
from quantix_lab.api_as import ApiAs, User
from quantix_lab.api_objects import OPERATOR, RESOURCES, SIZED, bind, decide, make, manifest, may
from quantix_lab.waiting import eventually


def test_deletion_is_refused_with_the_users_and_a_way_out(api: ApiAs, namespace: str) -> None:
    image = make(api, "Image", namespace, "debian", {"upload": {}})
    used = {"users": 2, "usedBy": [f"{namespace}/Volume/a", f"{namespace}/VirtualMachine/b"]}
    assert decide(api, image, "Image", used).code == 200
    refused = api.call("DELETE", image)
    assert refused.code == 403
    assert (
        f"Image debian has 2 users: {namespace}/Volume/a, {namespace}/VirtualMachine/b. "
        "Try: delete those first." in refused.message
    )
    elsewhere = {"users": 2, "usedBy": []}
    assert decide(api, image, "Image", elsewhere).code == 200
    assert (
        "Image debian has 2 users: all in other namespaces (qx image explain shared/debian names them)."
        in api.call("DELETE", image).message
    )
    unused = {"users": 0}
    assert decide(api, image, "Image", unused).code == 200
    assert api.call("DELETE", image).code == 200


@pytest.mark.parametrize(
    ("kind", "noun", "spec"),
    [
        ("VirtualMachine", "vm", SIZED),
        ("Volume", "volume", {"size": "1Gi"}),
        ("Image", "image", {"upload": {}}),
    ],
)
def test_what_is_protected_cannot_be_deleted(
    api: ApiAs, namespace: str, kind: str, noun: str, spec: dict[str, Any]
) -> None:
    path = make(api, kind, namespace, "a", {**spec, "deletionProtection": True})
    refused = api.call("DELETE", path)
    assert refused.code == 403
    way_out = f"qx {noun} set a --no-protect, or set spec.deletionProtection to false"
    assert f"Try: {way_out}." in refused.message
    assert api.merge(path, {"spec": {"deletionProtection": False}}).code == 200
    assert api.call("DELETE", path).code == 200


def test_an_attached_volume_is_not_deleted_before_it_is_let_go_nor_with_its_namespace(
    api: ApiAs, namespace: str
) -> None:
    named = make(api, "Volume", namespace, "named", {"size": "1Gi"})
    attached = {"attachedTo": [{"uid": "u", "name": "web-1"}]}
    assert decide(api, named, "Volume", attached).code == 200
    assert "Volume named is a disk of web-1." in api.call("DELETE", named).message
    made = make(api, "Volume", namespace, "made", {"size": "1Gi"})
    marks = {
        "labels": {"quantix.io/virtual-machine-uid": "u"},
        "annotations": {"quantix.io/virtual-machine": "web-2"},
    }
    assert api.merge(made, {"metadata": marks}, user=OPERATOR).code == 200
    assert "Volume made is a disk of web-2." in api.call("DELETE", made).message
    assert api.call("DELETE", f"/api/v1/namespaces/{namespace}").code == 200
    # what the policies see of the namespace is a moment old: asked for longer than that
    deadline = time.monotonic() + 3
    while time.monotonic() < deadline:
        assert [api.call("DELETE", path).code for path in (named, made)] == [403, 403]
        time.sleep(0.2)
    off = {"labels": None, "annotations": None}
    assert api.merge(made, {"metadata": off}, user=OPERATOR).code == 200
    assert decide(api, named, "Volume", {}).code == 200
    assert {api.call("DELETE", path).code for path in (named, made)} <= {200, 404}


LABEL = "quantix.io/virtual-machine-uid"
ANNOTATION = "quantix.io/virtual-machine"


def test_which_vm_a_volume_was_made_for_is_said_by_the_operator_alone(api: ApiAs, namespace: str) -> None:
    tina = User(f"tina-{namespace}")
    bind(api, namespace, "quantix-edit", tina, "update")
    own = make(api, "Volume", namespace, "own", {"size": "1Gi"})
    for mark in ({"labels": {LABEL: "u"}}, {"labels": {LABEL: ""}}, {"annotations": {ANNOTATION: "web-1"}}):
        refused = api.merge(own, {"metadata": mark}, user=tina)
        assert refused.code == 403
        assert "only Quantix's operator writes them" in refused.message
        marked = manifest("Volume", "new", spec={"size": "1Gi"})
        marked["metadata"] |= mark
        assert api.create(RESOURCES["Volume"].path(namespace), marked, user=tina).code == 403
    marks = {"labels": {LABEL: "u"}, "annotations": {ANNOTATION: "web-1"}}
    assert api.merge(own, {"metadata": marks}, user=OPERATOR).code == 200
    for change in ({"labels": {LABEL: "v"}}, {"labels": {LABEL: None}}, {"annotations": {ANNOTATION: None}}):
        assert api.merge(own, {"metadata": change}, user=tina).code == 403
    kept = api.merge(
        own, {"metadata": {"labels": {"app": "web"}}, "spec": {"deletionProtection": True}}, user=tina
    )
    assert kept.code == 200, kept.message


@pytest.mark.parametrize("label", [LABEL_BALANCER, LABEL_MAINTENANCE_OF])
def test_only_the_operator_says_that_nobody_asked_for_a_migration(
    api: ApiAs, namespace: str, label: str
) -> None:
    tina = User(f"tina-{namespace}")
    bind(api, namespace, "quantix-edit", tina, "create")
    spec = {"virtualMachine": "web-1"}
    path = RESOURCES["VirtualMachineMigration"].path(namespace)
    forged = manifest("VirtualMachineMigration", "forged", spec=spec)
    forged["metadata"]["labels"] = {label: "u"}
    refused = api.create(path, forged, user=tina)
    assert refused.code == 403
    assert "only Quantix's operator writes them" in refused.message
    own = make(api, "VirtualMachineMigration", namespace, "own", spec)
    assert api.merge(own, {"metadata": {"labels": {label: "u"}}}, user=tina).code == 403
    assert api.merge(own, {"metadata": {"labels": {label: "u"}}}, user=OPERATOR).code == 200
    assert api.merge(own, {"metadata": {"labels": {label: None}}}, user=tina).code == 403
    kept = api.merge(own, {"metadata": {"labels": {"app": "web"}}, "spec": {"cancel": True}}, user=tina)
    assert kept.code == 200, kept.message


def test_the_size_of_a_vms_volume_is_changed_in_the_vm(api: ApiAs, namespace: str) -> None:
    tina = User(f"tina-{namespace}")
    bind(api, namespace, "quantix-edit", tina, "update")
    own = make(api, "Volume", namespace, "web-1-root", {"size": "1Gi"})
    assert api.merge(own, {"spec": {"size": "2Gi"}}, user=tina).code == 200
    marks = {"labels": {LABEL: "u"}, "annotations": {ANNOTATION: "web-1"}}
    assert api.merge(own, {"metadata": marks}, user=OPERATOR).code == 200
    for size in ("3Gi", None):
        refused = api.merge(own, {"spec": {"size": size}}, user=tina)
        assert refused.code != 200
    assert (
        "Volume web-1-root is a disk of web-1" in api.merge(own, {"spec": {"size": "3Gi"}}, user=tina).message
    )
    assert api.merge(own, {"spec": {"size": "3Gi"}}, user=OPERATOR).code == 200


def test_the_collector_may_change_what_is_marked(api: ApiAs, namespace: str) -> None:
    vm = make(api, "VirtualMachine", namespace, "web-1", SIZED)
    uid = api.call("GET", vm).body["metadata"]["uid"]
    volume = make(api, "Volume", namespace, "web-1-root", {"size": "1Gi"})
    owner = {"apiVersion": "quantix.io/v1alpha1", "kind": "VirtualMachine", "name": "web-1", "uid": uid}
    marks = {"labels": {LABEL: uid}, "ownerReferences": [{**owner, "blockOwnerDeletion": True}]}
    assert api.merge(volume, {"metadata": marks}, user=OPERATOR).code == 200
    assert api.call("DELETE", f"{vm}?propagationPolicy=Orphan").code == 200
    # the collector takes the reference away and leaves the mark. It learns of kinds each 30 s, and begins
    # anew when it has not seen all of their objects by then
    eventually(
        "the reference goes", lambda: "ownerReferences" not in api.call("GET", volume).body["metadata"], 150
    )
    assert api.call("GET", volume).body["metadata"]["labels"] == {LABEL: uid}


def test_what_is_being_deleted_is_let_go_by_the_operator_alone(api: ApiAs, namespace: str) -> None:
    tina = User(f"tina-{namespace}")
    bind(api, namespace, "quantix-edit", tina, "update")
    vm = make(api, "VirtualMachine", namespace, "web-1", SIZED)
    let_go = {"metadata": {"finalizers": None}}
    assert api.merge(vm, let_go, user=tina).body["metadata"]["finalizers"] == [FINALIZER]
    assert api.call("DELETE", vm, user=tina).code == 200
    for user in (tina, None):
        refused = api.merge(vm, let_go, user=user)
        assert refused.code == 403
        assert "VirtualMachine web-1 is being deleted" in refused.message
    labelled = api.merge(vm, {"metadata": {"labels": {"app": "web"}}}, user=tina)
    assert labelled.code == 200, labelled.message
    assert api.merge(vm, let_go, user=OPERATOR).code == 200
    assert api.call("GET", vm).code == 404


@pytest.mark.parametrize(
    ("kind", "spec", "status", "refusal"),
    [
        ("Network", {}, {"ports": 3}, "has 3 ports"),
        ("Network", {}, {"ports": 1}, "has 1 port."),
        ("Host", {}, {"virtualMachines": 2}, "has 2 VMs"),
        ("Host", {}, {"phase": "Fenced"}, "is being recovered"),
        ("StoragePool", {"dir": {"path": "/a"}}, {"allocated": "3Gi"}, "holds 3Gi of volumes"),
        ("StoragePool", {"dir": {"path": "/a"}}, {"virtualMachines": 2}, "is named by 2 VMs for a disk"),
    ],
)
def test_what_others_depend_on_cannot_be_deleted(
    api: ApiAs, namespace: str, kind: str, spec: dict[str, Any], status: dict[str, Any], refusal: str
) -> None:
    path = make(api, kind, namespace, f"x-{namespace}", spec)
    assert decide(api, path, kind, status).code == 200
    refused = api.call("DELETE", path)
    assert refused.code == 403
    assert refusal in refused.message
    assert decide(api, path, kind, {}).code == 200
    assert api.call("DELETE", path).code == 200


def test_a_power_operator_starts_and_stops_and_changes_nothing_else(api: ApiAs, namespace: str) -> None:
    paula = User(f"paula-{namespace}")
    bind(api, namespace, "quantix-power", paula, "patch")
    path = make(api, "VirtualMachine", namespace, "web-1", {**SIZED, "boot": {"menuSeconds": 3}})
    assert api.merge(path, {"spec": {"powerState": "Stopped"}}, user=paula).code == 200
    assert api.merge(path, {"spec": {"restart": {"at": "2026-11-23T04:00:00Z"}}}, user=paula).code == 200
    for patch in (
        {"spec": {"cpu": {"cores": 4}}},
        {"spec": {"clock": {"timezone": "UTC"}}},
        {"spec": {"boot": None}},
        {"metadata": {"labels": {"x": "y"}}},
        {"metadata": {"annotations": {"x": "y"}}},
        {"metadata": {"finalizers": ["example.com/mine"]}},
    ):
        refused = api.merge(path, patch, user=paula)
        assert refused.code == 403
        assert "may not change more than spec.powerState and spec.restart of VM web-1" in refused.message
    assert api.call("DELETE", path, user=paula).code == 403
    edgar = User(f"edgar-{namespace}")
    bind(api, namespace, "quantix-edit", edgar, "update")
    assert api.merge(path, {"spec": {"cpu": {"cores": 4}}}, user=edgar).code == 200


def test_a_port_without_filter_needs_a_right_of_its_own(api: ApiAs, namespace: str) -> None:
    edgar = User(f"edgar-{namespace}")
    bind(api, namespace, "quantix-edit", edgar, "update")
    path = make(api, "VirtualMachine", namespace, "web-1", SIZED)
    nics = [{"name": "eth0", "network": "lan", "portSecurity": "Disabled"}]
    refused = api.merge(path, {"spec": {"nics": nics}}, user=edgar)
    assert refused.code == 403
    assert "needs the verb use on networks/unfiltered" in refused.message
    assert api.merge(path, {"spec": {"nics": nics}}).code == 200
    kept = api.merge(path, {"spec": {"gracePeriodSeconds": 5}}, user=edgar)
    assert kept.code == 200, kept.message


@pytest.mark.parametrize(("role", "allowed"), [("quantix-edit", True), ("quantix-view", False)])
def test_who_may_make_images_and_volumes_may_send_their_files(
    api: ApiAs, namespace: str, role: str, allowed: bool
) -> None:
    edgar = User(f"edgar-{namespace}")
    bind(api, namespace, role, edgar, "list")
    about = {"verb": "create", "group": "quantix.io", "subresource": "upload", "namespace": namespace}
    for kind in ("images", "volumes"):
        assert may(api, edgar, {**about, "resource": kind}) is allowed


def test_joining_a_wire_needs_a_right_of_its_own(api: ApiAs, namespace: str) -> None:
    edgar = User(f"edgar-{namespace}")
    bind(api, namespace, "quantix-edit", edgar, "create")
    networks = RESOURCES["Network"].path(namespace)
    wired = manifest("Network", "wired", spec={"physical": {"name": "qx-local"}})
    refused = api.create(networks, wired, user=edgar)
    assert refused.code == 403
    assert "spec.physical needs the verb use on networks/physical" in refused.message
    assert api.create(networks, manifest("Network", "own", spec={}), user=edgar).code == 201
    assert api.create(networks, wired).code == 201


def test_everybody_reads_what_is_shared_and_writes_none_of_it(api: ApiAs) -> None:
    anyone = User("anyone")
    shared = RESOURCES["Image"].path("quantix-shared")
    assert api.call("GET", shared, user=anyone).code == 200
    assert api.create(shared, manifest("Image", "x", spec={"upload": {}}), user=anyone).code == 403
    assert api.call("GET", RESOURCES["InstanceType"].path(), user=anyone).code == 200
    assert api.call("GET", RESOURCES["VirtualMachine"].path("default"), user=anyone).code == 403


@pytest.mark.parametrize("name", ["quantix-shared", "quantix-system", "quantix-hosts"])
def test_a_namespace_of_the_platform_cannot_be_deleted(api: ApiAs, name: str) -> None:
    refused = api.call("DELETE", f"/api/v1/namespaces/{name}?dryRun=All")
    assert refused.code == 403
    assert f"Namespace {name} holds what Quantix itself needs" in refused.message
    assert "Try: delete single objects in it" in refused.message
    found = api.call("GET", f"/api/v1/namespaces/{name}")
    assert "deletionTimestamp" not in found.body["metadata"]


def test_a_namespace_of_a_user_can_be_deleted(api: ApiAs, namespace: str) -> None:
    assert api.call("DELETE", f"/api/v1/namespaces/{namespace}").code == 200


def test_view_and_edit_of_kubernetes_hold_ours(api: ApiAs, namespace: str) -> None:
    vera = User(f"vera-{namespace}")
    bind(api, namespace, "view", vera, "list")
    machines = RESOURCES["VirtualMachine"].path(namespace)
    assert api.call("GET", machines, user=vera).code == 200
    assert api.create(machines, manifest("VirtualMachine", "a", spec=SIZED), user=vera).code == 403
    erik = User(f"erik-{namespace}")
    bind(api, namespace, "edit", erik, "create")
    assert api.create(machines, manifest("VirtualMachine", "a", spec=SIZED), user=erik).code == 201
