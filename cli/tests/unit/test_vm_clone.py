"""What a clone has from its source, and what it must not have; which volumes a VM took over."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from quantix_api import VirtualMachine
from quantix_cli.taken_over import taken_over
from quantix_cli.vm.clone import CloneWish, clone_of, told_clone, volumes_of

SOURCE: dict[str, Any] = {
    "metadata": {
        "name": "web-1",
        "namespace": "shop",
        "uid": "uid-of-web-1",
        "creationTimestamp": "2026-01-02T00:00:00Z",
        "labels": {"app": "web", "argocd.argoproj.io/instance": "shop"},
        "annotations": {"note": "mine"},
    },
    "spec": {
        "powerState": "Stopped",
        "restart": {"at": "2026-01-02T00:00:00Z"},
        "deletionProtection": True,
        "cpu": {"cores": 2},
        "memory": {"size": "1Gi"},
        "identity": {
            "uuid": "4c4c4544-0042-3010-8052-b4c04f4d5331",
            "machineType": "pc-q35-7.2",
            "smbios": {"manufacturer": "Acme", "serial": "42", "assetTag": "rack 7"},
        },
        "disks": [
            {"name": "root", "image": "shared/tiny", "size": "10Gi", "serial": "DISK0001", "bus": "SCSI"},
            {"name": "data", "volume": "files", "readOnly": True},
        ],
        "cdroms": [{"name": "install", "image": "tools"}],
        "nics": [
            {
                "name": "eth0",
                "network": "shared/default",
                "mac": "52:54:00:12:34:56",
                "addresses": ["10.0.0.5"],
                "securityGroups": ["web"],
            }
        ],
        "cloudInit": {"instanceID": "7", "hostname": "web-1", "sshAuthorizedKeys": ["ssh-ed25519 A a"]},
    },
}


def clone(**said: Any) -> dict[str, Any]:
    return clone_of(SOURCE, "web-2", CloneWish(**said), {"web-1-root": "fast"})


def test_a_clone_has_no_identity_of_its_source_and_is_a_vm_that_the_api_knows() -> None:
    before = copy.deepcopy(SOURCE)
    made = clone(labels=("tier=2",))
    assert before == SOURCE
    assert made["metadata"] == {"name": "web-2", "namespace": "shop", "labels": {"app": "web", "tier": "2"}}
    assert made["spec"] == {
        "cpu": {"cores": 2},
        "memory": {"size": "1Gi"},
        "identity": {"machineType": "pc-q35-7.2", "smbios": {"manufacturer": "Acme"}},
        "disks": [
            {"name": "root", "cloneOf": "web-1-root", "pool": "fast", "bus": "SCSI"},
            {"name": "data", "cloneOf": "files", "readOnly": True},
        ],
        "cdroms": [{"name": "install", "image": "tools"}],
        "nics": [{"name": "eth0", "network": "shared/default", "securityGroups": ["web"]}],
        "cloudInit": {"sshAuthorizedKeys": ["ssh-ed25519 A a"]},
    }
    VirtualMachine.model_validate(made)


def test_a_part_that_says_no_more_than_who_the_guest_is_goes_whole() -> None:
    source = copy.deepcopy(SOURCE)
    source["spec"]["identity"] = {"uuid": "4c4c4544-0042-3010-8052-b4c04f4d5331"}
    source["spec"]["cloudInit"] = {"hostname": "web-1"}
    spec = clone_of(source, "web-2", CloneWish(), {})["spec"]
    assert {"identity", "cloudInit"} & set(spec) == set()


@pytest.mark.parametrize(
    ("said", "mode", "pool", "kind"),
    [({}, None, "fast", "linked"), ({"full": True, "pool": "slow"}, "Full", "slow", "full")],
)
def test_its_disks_are_copied_as_was_asked_for(
    said: dict[str, Any], mode: str | None, pool: str, kind: str
) -> None:
    made = clone(stopped=True, **said)
    root = made["spec"]["disks"][0]
    assert (root.get("copyMode"), root["pool"], made["spec"]["powerState"]) == (mode, pool, "Stopped")
    pools = {"web-1-root": "fast"}
    assert told_clone(SOURCE, made, pools) == f"a {kind} clone of web-1: root of web-1-root, data of files"


def test_what_goes_into_another_pool_is_not_called_linked() -> None:
    pools = {"web-1-root": "fast", "files": "slow"}
    assert "a partly linked clone" in told_clone(SOURCE, clone(pool="slow"), pools)
    assert "a full clone" in told_clone(SOURCE, clone(pool="third"), pools)


def test_the_volumes_of_a_vm_are_known_without_its_status() -> None:
    assert volumes_of(SOURCE) == {"root": "web-1-root", "data": "files"}


def test_a_volume_that_is_older_than_its_vm_was_taken_over() -> None:
    def volume(name: str, made: str, uid: str = "uid-of-web-1") -> dict[str, Any]:
        labels = {"quantix.io/virtual-machine-uid": uid}
        return {"metadata": {"name": name, "creationTimestamp": made, "labels": labels}}

    old, new = "2026-01-01T23:59:59Z", "2026-01-02T00:00:00Z"
    volumes = [volume("web-1-root", old), volume("web-1-data", new), volume("db-1-root", old, "another")]
    assert taken_over(SOURCE, volumes) == ["web-1-root"]
