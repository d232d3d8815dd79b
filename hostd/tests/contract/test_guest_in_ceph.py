"""A VM whose disk lies in a real Ceph: real libvirt and QEMU, and a guest that counts on its disk."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from quantix_api.resources import VOLUMES
from quantix_hostd.clients.libvirt import LibvirtClient
from quantix_lab.ceph_cluster import CephCluster
from quantix_lab.ceph_guests import add_fast, add_volume_in_ceph, claim_of, install, place_of, written
from quantix_lab.ceph_pools import FAST
from quantix_lab.libvirt_host import LibvirtHost
from quantix_lab.libvirt_world import libvirt_world
from quantix_lab.vm_manifests import grown
from quantix_lab.vm_world import HOST, VmHandle, VmWorld
from quantix_lab.waiting import eventually_async
from quantix_lab.writing_guest import lost

_AWAY_S = 10.0


@dataclass
class Bench:
    world: VmWorld
    host: LibvirtHost
    client: LibvirtClient
    ceph: CephCluster

    async def counting(self, name: str) -> VmHandle:
        """A VM that runs and has written some numbers."""
        volume = await add_volume_in_ceph(self.world, f"{name}-root")
        await asyncio.to_thread(install, self.ceph, volume["metadata"]["uid"])
        vm = self.world.add_vm(name, disks={"root": volume}, gracePeriodSeconds=0)
        await vm.reconcile()
        assert vm.status["phase"] == "Running", vm.status
        await self.counts_on(vm, 0)
        return vm

    async def newest(self, vm: VmHandle) -> int:
        return max(await asyncio.to_thread(written, self.ceph, place_of(vm).handle))

    async def counts_on(self, vm: VmHandle, beyond: int) -> None:
        async def more() -> bool:
            return await self.newest(vm) > beyond

        await eventually_async(f"it to count beyond {beyond}", more, timeout_s=90, interval_s=0.3)

    def pids(self, vm: VmHandle) -> list[int]:
        return self.host.qemu_pids(vm.domain)


@pytest.fixture
async def bench(libvirt_host: LibvirtHost, ceph_cluster: CephCluster) -> AsyncIterator[Bench]:
    async with libvirt_world(libvirt_host) as (world, client):
        add_fast(world, ceph_cluster)
        yield Bench(world, libvirt_host, client, ceph_cluster)
        world.storage.clients.close()


async def test_a_guest_writes_to_ceph_under_its_claim_and_goes_on_after_a_stop_and_a_start(
    bench: Bench,
) -> None:
    vm = await bench.counting("web-1")
    assert claim_of(vm).held_by(HOST, 1)

    vm.change("spec", "powerState", value="Stopped")
    await eventually_async("its end", lambda: _looked(vm, "Stopped"), timeout_s=60)
    assert bench.pids(vm) == []
    assert claim_of(vm).holder is None
    assert claim_of(vm).floor == 1
    found = await asyncio.to_thread(written, bench.ceph, place_of(vm).handle)
    assert lost(found) == set()

    vm.change("spec", "powerState", value="Running")
    vm.change("status", "assignment", value={"host": HOST, "epoch": 2})
    await vm.reconcile()
    assert vm.status["phase"] == "Running"
    assert claim_of(vm).held_by(HOST, 2)
    # it begins to count anew, over what it wrote before
    await bench.counts_on(vm, max(found))


async def _looked(vm: VmHandle, phase: str) -> bool:
    await vm.reconcile()
    return bool(vm.status["phase"] == phase)


async def test_a_killed_qemu_is_started_again_under_its_claim_and_nothing_is_lost(bench: Bench) -> None:
    vm = await bench.counting("killed")
    (first,) = bench.pids(vm)
    bench.world.woken.clear()
    os.kill(first, signal.SIGKILL)
    await eventually_async("the VM to be looked at", lambda: vm.uid in bench.world.woken)
    found = await asyncio.to_thread(written, bench.ceph, place_of(vm).handle)
    await vm.reconcile()

    assert lost(found) == set()
    (second,) = bench.pids(vm)
    assert second != first
    assert claim_of(vm).held_by(HOST, 1)
    await bench.counts_on(vm, 0)


async def test_of_a_killed_qemu_nothing_gets_to_a_disk_that_was_given_back(bench: Bench) -> None:
    vm = await bench.counting("given-back")
    vm.change("spec", "powerState", value="Stopped")
    (pid,) = bench.pids(vm)
    os.kill(pid, signal.SIGKILL)
    await eventually_async("its end", lambda: _looked(vm, "Stopped"), timeout_s=20)

    assert claim_of(vm).holder is None
    found = await asyncio.to_thread(bench.ceph.ceph, "osd", "blocklist", "ls")
    assert found.count("127.") == 1
    pool = await bench.world.pools.pool("fast")
    # while its client was known for one that may come back this would be refused, for half a minute
    assert await asyncio.to_thread(bench.world.disks.remove, pool, place_of(vm).handle)


async def test_a_guest_stands_still_while_ceph_is_away_and_goes_on_by_itself(bench: Bench) -> None:
    vm = await bench.counting("stalled")
    pids = bench.pids(vm)
    bench.ceph.osds[0].freeze()
    try:
        looking = asyncio.create_task(vm.reconcile())
        await asyncio.sleep(_AWAY_S)
        await looking
        assert bench.pids(vm) == pids
        assert vm.status["phase"] == "Running"
    finally:
        bench.ceph.osds[0].thaw()
    before = await bench.newest(vm)
    await bench.counts_on(vm, before)
    await vm.reconcile()

    assert bench.pids(vm) == pids
    assert vm.condition("Ready")["reason"] == "Running"
    found = await asyncio.to_thread(written, bench.ceph, place_of(vm).handle)
    assert lost(found) == set()


async def test_a_disk_grows_under_its_guest(bench: Bench) -> None:
    vm = await bench.counting("growing")
    store = bench.world.stores[VOLUMES]
    store["default/growing-root"] = grown(store["default/growing-root"], "96Mi")

    await vm.reconcile()

    disk = bench.world.disks.read(place_of(vm))
    assert disk is not None
    assert disk.capacity_bytes == 96 << 20
    found = await bench.client.domain(vm.domain)
    assert found is not None
    await bench.counts_on(vm, await bench.newest(vm))


async def test_a_second_disk_comes_and_goes_while_it_runs(bench: Bench) -> None:
    vm = await bench.counting("plugged")
    data = await add_volume_in_ceph(bench.world, "plugged-data")
    disks = [{"name": "root", "volume": "plugged-root"}, {"name": "data", "volume": "plugged-data"}]
    vm.change("spec", "disks", value=disks)
    resolved = [
        {"name": name, "volume": f"plugged-{name}", "volumeUID": uid}
        for name, uid in (("root", place_of(vm).handle), ("data", data["metadata"]["uid"]))
    ]
    vm.change("status", "resolved", "disks", value=resolved)
    vm.change(
        "status", "resolved", "devices", value=[{"name": "root", "port": 1}, {"name": "data", "port": 2}]
    )

    await vm.reconcile()

    found = await bench.client.domain(vm.domain)
    assert found is not None
    assert f"{FAST}/{data['metadata']['uid']}" in (found.live_xml or "")
    assert vm.condition("Ready")["reason"] == "Running"


async def test_a_hostd_that_begins_anew_finds_the_guest_as_it_is(bench: Bench) -> None:
    vm = await bench.counting("lasting")
    pids = bench.pids(vm)
    await asyncio.to_thread(bench.host.restart_libvirtd)
    await eventually_async("the connection", lambda: bench.client.connected)
    bench.world.reconciler = bench.world.new_reconciler()
    bench.world.api.writes.clear()

    await vm.reconcile()

    assert bench.pids(vm) == pids
    assert bench.world.api.writes == []


async def test_the_key_is_on_no_command_line_in_no_domain_and_in_no_log(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    vm = await bench.counting("secret")
    key = bench.ceph.keys[FAST]
    (pid,) = bench.pids(vm)

    assert key not in Path(f"/proc/{pid}/cmdline").read_text(errors="replace")
    found = await bench.client.domain(vm.domain)
    assert found is not None
    assert key not in (found.live_xml or "") + found.inactive_xml
    below = [path for path in bench.host.layout.root.rglob("*") if path.is_file()]
    assert [path for path in below if key.encode() in path.read_bytes()] == []
    said = capsys.readouterr()
    assert key not in said.out + said.err
