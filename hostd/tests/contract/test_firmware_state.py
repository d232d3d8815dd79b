"""UEFI variables and TPM state: they outlive a stop, a start and a new definition."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from quantix_api.errors import TransientError
from quantix_hostd.firmware_state import parse_state
from quantix_hostd.virtualmachine.firmware import installed_firmware
from quantix_lab.libvirt_host import LibvirtHost
from quantix_lab.libvirt_world import libvirt_world
from quantix_lab.vm_world import HOST, VmHandle, VmWorld, with_facts
from quantix_lab.waiting import eventually_async


@dataclass
class Bench:
    world: VmWorld
    host: LibvirtHost

    def nvram(self, vm: VmHandle) -> Path:
        return self.world.layout.vm_data(vm.uid) / "nvram.fd"


@pytest.fixture
async def bench(libvirt_host: LibvirtHost) -> AsyncIterator[Bench]:
    async with libvirt_world(libvirt_host) as (world, _):
        with_facts(world, firmware=installed_firmware())
        yield Bench(world, libvirt_host)


def uefi_vm(bench: Bench, name: str) -> VmHandle:
    firmware = {"type": "UEFI", "secureBoot": False, "tpm": True}
    disks = {"root": bench.world.add_volume(f"{name}-root")}
    vm = bench.world.add_vm(name, disks=disks, firmware=firmware, gracePeriodSeconds=0)
    vm.change("status", "resolved", "firmware", value="UEFI")
    return vm


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def tpm_state(bench: Bench, vm: VmHandle) -> Path:
    return bench.world.layout.data / f"libvirt/swtpm/{vm.uid}/tpm2/tpm2-00.permall"


async def end(vm: VmHandle) -> None:
    """Stop it; its host has nothing of it afterwards."""
    vm.change("spec", "powerState", value="Stopped")
    for _ in range(3):
        await vm.reconcile()
    assert vm.status["runtime"]["domain"] == "Absent"


async def start_anew(vm: VmHandle) -> None:
    """Under the next epoch."""
    epoch = vm.status["assignment"]["epoch"] + 1
    vm.change("status", "assignment", value={"host": HOST, "epoch": epoch})
    vm.change("spec", "powerState", value="Running")
    for _ in range(3):
        await vm.reconcile()
    assert vm.status["phase"] == "Running", vm.condition("Ready")


async def test_variables_and_tpm_outlive_the_guest_and_its_definition(bench: Bench) -> None:
    vm = uefi_vm(bench, "uefi-1")
    await vm.reconcile()
    assert vm.status["phase"] == "Running", vm.condition("Ready")
    template = Path(installed_firmware()["UEFI"][1])

    def written() -> bool:
        return digest(bench.nvram(vm)) != digest(template)

    await eventually_async("firmware to write its variables", written, timeout_s=120)
    await end(vm)
    assert not bench.nvram(vm).exists(), "the copy of this host goes: the VM may start elsewhere next"
    assert not tpm_state(bench, vm).exists()
    kept = parse_state((vm.root_place.data.parent / "state").read_bytes())
    assert kept.nvram is not None
    assert hashlib.sha256(kept.nvram).hexdigest() != digest(template)
    assert kept.tpm

    await start_anew(vm)
    assert tpm_state(bench, vm).read_bytes()[:64] == kept.tpm[:64]
    assert len(bench.nvram(vm).read_bytes()) == len(kept.nvram)
    assert digest(bench.nvram(vm)) != digest(template)


async def test_what_changes_while_it_runs_is_kept_once_it_rests(bench: Bench) -> None:
    vm = uefi_vm(bench, "uefi-2")
    await vm.reconcile()
    state = vm.root_place.data.parent / "state"

    async def kept() -> bool:
        await bench.world.reconciler.keep_states()
        return state.exists()

    await eventually_async("the object beside the volume", kept, timeout_s=20, interval_s=0.1)
    assert parse_state(state.read_bytes()).epoch == 1


async def test_state_that_is_lost_keeps_the_guest_from_starting_with_an_empty_tpm(bench: Bench) -> None:
    vm = uefi_vm(bench, "uefi-3")
    await vm.reconcile()
    await end(vm)
    (vm.root_place.data.parent / "state").unlink()
    vm.change("status", "assignment", value={"host": HOST, "epoch": 2})
    vm.change("spec", "powerState", value="Running")
    with pytest.raises(TransientError):
        await vm.reconcile()
    bench.world.pull()
    assert vm.condition("Ready")["reason"] == "StateMissing"
    assert bench.host.qemu_pids(vm.domain) == []
