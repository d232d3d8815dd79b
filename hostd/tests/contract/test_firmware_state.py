"""UEFI variables and TPM state: they outlive a stop, a start and a new definition."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from quantix_hostd.clients.libvirt import LibvirtClient
from quantix_hostd.clients.process import ProcessTable
from quantix_hostd.virtualmachine.firmware import installed_firmware
from quantix_lab.libvirt_host import LibvirtHost
from quantix_lab.vm_world import VmHandle, VmWorld, with_facts
from quantix_lab.waiting import eventually_async


@dataclass
class Bench:
    world: VmWorld
    host: LibvirtHost

    def nvram(self, vm: VmHandle) -> Path:
        return self.world.layout.vm_data(vm.uid) / "nvram.fd"


@pytest.fixture
async def bench(libvirt_host: LibvirtHost) -> AsyncIterator[Bench]:
    client = LibvirtClient(libvirt_host.uri, on_event=lambda event: world.reconciler.on_libvirt_event(event))
    running = asyncio.create_task(client.run())
    await eventually_async("the connection", lambda: client.connected)
    world = VmWorld(libvirt_host.layout, client, ProcessTable(), libvirt_host.qemu.sockets)
    with_facts(world, firmware=installed_firmware())
    yield Bench(world, libvirt_host)
    for domain in await client.domains():
        await client.destroy(domain.name, graceful=False)
        await client.undefine(domain.name)
    await world.consoles.close()
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running


def uefi_vm(bench: Bench, name: str) -> VmHandle:
    firmware = {"type": "UEFI", "secureBoot": False, "tpm": True}
    disks = {"root": bench.world.add_volume(f"{name}-root")}
    vm = bench.world.add_vm(name, disks=disks, firmware=firmware, gracePeriodSeconds=0)
    vm.change("status", "resolved", "firmware", value="UEFI")
    return vm


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


async def test_a_uefi_guest_with_a_tpm_starts(bench: Bench) -> None:
    vm = uefi_vm(bench, "uefi-1")
    await vm.reconcile()
    assert vm.status["phase"] == "Running", vm.condition("Ready")
    assert bench.nvram(vm).is_file()
    template = Path(installed_firmware()["UEFI"][1])

    def written() -> bool:
        return digest(bench.nvram(vm)) != digest(template)

    await eventually_async("firmware to write its variables", written, timeout_s=40)
