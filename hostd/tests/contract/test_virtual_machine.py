"""The VM's reconciler on real libvirt, QEMU and Open vSwitch. No system boots: firmware is enough."""

from __future__ import annotations

import asyncio
import os
import signal
import stat
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import libvirt
import pytest

from quantix_api.resources import NETWORKS, VOLUMES
from quantix_hostd.clients.libvirt import LibvirtClient
from quantix_hostd.clients.ovs_ports import OvsGuestPorts
from quantix_hostd.domainxml.spec import tap_name
from quantix_hostd.domainxml.view import view
from quantix_hostd.facts.domain import EventKind
from quantix_hostd.facts.switch import OWNER_KEY
from quantix_lab.boot_sectors import write_boot_sector
from quantix_lab.libvirt_host import LibvirtHost
from quantix_lab.libvirt_world import libvirt_world
from quantix_lab.open_vswitch import OpenVSwitch, open_vswitch
from quantix_lab.vm_manifests import grown
from quantix_lab.vm_world import HOST, VmHandle, VmWorld
from quantix_lab.waiting import eventually_async

PORT = "0b8f6c1e-9d2a-5e4b-8f3c-1a2b3c4d5e6f"


@pytest.fixture(scope="module")
def switch() -> Iterator[OpenVSwitch]:
    with tempfile.TemporaryDirectory(prefix="qx") as directory, open_vswitch(Path(directory) / "r") as made:
        made.vsctl("add-br", "qx-int", "--", "set", "bridge", "qx-int", "datapath_type=netdev")
        yield made


@pytest.fixture(scope="module")
def networked_host(switch: OpenVSwitch) -> Iterator[LibvirtHost]:
    host = LibvirtHost(switch.directory, switch.namespace)
    try:
        yield host.start()
    finally:
        host.close()


@dataclass
class Bench:
    world: VmWorld
    host: LibvirtHost
    client: LibvirtClient

    def pids(self, vm: VmHandle) -> list[int]:
        return self.host.qemu_pids(vm.domain)


@pytest.fixture
async def bench(networked_host: LibvirtHost, switch: OpenVSwitch) -> AsyncIterator[Bench]:
    async with libvirt_world(networked_host) as (world, client):
        world.ports = OvsGuestPorts(switch.database)  # type: ignore[assignment]
        world.reconciler = world.new_reconciler()
        yield Bench(world, networked_host, client)


async def test_only_root_may_connect_to_a_guests_sockets(bench: Bench) -> None:
    vm = simple_vm(bench, "sockets")
    await vm.reconcile()
    assert vm.status["phase"] == "Running"
    directory = bench.host.layout.vm_run(vm.uid)
    qemu = bench.host.qemu
    assert stat.S_IMODE(directory.stat().st_mode) == 0o710
    assert (directory.stat().st_uid, directory.stat().st_gid) == (qemu.uid, qemu.gid)
    sockets = {
        path.name: stat.S_IMODE(path.stat().st_mode) for path in directory.iterdir() if path.is_socket()
    }
    assert {"serial.sock", "vnc.sock", "guest-agent.sock", "agent.sock"} <= set(sockets)
    assert set(sockets.values()) == {0o600}


def simple_vm(bench: Bench, name: str) -> VmHandle:
    return bench.world.add_vm(
        name, disks={"root": bench.world.add_volume(f"{name}-root")}, gracePeriodSeconds=0
    )


async def test_a_guest_is_plugged_in_reported_unwired_then_wired_and_leaves_nothing(
    bench: Bench, switch: OpenVSwitch
) -> None:
    bench.world.put(NETWORKS, "default", "quantix-shared", spec={}, status={"mtu": 1442})
    nics = [{"name": "eth0", "network": "shared/default"}]
    vm = bench.world.add_vm("net-1", nics=nics, gracePeriodSeconds=0)
    vm.change("status", "nics", value=[{"name": "eth0", "port": PORT, "mac": "52:54:00:12:34:56"}])
    vm.change("status", "resolved", "devices", value=[{"name": "eth0", "port": 1}])
    tap = tap_name(PORT)
    await vm.reconcile()
    assert vm.status["phase"] == "Running"
    assert vm.condition("Ready")["reason"] == "PortNotBound"
    assert switch.vsctl("get", "Interface", tap, "external_ids:iface-id").strip('"\n') == PORT
    owner = switch.vsctl("get", "Interface", tap, f'external_ids:"{OWNER_KEY}"')
    assert owner.strip('"\n') == vm.uid
    switch.vsctl("set", "Interface", tap, "external_ids:ovn-installed=true")
    await vm.reconcile()
    assert vm.condition("Ready")["reason"] == "Running"
    await bench.world.sweeps.ports()
    assert tap in switch.vsctl("list-ports", "qx-int").split()
    vm.delete()
    await vm.reconcile()
    assert vm.status["runtime"]["domain"] == "Absent"
    assert tap not in switch.vsctl("list-ports", "qx-int").split()
    assert bench.pids(vm) == []


async def test_stale_taps_of_ours_go_and_foreign_ones_stay(bench: Bench, switch: OpenVSwitch) -> None:
    for name, ids in (("qxstale", f'external_ids:"{OWNER_KEY}"="gone"'), ("foreign", "external_ids:a=b")):
        internal = ("set", "Interface", name, "type=internal", f"external_ids:iface-id={PORT}", ids)
        switch.vsctl("add-port", "qx-int", name, "--", *internal)
    await bench.world.sweeps.ports()
    left = switch.vsctl("list-ports", "qx-int").split()
    switch.vsctl("del-port", "qx-int", "foreign")
    assert "qxstale" not in left
    assert "foreign" in left


async def test_a_killed_qemu_is_seen_and_started_again_under_its_claim(bench: Bench) -> None:
    vm = simple_vm(bench, "killed-1")
    await vm.reconcile()
    (first,) = bench.pids(vm)
    bench.world.woken.clear()
    os.kill(first, signal.SIGKILL)
    await eventually_async("the VM to be looked at", lambda: vm.uid in bench.world.woken)
    await vm.reconcile()
    (second,) = bench.pids(vm)
    assert second != first
    assert vm.status["phase"] == "Running"
    assert vm.status["runtime"]["lastExit"]["reason"] == "Crashed"
    assert vm.root_claim.held_by(HOST, 1)


async def test_libvirtd_and_hostd_killed_leave_the_guest_as_it_is(bench: Bench) -> None:
    vm = simple_vm(bench, "lasting-1")
    await vm.reconcile()
    pids = bench.pids(vm)
    await asyncio.to_thread(bench.host.restart_libvirtd)
    await eventually_async("the connection", lambda: bench.client.connected)
    bench.world.reconciler = bench.world.new_reconciler()
    bench.world.api.writes.clear()
    await vm.reconcile()
    assert bench.pids(vm) == pids
    assert bench.world.api.writes == []
    assert vm.status["phase"] == "Running"


async def test_a_qemu_that_libvirt_forgot_forbids_a_second_and_ends_with_its_vm(bench: Bench) -> None:
    vm = simple_vm(bench, "orphan-1")
    await vm.reconcile()
    pids = bench.pids(vm)
    bench.host.stop_daemon("libvirtd", signal.SIGKILL)
    (bench.host.layout.run / f"libvirt/qemu/{vm.domain}.xml").unlink()
    await asyncio.to_thread(bench.host.start_daemon, "libvirtd")
    await eventually_async("the connection", lambda: bench.client.connected)
    await vm.reconcile()
    assert bench.pids(vm) == pids
    assert vm.condition("Ready")["reason"] == "OrphanProcess"
    assert vm.root_claim.held_by(HOST, 1)
    vm.change("spec", "powerState", value="Stopped")
    await vm.reconcile()
    await eventually_async("the end of QEMU", lambda: bench.pids(vm) == [])
    await vm.reconcile()
    assert vm.status["runtime"]["domain"] == "Absent"
    assert vm.root_claim.holder is None


async def test_a_disk_grows_under_a_running_guest(bench: Bench) -> None:
    volume = bench.world.add_volume("grown-1-root")
    vm = bench.world.add_vm("grown-1", disks={"root": volume}, gracePeriodSeconds=0)
    await vm.reconcile()
    bench.world.stores[VOLUMES]["default/grown-1-root"] = grown(volume, "128Mi")
    await vm.reconcile()
    data = vm.root_place.directory / "volumes" / vm.root_place.handle / "data"
    assert int.from_bytes(data.read_bytes()[24:32], "big") == 128 * 1024**2


async def test_limits_of_a_volume_count_from_the_start_and_change_under_a_running_guest(
    bench: Bench,
) -> None:
    async def limits() -> tuple[str, str]:
        found = await bench.client.domain(vm.domain)
        assert found is not None
        assert found.live_xml is not None
        device = view(found.live_xml).devices["ua-root"]
        return device.get("iops", ""), device.get("bytes_per_second", "")

    volume = bench.world.add_volume("limited-1-root")
    volume["spec"]["qos"] = {"iops": 100}
    vm = bench.world.add_vm("limited-1", disks={"root": volume}, gracePeriodSeconds=0)
    await vm.reconcile()
    assert await limits() == ("100", "")
    for qos, found in (({"bytesPerSecond": "1Mi"}, ("", str(1024**2))), (None, ("", ""))):
        spec = volume["spec"] | {"qos": qos}
        bench.world.stores[VOLUMES]["default/limited-1-root"] = volume | {"spec": spec}
        await vm.reconcile()
        assert await limits() == found
        assert vm.condition("Ready")["reason"] == "Running"


async def test_a_foreign_domain_is_never_touched(bench: Bench) -> None:
    vm = simple_vm(bench, "mine-1")
    foreign = (
        f"<domain type='qemu'><name>{vm.domain}</name><memory>1024</memory><os><type>hvm</type></os></domain>"
    )

    def define() -> None:
        connection = libvirt.open(bench.host.uri)
        connection.defineXML(foreign)
        connection.close()

    await asyncio.to_thread(define)
    await vm.reconcile()
    assert vm.condition("Ready")["reason"] == "IdentityConflict"
    assert bench.pids(vm) == []
    (summary,) = [found for found in await bench.client.domains() if found.name == vm.domain]
    assert summary.vm_uid is None

    def undefine() -> None:
        connection = libvirt.open(bench.host.uri)
        connection.lookupByName(vm.domain).undefine()
        connection.close()

    await asyncio.to_thread(undefine)


async def test_a_guest_that_stops_feeding_its_watchdog_is_reset_and_told(bench: Bench) -> None:
    vm = bench.world.add_vm(
        "watched",
        disks={"root": bench.world.add_volume("watched-root")},
        watchdog={"action": "Reset"},
        gracePeriodSeconds=0,
    )
    write_boot_sector(vm.root_place.data, "watchdog")
    await vm.reconcile()
    (pid,) = bench.pids(vm)

    async def fired(times: int) -> None:
        await eventually_async(f"bite {times}", lambda: bites() >= times)
        await vm.reconcile()

    def bites() -> int:
        return sum(event.kind is EventKind.WATCHDOG for event in bench.world.records.events(vm.uid))

    await fired(1)
    # begun anew, it arms its watchdog again
    await fired(2)
    assert bench.world.events.reasons.count("WatchdogFired") == 2
    assert vm.condition("Ready")["reason"] == "WatchdogFired", "the second reset in a row waits"
    assert bench.pids(vm) == [pid]
