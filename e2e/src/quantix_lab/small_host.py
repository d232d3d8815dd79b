"""A host whose only pool is a small file system, and guests on it whose systems are boot sectors."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from quantix_hostd.clients.libvirt import LibvirtClient
from quantix_hostd.facts.domain import DomainState
from quantix_lab.boot_sectors import write_boot_sector
from quantix_lab.libvirt_host import LibvirtHost
from quantix_lab.vm_world import VmHandle, VmWorld
from quantix_lab.waiting import eventually_async

MIB = 1024**2

POOL_BYTES, ENOUGH_BYTES = 4 * MIB, 32 * MIB

FAILING = "failing"


@contextmanager
def small_host() -> Iterator[LibvirtHost]:
    """A host whose only pool is a small file system; one volume of it may lie on another, which can fail."""
    host = LibvirtHost()
    pool = host.layout.local_pool
    failing, device = pool / "volumes" / FAILING, host.layout.root / "device"
    pool.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={POOL_BYTES}", "qx-small", pool], check=True)
    failing.mkdir(parents=True)
    subprocess.run(["mke2fs", "-q", "-t", "ext4", "-O", "^has_journal", device, "64M"], check=True)
    subprocess.run(["mount", "-o", "loop", device, failing], check=True)
    try:
        yield host.start()
    finally:
        for pid in host.qemu_pids():
            os.kill(pid, signal.SIGKILL)
        for mounted in (failing, pool):
            subprocess.run(["umount", "--lazy", mounted], check=True)
        host.close()


@dataclass
class PressedGuests:
    """A world on that host, and a look at what QEMU really does."""

    world: VmWorld
    host: LibvirtHost
    client: LibvirtClient

    def boot(self, name: str, program: str, **symbols: int) -> VmHandle:
        """A VM whose disk holds one of the boot sectors."""
        vm = self.world.add_vm(
            name, disks={"root": self.world.add_volume(f"{name}-root", "16Mi")}, gracePeriodSeconds=0
        )
        write_boot_sector(self.data(vm), program, **symbols)
        return vm

    def data(self, vm: VmHandle) -> Path:
        return vm.root_place.data

    def said(self, vm: VmHandle) -> bytes:
        """What the guest wrote to its console, as virtlogd kept it."""
        return (self.host.layout.vm_log(vm.uid) / "console.log").read_bytes()

    async def state(self, vm: VmHandle) -> DomainState | None:
        found = await self.client.domain(vm.domain)
        return found.state if found is not None else None

    async def restart_all(self) -> None:
        """libvirtd and hostd are killed and start again."""
        await asyncio.to_thread(self.host.restart_libvirtd)
        await eventually_async("the connection", lambda: self.client.connected)
        self.world.reconciler = self.world.new_reconciler()

    async def woken(self, vm: VmHandle) -> None:
        await eventually_async("the VM to be looked at", lambda: vm.uid in self.world.woken)
        self.world.woken.clear()
