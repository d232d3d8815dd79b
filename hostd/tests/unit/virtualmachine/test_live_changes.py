"""What a running guest takes at once, and what waits."""

from __future__ import annotations

import asyncio
from pathlib import Path

from quantix_api.resources import VOLUMES
from quantix_hostd.clients.tcp_probe import answers_on_tcp
from quantix_hostd.facts.links import HOST_LEG
from quantix_hostd.facts.switch import PortProblem
from quantix_hostd.virtualmachine.firmware import installed_firmware
from quantix_lab.fake_hypervisor import FakeHypervisor
from quantix_lab.vm_world import VmHandle


async def test_a_port_without_flows_is_said_and_forgotten_once_wired(
    running: VmHandle, hypervisor: FakeHypervisor
) -> None:
    running.change("status", "nics", value=[{"name": "eth0", "port": "p1", "mac": "52:54:00:00:00:01"}])
    running.world.ports.found = (PortProblem("p1", "PortNotBound", "its interface is missing"),)
    await running.reconcile()
    assert running.condition("Ready")["reason"] == "PortNotBound"
    running.world.ports.found = ()
    await running.reconcile()
    assert running.condition("Ready")["reason"] == "Running"


async def test_a_changed_size_is_pending_until_the_restart(
    running: VmHandle, hypervisor: FakeHypervisor
) -> None:
    running.change("spec", "memory", value={"size": "256Mi"})
    running.change("status", "resolved", "memory", value="256Mi")
    await running.reconcile()
    assert [change["path"] for change in running.status["runtime"]["pendingChanges"]] == ["spec.memory.size"]
    assert running.condition("RestartRequired")["status"] == "True"
    assert running.condition("Ready")["status"] == "True"
    running.ask_restart()
    await running.reconcile()
    assert running.condition("RestartRequired") == {}
    assert running.world.events.reasons.count("RestartRequired") == 1


async def test_a_grown_volume_grows_the_running_disk(running: VmHandle, hypervisor: FakeHypervisor) -> None:
    volume = running.world.stores[VOLUMES]["default/web-1-root"]
    volume["spec"]["size"] = "128Mi"
    await running.reconcile()
    assert hypervisor.calls == [], "its pool has not promised the room yet"
    granted = {"type": "SizeGranted", "status": "True", "reason": "Granted", "observedGeneration": 2}
    volume["metadata"]["generation"] = 2
    volume["status"]["conditions"] = [granted]
    await running.reconcile()
    assert hypervisor.calls[0] == f"resize vda {128 * 1024**2}"


async def test_ready_waits_for_the_port_that_readiness_names(
    running: VmHandle, hypervisor: FakeHypervisor
) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    nic = {"name": "eth0", "port": "p1", "mac": "52:54:00:00:00:01", "addresses": ["127.0.0.1"]}
    running.change("status", "nics", value=[nic])
    running.change("spec", "readiness", value={"tcpPort": port})
    await running.reconcile()
    assert running.condition("Ready")["reason"] == "Running"
    # what only the host itself reaches is no guest
    assert not await answers_on_tcp("127.0.0.1", port, HOST_LEG)
    server.close()
    await server.wait_closed()
    running.world.reconciler = running.world.new_reconciler(quiet_s=0.0)
    again = await running.reconcile()
    assert running.condition("Ready")["reason"] == "GuestNotReady"
    assert str(port) in running.condition("Ready")["message"]
    assert again is not None
    assert again <= 2.0


def test_a_host_offers_the_firmware_whose_files_it_has(tmp_path: Path) -> None:
    assert installed_firmware(tmp_path) == {}
    for name in ("OVMF_CODE_4M.fd", "OVMF_VARS_4M.fd", "OVMF_CODE_4M.ms.fd"):
        (tmp_path / name).touch()
    assert set(installed_firmware(tmp_path)) == {"UEFI"}
