"""When a guest starts, when it does not, and what is written about it."""

from __future__ import annotations

from collections.abc import Collection

import pytest
from structlog.testing import capture_logs

from quantix_api.errors import TransientError
from quantix_api.resources import HOST_RECOVERIES, IMAGES, NETWORKS
from quantix_hostd.claims import Claim, Holder
from quantix_hostd.facts.process import QemuProcess
from quantix_lab.fake_hypervisor import FakeHypervisor
from quantix_lab.fake_ports import FakeGuestPorts
from quantix_lab.vm_world import CLUSTER, HOST, VmHandle, VmWorld


async def test_a_start_takes_the_claim_and_reports_running_in_one_write(
    vm: VmHandle, hypervisor: FakeHypervisor
) -> None:
    await vm.reconcile()
    assert hypervisor.calls == ["define", "create", "resume"]
    assert vm.root_claim.held_by(HOST, 1)
    assert len(vm.world.api.writes) == 1
    assert vm.status["phase"] == "Running"
    assert vm.status["runtime"]["domain"] == "Present"
    assert vm.condition("Ready")["status"] == "True"


async def test_a_second_look_does_and_writes_nothing(running: VmHandle, hypervisor: FakeHypervisor) -> None:
    await running.reconcile()
    assert hypervisor.calls == []
    assert running.world.api.writes == []


async def test_a_restarted_hostd_adopts_the_guest_untouched(
    running: VmHandle, hypervisor: FakeHypervisor
) -> None:
    running.world.records.forget(running.uid)
    running.world.reconciler = running.world.new_reconciler()
    await running.reconcile()
    assert hypervisor.calls == []
    assert running.status["phase"] == "Running"


async def test_nothing_starts_before_the_api_was_read(vm: VmHandle, hypervisor: FakeHypervisor) -> None:
    vm.world.synced = False
    await vm.reconcile()
    assert hypervisor.calls == []
    assert vm.world.api.writes == []


async def test_nothing_starts_while_a_recovery_of_this_host_is_open(
    vm: VmHandle, hypervisor: FakeHypervisor
) -> None:
    spec = {"host": HOST, "cause": "LeaseLost"}
    vm.world.put(HOST_RECOVERIES, "h1-1", spec=spec, status={"phase": "Fencing"})
    await vm.reconcile()
    await vm.look_after(3)
    assert hypervisor.calls == []
    assert vm.condition("Ready")["reason"] == "HostFailed"
    vm.world.put(HOST_RECOVERIES, "h1-1", spec=spec, status={"phase": "Done"})
    await vm.reconcile()
    assert vm.status["phase"] == "Running"


@pytest.mark.parametrize(
    ("kind", "reason", "message"),
    [
        ("NetworkReady", "NetworkNotFound", "There is no network lan here."),
        ("SizeGranted", "InstanceTypeNotFound", "There is no instance type small."),
    ],
)
async def test_a_vm_that_is_not_resolved_repeats_what_the_operator_waits_for(
    vm: VmHandle, kind: str, reason: str, message: str
) -> None:
    said = {"status": "False", "reason": reason, "message": message}
    condition = {"type": kind, "lastTransitionTime": "2026-01-01T00:00:00Z", **said}
    vm.change("status", "conditions", value=[condition])
    vm.change("status", "resolved", "disks", value=[])
    vm.world.reconciler = vm.world.new_reconciler(quiet_s=0.0)
    await vm.reconcile()
    ready = vm.condition("Ready")
    assert {name: ready[name] for name in said} == said


async def test_a_vm_that_is_not_resolved_waits_quietly_then_says_why(
    vm: VmHandle, hypervisor: FakeHypervisor
) -> None:
    vm.change("status", "resolved", "disks", value=[])
    again = await vm.reconcile()
    assert hypervisor.calls == []
    assert vm.world.api.writes == []
    assert again is not None
    assert again <= 2.0
    vm.world.reconciler = vm.world.new_reconciler(quiet_s=0.0)
    await vm.reconcile()
    assert vm.condition("Ready")["reason"] == "Starting"
    assert "disk root" in vm.condition("Ready")["message"]
    assert "domain" not in vm.status["runtime"]


async def test_a_qemu_of_this_vm_that_libvirt_denies_forbids_the_start(
    vm: VmHandle, hypervisor: FakeHypervisor
) -> None:
    hypervisor.orphans.append(QemuProcess(4711, vm.uid, vm.domain, "S"))
    await vm.reconcile()
    assert hypervisor.calls == []
    assert vm.condition("Ready")["reason"] == "OrphanProcess"
    assert "4711" in vm.condition("Ready")["message"]
    hypervisor.orphans.clear()
    await vm.reconcile()
    assert vm.status["phase"] == "Running"


async def test_a_volume_held_by_another_host_is_not_touched(vm: VmHandle, hypervisor: FakeHypervisor) -> None:
    world = vm.world
    claim = vm.root_claim
    world.claims.compare_and_set(vm.root_place, claim, Claim(0, Holder("h2", 1), "other", CLUSTER))
    with pytest.raises(TransientError):
        await vm.reconcile()
    assert hypervisor.calls == []
    assert vm.condition("Ready")["reason"] == "VolumeInUse"


async def test_a_watch_that_lags_behind_our_own_write_causes_no_second_one(vm: VmHandle) -> None:
    await vm.world.reconciler.reconcile(vm.uid)
    vm.world.skipped_s += 5
    await vm.world.reconciler.reconcile(vm.uid)
    assert len(vm.world.api.writes) == 1
    vm.world.pull()
    await vm.reconcile()
    assert len(vm.world.api.writes) == 1


async def test_what_another_wrote_into_our_fields_is_put_right(running: VmHandle) -> None:
    conditions = [{**c, "status": "Unknown"} for c in running.status["conditions"] if c["type"] == "Ready"]
    running.change("status", "conditions", value=conditions)
    await running.reconcile()
    assert running.condition("Ready")["status"] == "True"
    assert len(running.world.api.writes) == 1


async def test_a_vm_waits_for_the_image_of_its_cdrom_in_the_images_words(
    vm: VmHandle, hypervisor: FakeHypervisor
) -> None:
    message = "a.example answered 404 for x.iso; asked again in 5 min. Try: check spec.url."
    said = {"type": "Ready", "status": "False", "reason": "ImageUnreachable", "message": message}
    image_status = {"data": "Present", "conditions": [said]}
    vm.world.put(IMAGES, "x", "default", spec={"url": "http://a.example/x.iso"}, status=image_status)
    vm.change("spec", "cdroms", value=[{"name": "cd0", "image": "x"}])
    vm.change(
        "status", "resolved", "devices", value=[*vm.status["resolved"]["devices"], {"name": "cd0", "port": 9}]
    )
    vm.world.reconciler = vm.world.new_reconciler(quiet_s=0)
    await vm.reconcile()
    assert hypervisor.calls == []
    ready = vm.condition("Ready")
    assert (ready["reason"], ready["message"]) == ("ImageUnreachable", message)


class _WatchedPorts(FakeGuestPorts):
    """Tells what the hypervisor had done whenever ports were guarded."""

    def __init__(self, hypervisor: FakeHypervisor) -> None:
        super().__init__()
        self.seen: list[list[str]] = []
        self._hypervisor = hypervisor

    async def guard(self, routers: Collection[str]) -> int:
        self.seen.append(list(self._hypervisor.calls))
        return await super().guard(routers)


async def test_a_guest_is_kept_from_posing_as_a_router_before_it_runs(
    world: VmWorld, hypervisor: FakeHypervisor
) -> None:
    world.ports = ports = _WatchedPorts(hypervisor)
    world.reconciler = world.new_reconciler()
    world.put(NETWORKS, "default", "quantix-shared", spec={}, status={"mtu": 1442})
    names = ("0b8f6c1e-9d2a-5e4b-8f3c-1a2b3c4d5e6f", "1c9a6c1e-9d2a-5e4b-8f3c-1a2b3c4d5e6f")
    nics = [{"name": f"eth{n}", "network": "shared/default"} for n in range(2)]
    nics[1]["portSecurity"] = "Disabled"
    vm = world.add_vm("net-1", nics=nics)
    found = [{"name": f"eth{n}", "port": port, "mac": f"02:00:00:00:00:0{n}"} for n, port in enumerate(names)]
    vm.change("status", "nics", value=found)
    vm.change("status", "resolved", "devices", value=[{"name": f"eth{n}", "port": n + 1} for n in range(2)])
    await vm.reconcile()
    assert hypervisor.calls == ["define", "create", "resume"]
    assert ports.seen == [["define", "create"]]
    assert ports.routers == {names[1]}
    ports.routers = None
    await world.sweeps.guards()
    assert ports.routers == {names[1]}
    await world.consoles.close()


async def test_guests_without_a_guard_are_told_once_and_when_they_have_it_again(world: VmWorld) -> None:
    with capture_logs() as logs:
        for missing in (0, 4, 4, 0, 0, 8):
            world.ports.missing = missing
            await world.sweeps.guards()
    assert [(entry["log_level"], entry.get("flows")) for entry in logs] == [
        ("warning", 4),
        ("info", None),
        ("warning", 8),
    ]


async def test_a_ceiling_that_no_cpu_addresses_never_reaches_libvirt(
    world: VmWorld, hypervisor: FakeHypervisor
) -> None:
    memory = {"size": "128Mi", "maxSize": "2Ti"}
    vm = world.add_vm("vast", disks={"root": world.add_volume("vast-root")}, memory=memory)
    vm.change("status", "resolved", "maxMemory", value="2Ti")
    await vm.reconcile()
    assert hypervisor.calls == []
    await vm.look_after(5)
    assert hypervisor.calls == []
    ready = vm.condition("Ready")
    assert ready["reason"] == "NotEnoughMemory"
    assert ready["message"].endswith("Try: qx vm set vast --max-memory 960Gi, or less.")
    vm.change("status", "resolved", "maxMemory", value="256Mi")
    await vm.reconcile()
    assert vm.status["phase"] == "Running"
