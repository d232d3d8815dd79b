"""What a running guest takes at once, and what waits."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from quantix_api.resources import VOLUMES
from quantix_hostd.clients.tcp_probe import answers_on_tcp
from quantix_hostd.facts.links import HOST_LEG
from quantix_hostd.facts.switch import PortProblem
from quantix_hostd.virtualmachine import readiness, reconciler
from quantix_hostd.virtualmachine.firmware import installed_firmware
from quantix_hostd.virtualmachine.verdict import Verdict, judge
from quantix_lab.fake_hypervisor import FakeHypervisor
from quantix_lab.vm_manifests import grown
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


async def test_a_time_zone_that_the_host_does_not_know_is_refused(running: VmHandle) -> None:
    """QEMU would take UTC for it."""
    for zone in ("Europe/Viena", "Europe", "../../../etc/hosts", "Europe/Vienna"):
        running.change("spec", "clock", value={"timezone": zone})
        await running.reconcile()
        ready, known = running.condition("Ready"), zone == "Europe/Vienna"
        assert ready["reason"] == ("Running" if known else "ConfigRefused")
        assert running.status["phase"] == "Running"
        assert (zone in ready["message"]) != known


async def test_it_is_told_up_to_which_generation_the_guest_was_compared(running: VmHandle) -> None:
    assert "resolvedGeneration" not in running.status["runtime"]
    running.change("status", "resolved", "generation", value=1)
    running.change("spec", "clock", value={"timezone": "Europe/Vienna"})
    await running.reconcile()
    assert (running.status["observedGeneration"], running.status["runtime"]["resolvedGeneration"]) == (2, 1)
    # the operator has looked at the change, and could not resolve it: an obstacle
    volumes = {"type": "VolumesReady", "status": "True", "reason": "AllReady", "observedGeneration": 2}
    running.change("status", "conditions", value=[*running.status["conditions"], volumes])
    await running.reconcile()
    assert running.status["runtime"]["resolvedGeneration"] == 1
    running.change("status", "resolved", "generation", value=2)
    await running.reconcile()
    assert running.status["runtime"]["resolvedGeneration"] == 2


async def test_what_is_resolved_while_the_host_looks_was_not_compared(
    running: VmHandle, monkeypatch: pytest.MonkeyPatch
) -> None:
    def judged_as_the_operator_writes(*seen: Any) -> Verdict:
        running.change("status", "resolved", "generation", value=2)
        return judge(*seen)

    running.change("status", "resolved", "generation", value=1)
    running.change("spec", "clock", value={"timezone": "Europe/Vienna"})
    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(reconciler, "judge", judged_as_the_operator_writes)
        await running.reconcile()
    assert running.status["runtime"]["resolvedGeneration"] == 1
    await running.reconcile()
    assert running.status["runtime"]["resolvedGeneration"] == 2


async def test_a_grown_volume_grows_the_running_disk(running: VmHandle, hypervisor: FakeHypervisor) -> None:
    volumes = running.world.stores[VOLUMES]
    volume = volumes["default/web-1-root"] = {**volumes["default/web-1-root"], "spec": {"size": "128Mi"}}
    await running.reconcile()
    assert hypervisor.calls == [], "its pool has not promised the room yet"
    volumes["default/web-1-root"] = grown(volume, "128Mi")
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


@pytest.mark.parametrize("mode", ["Force", "Reset"])
async def test_readiness_holds_up_no_report_of_a_restart(
    running: VmHandle, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    """Its port is closed by a security group: each question costs a second."""
    asked: list[int] = []

    async def drops(_address: str, port: int, *_rest: object) -> bool:
        asked.append(port)
        return False

    monkeypatch.setattr(readiness, "answers_on_tcp", drops)
    nic = {"name": "eth0", "port": "p1", "mac": "52:54:00:00:00:01", "addresses": ["192.0.2.1"]}
    running.change("status", "nics", value=[nic])
    running.change("spec", "readiness", value={"tcpPort": 80})
    for _ in range(2):
        asked.clear()
        at = running.ask_restart(mode)
        running.world.skipped_s += 1
        # what is on its way is not worth a write for a moment, but this was asked for
        await running.reconcile()
        assert running.status["runtime"]["handledRestartAt"] == at
        assert asked == [80]
        ready = running.condition("Ready")
        assert (ready["reason"], "security groups have to let TCP port 80 in" in ready["message"]) == (
            "GuestNotReady",
            True,
        )


def test_a_host_offers_the_firmware_whose_files_it_has(tmp_path: Path) -> None:
    assert installed_firmware(tmp_path) == {}
    for name in ("OVMF_CODE_4M.fd", "OVMF_VARS_4M.fd", "OVMF_CODE_4M.ms.fd"):
        (tmp_path / name).touch()
    assert set(installed_firmware(tmp_path)) == {"UEFI"}


async def test_cores_memory_sizes_and_media_change_while_other_devices_wait(
    vm: VmHandle, hypervisor: FakeHypervisor
) -> None:
    vm.change("spec", "memory", value={"size": "1Gi", "maxSize": "2Gi"})
    vm.change("spec", "cpu", value={"cores": 1, "maxCores": 2})
    vm.change("spec", "cdroms", value=[{"name": "tools"}])
    given = {"memory": "1Gi", "maxMemory": "2Gi", "cores": 1, "maxCores": 2}
    for name, value in given.items():
        vm.change("status", "resolved", name, value=value)
    await vm.reconcile()
    hypervisor.calls.clear()
    vm.world.reconciler = vm.world.new_reconciler(quiet_s=0.0)
    missing = {"name": "gone", "network": "nope"}
    vm.change("spec", "nics", value=[missing])
    vm.change("spec", "cdroms", value=[{"name": "tools", "image": "nope"}])
    vm.change("spec", "cpu", value={"cores": 2, "maxCores": 2})
    vm.change("spec", "memory", value={"size": "1536Mi", "maxSize": "2Gi"})
    vm.change("status", "resolved", "cores", value=2)
    vm.change("status", "resolved", "memory", value="1536Mi")
    volumes = vm.world.stores[VOLUMES]
    volumes["default/web-1-root"] = grown(volumes["default/web-1-root"], "128Mi")
    await vm.reconcile()
    assert {call.split()[0] for call in hypervisor.calls} == {"cores", "memory", "resize"}
    ready = vm.condition("Ready")
    assert (ready["status"], vm.status["phase"]) == ("False", "Running")
    assert vm.condition("RestartRequired") == {}


async def test_a_size_that_is_not_resolved_leaves_the_guest_what_it_has(
    running: VmHandle, hypervisor: FakeHypervisor
) -> None:
    running.world.reconciler = running.world.new_reconciler(quiet_s=0.0)
    running.change("spec", "cpu", value={"cores": 2})
    await running.reconcile()
    assert hypervisor.calls == []
    assert "cpu.cores" in running.condition("Ready")["message"]
    assert running.condition("RestartRequired") == {}
