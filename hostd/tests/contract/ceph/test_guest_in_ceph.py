"""A VM whose disk lies in a real Ceph: real libvirt and QEMU, and a guest that counts on its disk."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from quantix_api.resources import VOLUMES
from quantix_lab.ceph_cluster import CephCluster
from quantix_lab.ceph_guests import CephGuests, add_fast, add_volume_in_ceph, claim_of, place_of
from quantix_lab.ceph_pools import FAST
from quantix_lab.libvirt_host import LibvirtHost
from quantix_lab.libvirt_world import libvirt_world
from quantix_lab.vm_manifests import grown
from quantix_lab.vm_world import HOST
from quantix_lab.waiting import eventually_async
from quantix_lab.writing_guest import lost

_AWAY_S = 10.0


@pytest.fixture
async def bench(libvirt_host: LibvirtHost, ceph_cluster: CephCluster) -> AsyncIterator[CephGuests]:
    async with libvirt_world(libvirt_host) as (world, client):
        add_fast(world, ceph_cluster)
        yield CephGuests(world, libvirt_host, client, ceph_cluster)
        world.storage.clients.close()


async def test_a_guest_writes_to_ceph_under_its_claim_and_goes_on_after_a_stop_and_a_start(
    bench: CephGuests,
) -> None:
    vm = await bench.counting("web-1")
    assert claim_of(vm).held_by(HOST, 1)

    await bench.stops(vm)
    assert bench.pids(vm) == []
    assert claim_of(vm).holder is None
    assert claim_of(vm).floor == 1
    found = await bench.numbers(vm)
    assert lost(found) == set()

    vm.change("spec", "powerState", value="Running")
    vm.change("status", "assignment", value={"host": HOST, "epoch": 2})
    await vm.reconcile()
    assert vm.status["phase"] == "Running"
    assert claim_of(vm).held_by(HOST, 2)
    # it begins to count anew, over what it wrote before
    await bench.counts_on(vm, max(found))


async def test_a_killed_qemu_is_started_again_under_its_claim_and_nothing_is_lost(bench: CephGuests) -> None:
    vm = await bench.counting("killed")
    (first,) = bench.pids(vm)
    bench.world.woken.clear()
    os.kill(first, signal.SIGKILL)
    await eventually_async("the VM to be looked at", lambda: vm.uid in bench.world.woken)
    found = await bench.numbers(vm)
    await vm.reconcile()

    assert lost(found) == set()
    (second,) = bench.pids(vm)
    assert second != first
    assert claim_of(vm).held_by(HOST, 1)
    await bench.counts_on(vm, 0)


async def test_of_a_killed_qemu_nothing_gets_to_a_disk_that_was_given_back(bench: CephGuests) -> None:
    vm = await bench.counting("given-back")
    (pid,) = bench.pids(vm)
    before = await shut_out(bench.ceph)
    os.kill(pid, signal.SIGKILL)
    await bench.stops(vm)

    assert claim_of(vm).holder is None
    assert await shut_out(bench.ceph) == before + 1
    pool = await bench.world.pools.pool("fast")
    # while its client was known for one that may come back this would be refused, for half a minute
    assert await asyncio.to_thread(bench.world.disks.remove, pool, place_of(vm).handle)


async def shut_out(cluster: CephCluster) -> int:
    """How many clients Ceph hears no more."""
    found = await asyncio.to_thread(cluster.ceph, "osd", "blocklist", "ls")
    return found.count("127.")


async def test_a_guest_stands_still_while_ceph_is_away_and_goes_on_by_itself(bench: CephGuests) -> None:
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
        bench.ceph.thaw_osd()
    before = await bench.newest(vm)
    await bench.counts_on(vm, before)
    await vm.reconcile()

    assert bench.pids(vm) == pids
    assert vm.condition("Ready")["reason"] == "Running"
    found = await bench.numbers(vm)
    assert lost(found) == set()


async def test_a_disk_grows_under_its_guest(bench: CephGuests) -> None:
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


async def test_a_second_disk_comes_and_goes_while_it_runs(bench: CephGuests) -> None:
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


async def test_a_hostd_that_begins_anew_finds_the_guest_as_it_is(bench: CephGuests) -> None:
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
    bench: CephGuests, capsys: pytest.CaptureFixture[str]
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
