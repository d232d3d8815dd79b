"""Two hosts between which a VM with a disk in a real Ceph moves by post-copy: real libvirt and QEMU, and what
hostd does, without an API server and an operator. For contract tests.

Its guest changes memory faster than that is sent (`boot_sectors/sweeper.asm`), so it never arrives by copying
alone, and it says so if a page is not what it was.
"""

from __future__ import annotations

import asyncio
import subprocess
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from xml.etree.ElementTree import Element

import structlog

from quantix_api.errors import QuantixError, TransientError
from quantix_api.resources import VIRTUAL_MACHINES, VOLUMES
from quantix_hostd.claims import Claim
from quantix_hostd.clients.libvirt import LibvirtClient
from quantix_hostd.clients.libvirt_packets import PacketGate
from quantix_hostd.clients.libvirt_relay import Pieces, Send
from quantix_hostd.clients.process import ProcessTable
from quantix_hostd.facts.domain import DomainState
from quantix_hostd.facts.process import QemuProcess
from quantix_hostd.migration.awaited import awaited_of
from quantix_hostd.migration.coming import ComingStore, IncomingMove
from quantix_hostd.migration.incoming import IncomingMoves
from quantix_hostd.migration.sent_domain import why_not
from quantix_lab.boot_sectors import assemble
from quantix_lab.ceph_cluster import CephCluster
from quantix_lab.ceph_guests import add_fast, add_volume_in_ceph, claim_of
from quantix_lab.ceph_pools import FAST
from quantix_lab.fake_status_api import Manifest
from quantix_lab.fake_target import MigrationHandle
from quantix_lab.libvirt_host import LibvirtHost
from quantix_lab.libvirt_ways import certify, way_to
from quantix_lab.libvirt_world import libvirt_world
from quantix_lab.small_authority import SmallAuthority
from quantix_lab.vm_world import VmHandle, VmWorld
from quantix_lab.waiting import eventually_async

log = structlog.get_logger(__name__)

SOURCE, TARGET = "h1", "h2"
_SWEPT_TO = 80 << 20
_SPEED = "16Mi"
_LOOK_S = 0.1
Happening = Callable[[], Awaitable[None]]


@contextmanager
def two_libvirts() -> Iterator[tuple[LibvirtHost, LibvirtHost]]:
    """Both with certificates of one authority."""
    both = (LibvirtHost(), LibvirtHost())
    authority = SmallAuthority(datetime.now(UTC) - timedelta(hours=1))
    try:
        for host, name in zip(both, (SOURCE, TARGET), strict=True):
            certify(host.start(), authority, name)
        yield both
    finally:
        for host in both:
            host.close()


class _OwnProcesses(ProcessTable):
    """Those of one of both hosts: they share this machine's table."""

    def __init__(self, host: LibvirtHost) -> None:
        super().__init__()
        self._host = host

    def qemu_processes(self) -> tuple[QemuProcess, ...]:
        own = set(self._host.qemu_pids())
        return tuple(process for process in super().qemu_processes() if process.pid in own)


class _OnItsWay:
    """libvirt's client, but that the paths of a guest that leaves are those of the other host, as they are
    where all hosts have the same; and something may happen just after it was switched.
    """

    def __init__(self, client: LibvirtClient, here: str, there: str) -> None:
        self._client, self._here, self._there = client, here, there
        self.happens: Happening | None = None
        self.switching = self.killed = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    async def migratable_xml(self, name: str) -> str:
        return (await self._client.migratable_xml(name)).replace(self._here, self._there)

    async def switch_sending(self, name: str) -> bool:
        self.switching = True
        try:
            return await self._switch(name)
        finally:
            self.switching = False

    async def _switch(self, name: str) -> bool:
        switched = await self._client.switch_sending(name)
        happens, self.happens = self.happens, None
        if switched and happens is not None:
            await happens()
        if self.killed:
            self.killed = False
            raise TransientError("Killed", "This hostd does nothing more.")
        return switched


@dataclass
class TwoHosts:
    """`vm` is that of the source, which leads. `went`: what the target's hostd said to libvirt's call."""

    libvirts: tuple[LibvirtHost, LibvirtHost]
    source: VmWorld
    target: VmWorld
    clients: tuple[LibvirtClient, LibvirtClient]
    way: _OnItsWay
    vm: VmHandle
    migration: MigrationHandle
    machines: dict[str, Manifest] = field(default_factory=dict)
    went: list[bool] = field(default_factory=list)
    _ways: AsyncExitStack = field(default_factory=AsyncExitStack)

    def __post_init__(self) -> None:
        self.source.target = self  # type: ignore[assignment]
        self.machines["vm"] = self.source.api.objects[self.vm.uid]
        self.restart_target()

    def restart_target(self) -> None:
        """As with its hostd."""
        self.arrivals = IncomingMoves(
            self.target.tools,
            self.source.migrations,
            self.machines,
            mine=lambda uid: self._assigned == TARGET,
            known=lambda: True,
            closing=lambda: False,
            look_again=self.target.woken.append,
        )

    async def kill_way(self) -> None:
        """The way between both libvirtds ends, as it does with either hostd."""
        await self._ways.aclose()

    async def kill_source_hostd(self) -> None:
        """Of what it sent nothing is known any more."""
        await self.kill_way()
        self.way.killed = self.way.switching
        self.source.reconciler = self.source.new_reconciler()

    # what the source's hostd asks of its routes, and of the target's hostd

    async def source_towards(self, address: str) -> str:
        """Both are at the loopback of one machine."""
        return address

    async def connect_libvirt(
        self, migration: str, sender: str
    ) -> tuple[Pieces, Send, Callable[[], Awaitable[None]]]:
        gate = PacketGate(self.vm.domain, self._why_not, self._may_go_on)
        return *await way_to(self.target.layout, gate, self._ways), self._ways.aclose

    def _why_not(self, domain: Element) -> str:
        coming = ComingStore(self.target.layout).load(self.vm.uid)
        assert coming is not None
        return why_not(awaited_of(self.target.tools, self.vm.uid, coming), domain)

    async def _may_go_on(self) -> bool:
        self.went.append(await self.arrivals.switched.may_go_on(self._move))
        return self.went[-1]

    async def switching(self, migration: str, epoch: int) -> None:
        await self.arrivals.switched.switching(self._move, epoch)

    async def handed_over(self, migration: str, epoch: int) -> None:
        await self.arrivals.handed_over(self._move, epoch)

    @property
    def _move(self) -> IncomingMove:
        return IncomingMove(self.migration.uid, SOURCE, self.vm.uid)

    # what the API and the operator do

    @property
    def _assigned(self) -> str:
        host: str = self.source.api.objects[self.vm.uid]["status"]["assignment"]["host"]
        return host

    def told(self, side: str) -> Manifest:
        """What `source` or `target` said of the migration."""
        said: Manifest = self.migration.status.get(side) or {}
        return said

    async def look(self) -> None:
        """One look of each, and what the operator makes of their words."""
        for reconcile in (self.source.reconciler.reconcile, self.arrivals.reconcile):
            try:
                await reconcile(self.vm.uid)
            except QuantixError as error:
                # tried again, as by the dispatcher
                log.info("a look failed", error=error.message)
        self.migration.pull()
        if self._assigned == SOURCE and self.told("target").get("outcome") in ("Running", "Lost"):
            self._cut_over()
        if self._assigned == TARGET:
            await self.target.reconciler.reconcile(self.vm.uid)
            self.target.pull()

    def _cut_over(self) -> None:
        self.source.move_away(self.vm)
        manifest = self.source.api.objects[self.vm.uid]
        self.target.stores[VIRTUAL_MACHINES][self.vm.key] = manifest

    async def until(self, what: str, is_so: Callable[[], bool], timeout_s: float = 60.0) -> None:
        """Look until it is."""

        async def look() -> bool:
            await self.look()
            return is_so()

        await eventually_async(what, look, timeout_s=timeout_s, interval_s=_LOOK_S)

    # what is to be seen

    def qemus(self) -> tuple[list[int], list[int]]:
        """On the source, on the target."""
        source, target = (host.qemu_pids(self.vm.domain) for host in self.libvirts)
        return source, target

    def claim(self) -> Claim:
        return claim_of(self.vm)

    async def state(self, host: str) -> DomainState | None:
        found = await self.clients[host == TARGET].domain(self.vm.domain)
        return found.state if found is not None and found.active else None

    def said(self, host: str) -> str:
        """What the guest said to its console there."""
        log = (self.target if host == TARGET else self.source).layout.vm_log(self.vm.uid) / "console.log"
        return log.read_text(errors="replace") if log.exists() else ""


@asynccontextmanager
async def two_hosts(libvirts: tuple[LibvirtHost, LibvirtHost], ceph: CephCluster) -> AsyncIterator[TwoHosts]:
    """The guest runs on the source, and is to move."""
    async with AsyncExitStack() as stack:
        source, sender = await stack.enter_async_context(libvirt_world(libvirts[0], name=SOURCE))
        parts = {"name": TARGET, "api": source.api}
        target, receiver = await stack.enter_async_context(libvirt_world(libvirts[1], **parts))
        for world, host in zip((source, target), libvirts, strict=True):
            world.processes = _OwnProcesses(host)
            world.reconciler = world.new_reconciler()
            add_fast(world, ceph)
            # its hostd knows the pool
            await world.pools.pool("fast")
            stack.callback(world.storage.clients.close)
        way = _OnItsWay(sender, str(source.layout.root), str(target.layout.root))
        source.hypervisor = way
        source.reconciler = source.new_reconciler()
        vm = await _sweeping(source, target, ceph)
        source.api.put({"metadata": {"name": TARGET, "uid": TARGET}, "spec": {}, "status": _ADDRESSES})
        migration = MigrationHandle(vm)
        yield TwoHosts(libvirts, source, target, (sender, receiver), way, vm, migration)


_ADDRESSES = {"addresses": {"api": "127.0.0.1:9443"}}


async def _sweeping(source: VmWorld, target: VmWorld, ceph: CephCluster) -> VmHandle:
    volume = await add_volume_in_ceph(source, "sweeper")
    source.api.put(volume)
    target.stores[VOLUMES] = source.stores[VOLUMES]
    await asyncio.to_thread(_install, ceph, volume["metadata"]["uid"])
    settings = {"postCopy": True, "bytesPerSecond": _SPEED, "autoConverge": True}
    vm = source.add_vm("sweeper", disks={"root": volume}, gracePeriodSeconds=0, migration=settings)
    await vm.reconcile()
    return vm


def _install(cluster: CephCluster, handle: str) -> None:
    with tempfile.NamedTemporaryFile() as sector:
        sector.write(assemble("sweeper", END=_SWEPT_TO))
        sector.flush()
        write = f"write -q -s {sector.name} 0 512"
        name = f"rbd:{FAST}/{handle}:conf={cluster.config}"
        subprocess.run(["qemu-io", "-f", "raw", "-c", write, name], check=True, capture_output=True)
