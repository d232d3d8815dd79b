"""What may change in a stored object and what may not, on the real API server."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from quantix_api.resources import FINALIZER
from quantix_lab.api_as import Answer, ApiAs, User
from quantix_lab.api_objects import RESOURCES, SIZED, decide, make


def change(api: ApiAs, path: str, spec: dict[str, Any]) -> Answer:
    """Would this merge into spec be taken?"""
    return api.merge(f"{path}?dryRun=All", {"spec": spec})


ROOT = {"name": "root", "image": "shared/debian-13", "size": "10Gi"}
DATA = {"name": "data", "volume": "old"}
VM = {**SIZED, "disks": [ROOT, DATA], "nics": [{"name": "eth0", "network": "lan"}]}


@pytest.mark.parametrize(
    ("patch", "refusal"),
    [
        ({"disks": [{**ROOT, "image": "other"}, DATA]}, "the source of a disk cannot change"),
        ({"disks": [{"name": "root", "snapshot": "s"}, DATA]}, "the source of a disk cannot change"),
        ({"disks": [{"name": "root", "size": "10Gi"}, DATA]}, "the source of a disk cannot change"),
        ({"identity": {"uuid": "b2c707c8-3213-4346-9eb0-b71009c90d23"}}, "identity.uuid cannot change"),
        ({"disks": [{**ROOT, "size": "20480Mi"}, DATA]}, ""),
        ({"disks": [DATA]}, ""),
        ({"disks": [{"name": "new", "size": "1Gi"}, DATA, ROOT]}, ""),
        ({"identity": {"machineType": "pc-q35-7.2"}}, ""),
        ({"cpu": {"cores": 4, "maxCores": 8}, "powerState": "Stopped"}, ""),
        ({"nics": [{"name": "eth0", "network": "shared/other"}]}, ""),
    ],
)
def test_a_vm_keeps_its_sources_and_identity(
    api: ApiAs, namespace: str, patch: dict[str, Any], refusal: str
) -> None:
    path = make(api, "VirtualMachine", namespace, "web-1", VM)
    answer = change(api, path, patch)
    if refusal:
        assert answer.code == 422
        assert refusal in answer.message
    else:
        assert answer.code == 200, answer.message


@pytest.mark.parametrize(
    ("kind", "spec", "patch", "refusal"),
    [
        ("Volume", {"size": "2Gi"}, {"source": {"image": "x"}}, "the source of a volume cannot change"),
        ("Volume", {"size": "2Gi"}, {"copyMode": "Full"}, "copyMode and accessMode cannot change"),
        (
            "Volume",
            {"size": "2Gi"},
            {"encryption": {"secretRef": {"name": "k"}}},
            "encryption cannot change",
        ),
        ("Volume", {"size": "2Gi"}, {"size": "3Gi", "pool": "other"}, ""),
        ("Volume", {"source": {"upload": {}}, "size": "2Gi"}, {"size": "3Gi"}, ""),
        (
            "Volume",
            {"source": {"upload": {}}, "size": "2Gi"},
            {"source": {"upload": {"format": "Raw"}}},
            "the source of a volume cannot change",
        ),
        ("Image", {"url": "https://a/x"}, {"url": "https://b/x"}, "an image never changes"),
        ("Image", {"url": "https://a/x"}, {"checksum": "sha256:" + "0" * 64}, "an image never changes"),
        ("Image", {"url": "https://a/x"}, {"url": None, "upload": {}}, "an image never changes"),
        ("Image", {"url": "https://a/x"}, {"maxVirtualSize": "1Ti"}, "an image never changes"),
        ("Image", {"url": "https://a/x"}, {"loginUser": "me", "deletionProtection": True}, ""),
        ("Network", {"mtu": 1400}, {"mtu": None}, "mtu cannot be left out again"),
        ("Network", {"mtu": 1400}, {"mtu": 1300}, ""),
        ("Network", {}, {"mtu": 1300}, ""),
        (
            "StoragePool",
            {"dir": {"path": "/a"}},
            {"dir": {"path": "/b"}},
            "the place of a pool cannot change",
        ),
        (
            "StoragePool",
            {"dir": {"path": "/a"}},
            {"dir": None, "rbd": {"pool": "q"}},
            "the place of a pool cannot change",
        ),
        (
            "StoragePool",
            {"rbd": {"pool": "q"}},
            {"rbd": {"namespace": "n"}},
            "the place of a pool cannot change",
        ),
        ("StoragePool", {"rbd": {"pool": "q"}}, {"rbd": {"monitors": ["10.0.0.1"]}}, ""),
        ("StoragePool", {"dir": {"path": "/a"}}, {"default": True}, ""),
        ("InstanceType", SIZED, {"cpu": {"cores": 2}}, "an instance type cannot change"),
        ("InstanceType", SIZED, {"default": True}, ""),
        ("Network", {}, {"physical": {"name": "p"}}, "physical cannot change"),
        ("Network", {}, {"ipv6": "Disabled"}, "ipv6 cannot change"),
        ("Network", {}, {"subnets": [{"cidr": "10.0.0.0/24"}], "mtu": 1400}, ""),
        (
            "VirtualMachineMigration",
            {"virtualMachine": "a"},
            {"targetHost": "h2"},
            "a migration cannot change, but for cancel",
        ),
        (
            "VirtualMachineMigration",
            {"virtualMachine": "a", "cancel": True},
            {"cancel": False},
            "stays cancelled",
        ),
        ("VirtualMachineMigration", {"virtualMachine": "a"}, {"cancel": True}, ""),
        ("HostRecovery", {"host": "h", "cause": "Manual"}, {"host": "i"}, "host, hostUID and cause cannot"),
        ("HostRecovery", {"host": "h", "cause": "Manual"}, {"cancel": True}, ""),
    ],
)
def test_other_kinds_keep_what_they_are_made_of(
    api: ApiAs, namespace: str, kind: str, spec: dict[str, Any], patch: dict[str, Any], refusal: str
) -> None:
    path = make(api, kind, namespace, f"a-{uuid.uuid4().hex[:8]}", spec)
    answer = change(api, path, patch)
    if refusal:
        assert answer.code == 422
        assert refusal in answer.message
    else:
        assert answer.code == 200, answer.message


def test_an_epoch_never_goes_back_and_a_change_of_host_raises_it(api: ApiAs, namespace: str) -> None:
    path = make(api, "VirtualMachine", namespace, "web-1", VM)

    def assign(**assignment: Any) -> Answer:
        return decide(api, path, "VirtualMachine", {"assignment": assignment})

    assert assign(epoch=1, host="h1").code == 200
    assert assign(epoch=1, host="h1", hold="Crashed").code == 200
    for wrong in ({"epoch": 1, "host": "h2"}, {"epoch": 1}, {"epoch": 0, "host": "h1"}):
        assert assign(**wrong).code == 422
    assert "needs a higher epoch" in assign(epoch=1, host="h2").message
    assert assign(epoch=2).code == 200
    assert assign(epoch=3, host="h2").code == 200
    removed = decide(api, path, "VirtualMachine", {"phase": "Pending"})
    assert removed.code == 422
    assert "its epoch would be forgotten" in removed.message


def test_a_proof_of_fencing_can_neither_change_nor_go(api: ApiAs, namespace: str) -> None:
    path = make(api, "HostRecovery", namespace, f"r-{namespace}", {"host": "h1", "cause": "LeaseLost"})
    fence = {"method": "RBDBlocklist", "at": "2026-11-23T02:00:00Z", "osdEpoch": 5}
    assert decide(api, path, "HostRecovery", {"phase": "Fencing", "fence": fence}).code == 200
    assert decide(api, path, "HostRecovery", {"phase": "Proven", "fence": fence}).code == 200
    for wrong in ({"fence": {**fence, "osdEpoch": 6}}, {"phase": "Done"}, {}):
        answer = decide(api, path, "HostRecovery", wrong)
        assert answer.code == 422
        assert "a proof of fencing can neither change nor be removed" in answer.message


def test_a_host_name_stays_with_its_machine(api: ApiAs, namespace: str) -> None:
    path = make(api, "Host", namespace, f"h-{namespace}", {})
    assert decide(api, path, "Host", {"hostUID": "one"}).code == 200
    for wrong in ({"hostUID": "two"}, {"phase": "Ready"}):
        answer = decide(api, path, "Host", wrong)
        assert answer.code == 422
        assert "hostUID is set once" in answer.message


def test_a_confirmation_is_given_once(api: ApiAs, namespace: str) -> None:
    path = make(api, "HostRecovery", namespace, f"c-{namespace}", {"host": "h1", "cause": "LeaseLost"})
    alice = User("alice", ("system:masters",))
    words = {"at": "2026-11-23T10:00:00Z", "reason": "pulled from the rack"}
    lie = api.merge(path, {"spec": {"confirmedDead": {**words, "by": "bob"}}}, user=alice)
    assert lie.code == 403
    assert "set it to alice" in lie.message
    assert api.merge(path, {"spec": {"confirmedDead": {**words, "by": "alice"}}}, user=alice).code == 200
    assert api.merge(path, {"spec": {"confirmedDead": None}}, user=alice).code == 422
    changed = api.merge(path, {"spec": {"confirmedDead": {"reason": "a feeling"}}}, user=alice)
    assert "can neither change nor be taken back" in changed.message


def test_the_finalizer_is_added_once_and_beside_others(api: ApiAs, namespace: str) -> None:
    kinds: tuple[tuple[str, dict[str, Any]], ...] = (
        ("VirtualMachine", SIZED),
        ("Volume", {"size": "1Gi"}),
        ("Image", {"upload": {}}),
        ("Network", {}),
        ("SecurityGroup", {}),
        ("Router", {}),
        ("FloatingIP", {"network": "shared/public"}),
        ("Host", {}),
        ("VirtualMachineMigration", {"virtualMachine": "a"}),
    )
    for kind, spec in kinds:
        resource = RESOURCES[kind]
        for finalizers, after in (
            ([], [FINALIZER]),
            (["a.io/b"], ["a.io/b", FINALIZER]),
            ([FINALIZER], [FINALIZER]),
        ):
            meta = {"name": "a", "finalizers": finalizers}
            body = {"apiVersion": resource.api_version, "kind": kind, "metadata": meta, "spec": spec}
            answer = api.create(resource.path(namespace), body, parameters=("dryRun=All",))
            assert answer.body["metadata"]["finalizers"] == after, kind
