"""A Volume that is made from another one: where, when, how large, with whose Secrets."""

from __future__ import annotations

from typing import Any

import pytest

from quantix_api import VirtualMachine, Volume
from quantix_api.quantities import size_bytes
from quantix_api.resources import (
    ANNOTATION_VIRTUAL_MACHINE,
    HOSTS,
    LABEL_VIRTUAL_MACHINE_UID,
    STORAGE_POOLS,
    VIRTUAL_MACHINES,
    VOLUMES,
)
from quantix_operator.cache import Cache
from quantix_operator.objects import Objects
from quantix_operator.scheduling.model import Pin
from quantix_operator.scheduling.reached import pins
from quantix_operator.service import WATCHED
from quantix_operator.storagepool.promises import volume_bytes
from quantix_operator.virtualmachine.disks import inherited_encryption, missing_sources
from quantix_operator.virtualmachine.secret_access import needed_secrets, secrets_of_volumes
from quantix_operator.volume.controller import VolumeController
from quantix_operator.volume.observe import observe
from quantix_operator.volume.plan import plan_volume

MADE = {"host": "h2", "confirmedHost": "h2", "data": "Present", "pool": "local", "capacity": "3Gi"}
KEY = {"secretRef": {"name": "disk-key", "key": "passphrase"}}
SIZE = {"cpu": {"cores": 1}, "memory": {"size": "1Gi"}}
CLONE = {"source": {"volume": "source"}}


class World:
    """Two hosts with a pool in each, and what a test puts there."""

    def __init__(self) -> None:
        self.cache = Cache(WATCHED)
        self.objects = Objects(self.cache)
        self._version = 0
        self.put(STORAGE_POOLS, "local", "", {"dir": {"path": "/pool"}, "default": True})
        healthy = {"type": "Ready", "status": "True", "reason": "Healthy", "message": "It is."}
        for host in ("h1", "h2"):
            pools = [{"name": "local", "reachable": True}]
            self.put(HOSTS, host, "", {}, {"conditions": [healthy], "pools": pools})

    def put(
        self,
        resource: Any,
        name: str,
        namespace: str,
        spec: dict[str, Any],
        status: dict[str, Any] | None = None,
        **metadata: Any,
    ) -> None:
        self._version += 1
        version = str(self._version)
        about = {"name": name, "uid": f"uid-of-{namespace}-{name}", "resourceVersion": version, **metadata}
        about |= {"namespace": namespace} if namespace else {}
        self.cache.put(resource, {"metadata": about, "spec": spec, "status": status or {}})

    def volume(self, name: str, spec: dict[str, Any], status: Any = None, **metadata: Any) -> Volume:
        self.put(VOLUMES, name, "a", spec, status, **metadata)
        found = self.objects.get(Volume, f"a/{name}")
        assert found is not None
        return found

    def vm(self, name: str, spec: dict[str, Any], status: Any = None) -> VirtualMachine:
        self.put(VIRTUAL_MACHINES, name, "a", spec, status)
        found = self.objects.get(VirtualMachine, f"a/{name}")
        assert found is not None
        return found


def of_vm(vm: str) -> dict[str, Any]:
    return {
        "labels": {LABEL_VIRTUAL_MACHINE_UID: f"uid-of-a-{vm}"},
        "annotations": {ANNOTATION_VIRTUAL_MACHINE: vm},
    }


@pytest.fixture
def world() -> World:
    return World()


def test_it_is_made_where_its_source_is_once_that_has_data(world: World) -> None:
    clone = world.volume("copy", CLONE)

    def said() -> tuple[str | None, str]:
        plan = plan_volume(observe(world.objects, clone))
        return plan.host, plan.ready.reason if plan.ready else ""

    assert said() == (None, "SourceNotFound")
    # of the same name, and another tenant's
    world.put(VOLUMES, "source", "b", {"size": "1Gi"}, MADE)
    assert said() == (None, "SourceNotFound")
    world.volume("source", {"size": "1Gi"})
    assert said() == (None, "Creating")
    world.volume("source", {"size": "1Gi"}, MADE)
    assert said() == ("h2", "")
    world.volume("source", {"size": "1Gi"}, {**MADE, "host": "h9", "confirmedHost": "h9"})
    assert said() == (None, "HostUnreachable")


def test_a_source_that_is_deleted_serves_what_is_there_until_its_data_are_gone(world: World) -> None:
    going = {"deletionTimestamp": "2026-01-01T00:00:00Z"}
    clone = world.volume("copy", CLONE)

    def said() -> tuple[str | None, str]:
        plan = plan_volume(observe(world.objects, clone))
        return plan.host, plan.ready.reason if plan.ready else ""

    source = world.volume("source", {"size": "1Gi"}, MADE, **going)
    assert said() == ("h2", "")
    assert plan_volume(observe(world.objects, source)).release is False
    vm = world.vm("copy", {**SIZE, "disks": [{"name": "root", "cloneOf": "source"}]})
    assert missing_sources(world.objects, vm) == {"root": None}
    source = world.volume("source", {"size": "1Gi"}, {**MADE, "data": "Absent"}, **going)
    assert said() == (None, "SourceNotFound")
    assert plan_volume(observe(world.objects, source)).release is True
    gone = missing_sources(world.objects, vm)["root"]
    assert gone is not None
    assert gone.reason == "SourceNotFound"
    # it never had any: nothing can be made of it any more
    world.volume("source", {"size": "1Gi"}, **going)
    assert said() == (None, "SourceNotFound")


def test_the_disk_of_a_vm_that_is_off_says_that_its_source_is_gone(world: World) -> None:
    world.vm("copy", {**SIZE, "powerState": "Stopped"})
    clone = world.volume("copy-root", CLONE, **of_vm("copy"))

    def said() -> str:
        plan = plan_volume(observe(world.objects, clone))
        return plan.ready.reason if plan.ready else ""

    assert said() == "SourceNotFound"
    world.volume("source", {"size": "1Gi"}, MADE)
    assert said() == "WaitingForHost"


def test_a_volume_is_no_source_of_itself(world: World) -> None:
    itself = world.volume("source", CLONE, MADE | {"host": None, "confirmedHost": None})
    plan = plan_volume(observe(world.objects, itself))
    assert (plan.host, plan.ready.reason if plan.ready else "") == (None, "SourceNotFound")


def test_a_copy_of_an_encrypted_volume_without_a_secret_is_refused_at_once_and_takes_no_room(
    world: World,
) -> None:
    bare = world.volume("copy", CLONE)
    for state in ({}, MADE):
        world.volume("source", {"size": "1Gi", "encryption": KEY}, state)
        plan = plan_volume(observe(world.objects, bare))
        assert (plan.host, plan.ready.reason if plan.ready else "") == (None, "ConfigRefused")
        assert plan.ready is not None
        assert "delete copy, then qx volume create copy --from source --secret disk-key" in plan.ready.message
    # a VM that has it is told, too; once a host has taken it, that host says so
    attached = {"disks": [{"name": "d", "volume": "copy"}], "cpu": {"cores": 1}, "memory": {"size": "1Gi"}}
    world.vm("web-1", attached)
    told = plan_volume(observe(world.objects, bare)).ready
    assert told is not None
    assert told.reason == "ConfigRefused"
    taken = world.volume("copy", CLONE, {"host": "h2"})
    assert plan_volume(observe(world.objects, taken)).ready is None
    encrypted = world.volume("safe", {**CLONE, "encryption": KEY})
    assert plan_volume(observe(world.objects, encrypted)).host == "h2"


def test_it_is_promised_what_its_source_has_and_waits_for_that_alone(world: World) -> None:
    clone = world.volume("copy", CLONE)
    assert volume_bytes(world.objects, clone) == 0
    source = world.volume("source", {"size": "1Gi"}, MADE)
    assert volume_bytes(world.objects, clone) == size_bytes("3Gi")
    small = world.volume("small", {**CLONE, "size": "1Mi"})
    assert volume_bytes(world.objects, small) == size_bytes("3Gi"), "a copy is never smaller"
    manifest = world.objects.manifest(source)
    assert manifest is not None
    assert "a/copy" in set(VolumeController.watches[VOLUMES](manifest, world.cache))


def test_a_vm_waits_for_the_source_of_its_disk_and_goes_where_that_is(world: World) -> None:
    spec = {"cpu": {"cores": 1}, "memory": {"size": "1Gi"}, "disks": [{"name": "root", "cloneOf": "source"}]}
    vm = world.vm("web-1", spec)

    def lacks() -> str:
        missing = missing_sources(world.objects, vm)["root"]
        return missing.reason if missing else ""

    assert lacks() == "SourceNotFound"
    world.volume("source", {"size": "1Gi", "encryption": KEY})
    assert lacks() == "Creating"
    world.volume("source", {"size": "1Gi", "encryption": KEY}, MADE)
    assert lacks() == ""
    assert inherited_encryption(world.objects, vm) == {"root": KEY}
    clone = world.volume("web-1-root", CLONE, **of_vm("web-1"))
    assert pins(world.objects, (clone,)) == (Pin("web-1-root", "h2"),)


def test_a_clone_says_whose_host_is_to_make_its_source_while_there_is_none(world: World) -> None:
    size = {"cpu": {"cores": 1}, "memory": {"size": "1Gi"}}
    copy = world.vm("copy", {**size, "disks": [{"name": "root", "cloneOf": "source"}]})

    def lacks() -> tuple[str, dict[str, str]]:
        missing = missing_sources(world.objects, copy)["root"]
        assert missing is not None
        return missing.reason, dict(missing.fields)

    waits = {"type": "Ready", "status": "False", "reason": "WaitingForHost", "message": "It waits."}
    world.volume("source", {"size": "1Gi"}, {"conditions": [waits]})
    assert lacks() == ("WaitingForHost", {"volume": "source"})
    world.vm("web-1", size)
    world.volume("source", {"size": "1Gi"}, **of_vm("web-1"))
    assert lacks() == ("WaitingForHost", {"volume": "source", "vm": "web-1"})
    world.vm("web-1", size, {"assignment": {"host": "h1", "epoch": 1}})
    assert lacks() == ("Creating", {"volume": "source"})


@pytest.mark.parametrize(
    ("spec", "reason", "said"),
    [
        ({}, "WaitingForHost", ("WaitingForHost", "it is made on the host of the VM that uses it first")),
        ({"source": {"volume": "older"}}, "WaitingForHost", ("Creating", "and it waits (WaitingForHost)")),
        ({"source": {"image": "tiny"}}, "PoolFull", ("Creating", "and it waits (PoolFull)")),
        ({"source": {"image": "tiny"}}, "ImageDownloading", ("Creating", "source is being made")),
        ({}, "Pending", ("Creating", "source is being made")),
    ],
)
def test_a_copy_says_what_keeps_its_source_from_being_made(
    world: World, spec: dict[str, Any], reason: str, said: tuple[str, str]
) -> None:
    because = {"type": "Ready", "status": "False", "reason": reason, "message": "It waits."}
    world.volume("source", {"size": "1Gi", **spec}, {"conditions": [because]})
    told = plan_volume(observe(world.objects, world.volume("copy", CLONE))).ready
    assert told is not None
    assert (told.reason, told.message.partition(". Try: ")[0].endswith(said[1])) == (said[0], True)


def test_a_copy_names_the_vm_that_its_source_is_made_for(world: World) -> None:
    world.vm("web-1", {"cpu": {"cores": 1}, "memory": {"size": "1Gi"}, "powerState": "Stopped"})
    world.volume("source", {"size": "1Gi"}, **of_vm("web-1"))
    told = plan_volume(observe(world.objects, world.volume("copy", CLONE))).ready
    assert told is not None
    assert (told.reason, "qx vm explain web-1" in told.message) == ("WaitingForHost", True)


def test_a_host_may_read_the_secrets_of_the_volumes_that_it_keeps_by_right_only(world: World) -> None:
    encrypted = {"size": "1Gi", "encryption": KEY}

    def readers() -> set[str]:
        return {host for host in ("h1", "h2") if "disk-key" in secrets_of_volumes(world.objects, "a", host)}

    world.volume("data", encrypted)
    assert readers() == set()
    world.volume("data", encrypted, MADE)
    assert readers() == {"h2"}
    world.volume("data", {"size": "1Gi"}, MADE)
    assert readers() == set()
    # a VM's, which its host is to make; another host says that it keeps it
    assigned = {"assignment": {"host": "h1", "epoch": 1}}
    world.vm("web-1", {"cpu": {"cores": 1}, "memory": {"size": "1Gi"}}, assigned)
    world.volume("data", encrypted, **of_vm("web-1"))
    assert readers() == {"h1"}
    world.volume("data", encrypted, {**MADE, "confirmedHost": None}, **of_vm("web-1"))
    assert readers() == set()


def test_a_host_that_takes_an_encrypted_volume_of_another_in_a_shared_pool_is_given_no_secret(
    world: World,
) -> None:
    rbd = {"monitors": ["10.1.0.1"], "pool": "quantix", "user": "quantix", "secretRef": {"name": "ceph"}}
    world.put(STORAGE_POOLS, "ceph", "", {"rbd": rbd})
    world.vm("web-1", SIZE, {"assignment": {"host": "h1", "epoch": 1}})
    spec = {"size": "1Gi", "encryption": KEY, "pool": "ceph"}
    taken = {**MADE, "confirmedHost": None, "pool": "ceph"}
    world.volume("data", spec, taken, **of_vm("web-1"))
    assert "disk-key" not in secrets_of_volumes(world.objects, "a", "h2")
    world.volume("data", spec, {**taken, "host": "h1"}, **of_vm("web-1"))
    assert "disk-key" in secrets_of_volumes(world.objects, "a", "h1")


def test_a_host_that_a_vm_moves_to_may_read_its_secrets_before_it_comes(world: World) -> None:
    move = {"uid": "m", "name": "move", "sourceHost": "h2", "targetHost": "h1"}
    status = {"assignment": {"host": "h2", "epoch": 1}, "migration": move}
    spec = {"cpu": {"cores": 1}, "memory": {"size": "1Gi"}}
    spec |= {"cloudInit": {"userDataSecretRef": {"name": "seed", "key": "userData"}}}
    world.vm("web-1", spec, status)
    world.volume("data", {"size": "1Gi", "encryption": KEY}, MADE, **of_vm("web-1"))
    vms = world.objects.list(VirtualMachine)
    for host, reads in {"h1": True, "h2": True, "h3": False}.items():
        assert ("disk-key" in secrets_of_volumes(world.objects, "a", host)) is reads
        assert ("seed" in needed_secrets(vms, host)) is reads
