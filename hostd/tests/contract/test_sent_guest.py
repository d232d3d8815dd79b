"""A real guest goes from one libvirtd to another through the way that hostd gives them, and no further."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import libvirt
import libvirt_qemu
import pytest

from quantix_api.errors import TransientError
from quantix_hostd.clients.libvirt import LibvirtClient
from quantix_hostd.clients.libvirt_packets import PacketGate
from quantix_hostd.clients.libvirt_relay import RelaySocket
from quantix_hostd.facts.domain import DomainState
from quantix_hostd.facts.migration import Sending
from quantix_hostd.migration.sent_domain import Awaited, why_not
from quantix_hostd.migration.target_xml import target_xml
from quantix_lab.dir_pools import make_disk
from quantix_lab.libvirt_host import LibvirtHost
from quantix_lab.libvirt_ways import certify, way_to
from quantix_lab.libvirt_world import libvirt_world
from quantix_lab.small_authority import SmallAuthority
from quantix_lab.vm_world import CLUSTER, VmHandle, VmWorld

TARGET = "target"
SIZE, SIZE_BYTES = "64Mi", 64 << 20
# of its disk
DEV = "vda"


async def nobody() -> bool:
    """Nothing comes by post-copy here."""
    raise AssertionError("asked")


@dataclass
class Way:
    """From the libvirtd of `source` to that of `target`, as two hostds give it."""

    source: VmWorld
    sender: LibvirtClient
    target: VmWorld
    receiver: LibvirtClient
    vm: VmHandle

    def gate(self) -> PacketGate:
        layout, uid = self.target.layout, self.vm.uid
        rooms = (layout.vm_run(uid), layout.vm_data(uid), layout.vm_log(uid), self.target.pool)
        guest = Awaited(uid, CLUSTER, rooms, "qx-int")
        return PacketGate(self.vm.domain, partial(why_not, guest), nobody)

    async def send(self, gate: PacketGate, epoch: int = 2) -> None:
        """With the data of its disk. Raises TransientError."""
        xml = target_xml(await self.sender.migratable_xml(self.vm.domain), epoch, (DEV,))
        there = xml.replace(str(self.source.layout.root), str(self.target.layout.root))
        path = self.source.layout.run / "migration" / "move.sock"
        sending = Sending(path, TARGET, "127.0.0.1", "127.0.0.1", there, (DEV,))
        async with AsyncExitStack() as stack:
            opened = RelaySocket(path, partial(way_to, self.target.layout, gate, stack))
            await opened.open()
            stack.push_async_callback(opened.close)
            await self.sender.send_guest(self.vm.domain, sending)


@pytest.fixture(scope="module")
def hosts() -> Iterator[tuple[LibvirtHost, LibvirtHost]]:
    """Both with certificates of one authority."""
    both = (LibvirtHost(), LibvirtHost())
    authority = SmallAuthority(datetime.now(UTC) - timedelta(hours=1))
    try:
        for host in both:
            host.start()
            certify(host, authority, TARGET)
        yield both
    finally:
        for host in both:
            host.close()


@pytest.fixture
async def way(hosts: tuple[LibvirtHost, LibvirtHost]) -> AsyncIterator[Way]:
    async with libvirt_world(hosts[0]) as (source, sender), libvirt_world(hosts[1]) as (target, receiver):
        vm = source.add_vm("web-1", disks={"root": source.add_volume("web-1-root", SIZE)}, nics=[])
        await vm.reconcile()
        target.tools.directories.prepare(vm.uid)
        make_disk(target.pool, vm.root_place.handle, SIZE)
        yield Way(source, sender, target, receiver, vm)


async def state(client: LibvirtClient, name: str) -> DomainState | None:
    found = await client.domain(name)
    return found.state if found is not None and found.active else None


@dataclass(frozen=True)
class Monitor:
    """Of the QEMU that a guest runs in, beside its libvirt."""

    domain: libvirt.virDomain

    def ask(self, command: str, **arguments: object) -> Any:
        text = json.dumps({"execute": command, "arguments": arguments})
        answer = json.loads(libvirt_qemu.qemuMonitorCommand(self.domain, text, 0))
        assert "error" not in answer, answer
        return answer["return"]

    def begin_copy(self, *, job: bool) -> None:
        """As libvirt begins one to another host: what it is written to, and maybe the writing."""
        names = {part: f"migration-{DEV}-{part}" for part in ("storage", "format")}
        self.ask("blockdev-add", driver="null-co", size=SIZE_BYTES, **{"node-name": names["storage"]})
        if job:
            below = {"file": names["storage"], "node-name": names["format"]}
            self.ask("blockdev-add", driver="raw", **below)
            disk = next(found for found in self.ask("query-block") if found.get("inserted"))
            copy = {"job-id": "drive-ua-root", "target": names["format"], "auto-dismiss": False}
            self.ask("blockdev-mirror", device=disk["inserted"]["node-name"], sync="full", **copy)


@pytest.mark.parametrize("job", [False, True], ids=["not yet copying", "copying"])
async def test_what_a_libvirtd_that_was_killed_left_of_copying_its_disk_does_not_keep_it(
    way: Way, hosts: tuple[LibvirtHost, LibvirtHost], job: bool
) -> None:
    connection = libvirt.open(hosts[0].uri)
    try:
        Monitor(connection.lookupByName(way.vm.domain)).begin_copy(job=job)
        await way.send(way.gate())
    finally:
        connection.close()
    assert await state(way.receiver, way.vm.domain) is DomainState.PAUSED
    assert await way.sender.domain(way.vm.domain) is None


async def test_it_arrives_paused_and_is_gone_where_it_was(way: Way) -> None:
    await way.send(way.gate())
    assert await state(way.receiver, way.vm.domain) is DomainState.PAUSED
    assert await way.sender.domain(way.vm.domain) is None
    await way.receiver.resume(way.vm.domain)
    assert await state(way.receiver, way.vm.domain) is DomainState.RUNNING


@pytest.mark.parametrize("why", ["another", "not here"])
async def test_one_that_may_not_come_stays_and_leaves_nothing_there(way: Way, why: str) -> None:
    gates: dict[str, Callable[[], PacketGate]] = {
        "another": lambda: PacketGate("qx-other", lambda domain: "", nobody),
        "not here": lambda: PacketGate(way.vm.domain, lambda domain: "something", nobody),
    }
    with pytest.raises(TransientError):
        await way.send(gates[why]())
    assert await state(way.sender, way.vm.domain) is DomainState.RUNNING
    assert await way.receiver.domain(way.vm.domain) is None
