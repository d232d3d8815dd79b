"""The passphrase of an encrypted disk is libvirt's while it starts a guest or plugs it in, and no longer."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from quantix_api.errors import QuantixError, TransientError
from quantix_api.resources import VOLUMES
from quantix_hostd.virtualmachine.reconciler import QUIET_S
from quantix_lab.fake_hypervisor import FakeHypervisor
from quantix_lab.vm_world import VmHandle, VmWorld

_KEY = "correct horse"
_HEADER_AT = 32


class Watched(FakeHypervisor):
    """`known` lists which secrets it knew at each start and plug."""

    def __init__(self) -> None:
        super().__init__()
        self.known: list[dict[str, str]] = []

    async def create_paused(self, name: str) -> None:
        self.known.append(dict(self.secrets))
        await super().create_paused(name)

    async def attach_device(self, name: str, xml: str) -> None:
        self.known.append(dict(self.secrets))
        assert _KEY not in xml
        await super().attach_device(name, xml)


@pytest.fixture
def hypervisor() -> FakeHypervisor:
    return Watched()


def put_secret(world: VmWorld) -> None:
    metadata = {"name": "disk-key", "namespace": "default", "uid": "uid-of-the-secret"}
    data = {"passphrase": base64.b64encode(_KEY.encode()).decode()}
    world.api.put({"metadata": metadata, "data": data})


def encrypt(world: VmWorld, name: str) -> str:
    """Make the volume one whose file says that it is encrypted; its UID."""
    volume = world.stores[VOLUMES][f"default/{name}"]
    volume["spec"]["encryption"] = {"secretRef": {"name": "disk-key"}}
    uid: str = volume["metadata"]["uid"]
    with (world.pool / "volumes" / uid / "data").open("r+b") as file:
        file.seek(_HEADER_AT)
        file.write((2).to_bytes(4, "big"))
    return uid


async def test_a_start_waits_for_the_secret_before_it_begins_anything(
    vm: VmHandle, hypervisor: Watched
) -> None:
    uid = encrypt(vm.world, "web-1-root")
    await vm.reconcile()
    assert (hypervisor.calls, vm.root_claim.holder) == ([], None)
    await vm.look_after(QUIET_S + 1)
    put_secret(vm.world)
    await vm.look_after(QUIET_S + 1)
    assert vm.status["phase"] == "Running"
    assert (hypervisor.known, hypervisor.secrets) == ([{uid: _KEY}], {})


@pytest.mark.parametrize("error", [TransientError("PassphraseWrong", "It is another one.")])
async def test_a_start_that_is_refused_leaves_no_secret(
    vm: VmHandle, hypervisor: Watched, error: QuantixError
) -> None:
    uid = encrypt(vm.world, "web-1-root")
    put_secret(vm.world)
    hypervisor.refusal = error
    with pytest.raises(TransientError, match="another one"):
        await vm.reconcile()
    assert (hypervisor.known[0], hypervisor.secrets) == ({uid: _KEY}, {})


async def test_a_disk_that_comes_later_is_opened_alone(running: VmHandle, hypervisor: Watched) -> None:
    world: Any = running.world
    world.add_volume("data")
    uid = encrypt(world, "data")
    put_secret(world)
    stores = world.stores[VOLUMES]
    volumes = {"root": "web-1-root", "data": "data"}
    running.change("spec", "disks", value=[{"name": n, "volume": v} for n, v in volumes.items()])
    resolved = [
        {"name": n, "volume": v, "volumeUID": stores[f"default/{v}"]["metadata"]["uid"]}
        for n, v in volumes.items()
    ]
    running.change("status", "resolved", "disks", value=resolved)
    devices = [{"name": name, "port": port} for port, name in enumerate(volumes, 1)]
    running.change("status", "resolved", "devices", value=devices)
    await running.reconcile()
    assert (hypervisor.known, hypervisor.secrets) == ([{}, {uid: _KEY}], {})


async def test_data_that_should_be_encrypted_and_is_not_is_not_used(
    vm: VmHandle, hypervisor: Watched
) -> None:
    volume = vm.world.stores[VOLUMES]["default/web-1-root"]
    volume["spec"]["encryption"] = {"secretRef": {"name": "disk-key"}}
    put_secret(vm.world)
    await vm.reconcile()
    await vm.look_after(QUIET_S + 1)
    assert (hypervisor.calls, vm.condition("Ready")["reason"]) == ([], "DataDamaged")
