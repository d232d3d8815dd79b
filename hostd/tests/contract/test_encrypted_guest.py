"""A guest on an encrypted disk, with real libvirt and QEMU: its passphrase is known while QEMU is told it,
and lies nowhere.
"""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import libvirt
import pytest

from quantix_api.errors import TransientError
from quantix_api.resources import VOLUMES
from quantix_hostd.clients.libvirt import LibvirtClient
from quantix_hostd.clients.qemu_img import Disk, QemuImg
from quantix_lab.libvirt_host import LibvirtHost
from quantix_lab.libvirt_world import libvirt_world
from quantix_lab.open_sandbox import OpenSandbox
from quantix_lab.vm_manifests import grown
from quantix_lab.vm_world import VmHandle, VmWorld

_MIB = 1 << 20
_KEY = "correct horse, and no other"


@dataclass
class Bench:
    world: VmWorld
    host: LibvirtHost
    client: LibvirtClient

    def put_secret(self, passphrase: str, key: str = "passphrase") -> None:
        data = {key: base64.b64encode(passphrase.encode()).decode()}
        metadata = {"name": "disk-key", "namespace": "default", "uid": "uid-of-the-secret"}
        self.world.api.put({"metadata": metadata, "data": data})

    def known_secrets(self) -> int:
        connection = libvirt.open(self.host.uri)
        try:
            return int(connection.numOfSecrets())
        finally:
            connection.close()

    def where_it_must_not_be(self, vm: VmHandle) -> str:
        """The domain's definition and what runs, QEMU's arguments, its log, and what is said of the VM."""
        connection = libvirt.open(self.host.uri)
        try:
            domain = connection.lookupByName(f"qx-{vm.uid}")
            secure = libvirt.VIR_DOMAIN_XML_SECURE
            texts = [domain.XMLDesc(secure), domain.XMLDesc(secure | libvirt.VIR_DOMAIN_XML_INACTIVE)]
        finally:
            connection.close()
        (pid,) = self.host.qemu_pids(f"qx-{vm.uid}")
        texts.append(Path(f"/proc/{pid}/cmdline").read_bytes().decode())
        texts.append(str(vm.status))
        return "\n".join(texts)


@pytest.fixture
async def bench(libvirt_host: LibvirtHost) -> AsyncIterator[Bench]:
    async with libvirt_world(libvirt_host) as (world, client):
        world.reconciler = world.new_reconciler(quiet_s=0.0)
        yield Bench(world, libvirt_host, client)


async def encrypted_volume(world: VmWorld, name: str) -> dict[str, Any]:
    """A volume on an image, whose own part is encrypted."""
    volume = world.add_volume(name)
    volume["spec"]["encryption"] = {"secretRef": {"name": "disk-key", "key": "passphrase"}}
    directory = world.pool / "volumes" / volume["metadata"]["uid"]
    image = world.pool / "images" / "1111"
    image.parent.mkdir(exist_ok=True, mode=0o711)
    image.parent.chmod(0o711)
    qemu_img = QemuImg(OpenSandbox(), unlock_ms=1)
    if not image.exists():
        await qemu_img.create(Disk(world.pool, image), 64 * _MIB)
        image.chmod(0o444)
    (directory / "data").unlink()
    made = Disk(world.pool, directory / "data", "qcow2", image, "qcow2", _KEY)
    await qemu_img.create(made, 64 * _MIB)
    (directory / "data").chmod(0o666)
    return volume


async def test_a_guest_runs_on_an_encrypted_disk_once_its_passphrase_is_there_and_right(
    bench: Bench,
) -> None:
    # as a hostd does that is killed before it takes it back
    await bench.client.set_secret("6f1e8a52-3c7d-4f0e-9b1a-2d5c8e7f9a01", _KEY)
    assert bench.known_secrets() == 1
    await bench.client.connect()
    assert bench.known_secrets() == 0
    volume = await encrypted_volume(bench.world, "locked-root")
    vm = bench.world.add_vm("locked", disks={"root": volume}, gracePeriodSeconds=0)
    await vm.reconcile()
    assert vm.condition("Ready")["reason"] == "SecretNotFound"
    assert vm.root_claim.holder is None
    bench.put_secret("wrong")
    with pytest.raises(TransientError, match="another passphrase"):
        await vm.reconcile()
    assert vm.condition("Ready")["reason"] == "PassphraseWrong"
    assert (bench.host.qemu_pids(f"qx-{vm.uid}"), bench.known_secrets()) == ([], 0)
    bench.put_secret(_KEY)
    bench.world.skipped_s += 600
    await vm.reconcile()
    assert vm.status["phase"] == "Running"
    assert bench.known_secrets() == 0
    texts = bench.where_it_must_not_be(vm)
    assert "images/1111" in texts
    assert _KEY not in texts
    assert base64.b64encode(_KEY.encode()).decode() not in texts
    bench.world.stores[VOLUMES]["default/locked-root"] = grown(volume, "128Mi")
    await vm.reconcile()
    data = vm.root_place.data
    assert int.from_bytes(data.read_bytes()[24:32], "big") == 128 * _MIB
