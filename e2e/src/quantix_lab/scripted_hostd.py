"""Plays a host's daemon against a real API server: the writes of hostd, without any machine.

Used by the operator's contract tests. It acts as user `quantix:host:NAME`, so every admission policy judges
it, and it follows the order of design/api.md, section 3. Guests "run" as soon as the API says that they may.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from quantix_api import StoragePool, VirtualMachine, Volume, volume_name
from quantix_api.conditions import STALLED_REASONS
from quantix_api.facts import Fact, Truth, render_conditions, subject_in
from quantix_api.resources import (
    HOSTS,
    IMAGES,
    LABEL_VIRTUAL_MACHINE_UID,
    MANAGER_HOSTD,
    SECRETS,
    STORAGE_POOLS,
    VIRTUAL_MACHINES,
    VOLUMES,
    Resource,
)
from quantix_client.api import ApiClient, Manifest
from quantix_client.apply import apply_if_changed
from quantix_client.errors import ApiError, Conflict, Forbidden, NotFound, Throttled
from quantix_client.lease import HostLease
from quantix_lab.scripted_migrations import ScriptedMigrations
from quantix_lab.scripted_snapshots import ScriptedSnapshots

_LOOK_S = 0.2
"""A look is some ten requests, which cost the API server more than all else in a test of three hosts."""


@dataclass
class ScriptedHostd:
    """One host. `asleep` stops lease and work; `start_s` is how long QEMU takes; `ignored` are
    VMs (names) that it does not start.
    """

    api: ApiClient
    name: str
    asleep: bool = False
    cpus: int = 8
    memory: str = "16Gi"
    start_s: float = 0.0
    ignored: set[str] = field(default_factory=set)
    unmade: set[str] = field(default_factory=set)
    """Volumes (names) whose data is not made."""
    exits: dict[str, str] = field(default_factory=dict)
    """VMs (names) whose guest has ended by itself, with the reason of lastExit."""
    floors: dict[str, int] = field(default_factory=dict)
    """VMs (names) whose volumes were released under this epoch, whatever the API remembers."""
    held: dict[str, int] = field(default_factory=dict)
    """VMs (names) whose volumes this host holds under this epoch, with a guest that runs."""
    released: dict[str, int] = field(default_factory=dict)
    """UIDs of VMs that were released, with the epoch."""
    pressure: list[dict[str, Any]] = field(default_factory=list)
    """What it says of how much its programs wait."""
    maintenance: bool = False
    """What spec of its Host says."""

    def __post_init__(self) -> None:
        self.migrations = ScriptedMigrations(self.api, self.name)
        self.snapshots = ScriptedSnapshots(self.api, self.name)

    async def run(self) -> None:
        """Join, then beat and work until cancelled."""
        await self._join()
        lease = HostLease(self.api, self.name, f"boot-{self.name}", period_s=1.0)
        async with asyncio.TaskGroup() as group:
            group.create_task(lease.run(lambda: not self.asleep))
            group.create_task(self._work())

    async def _join(self) -> None:
        joined = False
        while not joined:
            # A server that was just told of the kind Host does not know it for a moment
            try:
                await self.api.create(HOSTS, {"metadata": {"name": self.name}, "spec": {}})
                joined = True
            except Conflict:
                joined = True
            except Throttled:
                await asyncio.sleep(_LOOK_S)

    async def _work(self) -> None:
        while True:
            if not self.asleep:
                # The operator and other hosts write too: what was overtaken is done again in a moment
                with suppress(Conflict, NotFound):
                    await self._look()
            await asyncio.sleep(_LOOK_S)

    async def _look(self) -> None:
        pools = [StoragePool.parse(item) for item in (await self.api.list(STORAGE_POOLS)).items]
        await self._report_host([pool.metadata.name for pool in pools])
        selector = f"status.assignment.host={self.name}"
        for live in (await self.api.list(VIRTUAL_MACHINES, field_selector=selector)).items:
            await self._look_at_vm(live)
        await self.migrations.look()
        await self.snapshots.look()
        for resource in (VOLUMES, IMAGES):
            selector = f"status.host={self.name}"
            for live in (await self.api.list(resource, field_selector=selector)).items:
                await self._look_at_data(resource, live)

    async def _report_host(self, pools: list[str]) -> None:
        live = await self.api.get(HOSTS, self.name)
        self.maintenance = bool(live["spec"].get("maintenance"))
        status = {
            "phase": "Ready",
            "cpus": self.cpus,
            "memory": self.memory,
            "arch": "x86_64",
            "versions": {"machineType": "pc-q35-7.2"},
            **({"pressure": self.pressure} if self.pressure else {}),
            "pools": [
                {"name": pool, "state": "Reachable", "capacity": "100Gi", "available": "90Gi"}
                for pool in pools
            ],
            "conditions": conditions(
                HOSTS,
                live,
                said("Ready", "True", "Healthy"),
                said("KVMAvailable", "False", "KVMUnusable"),
            ),
        }
        await self._apply(HOSTS, live, status)

    async def _look_at_vm(self, live: Manifest) -> None:
        vm = VirtualMachine.parse(live)
        assert vm.status.assignment is not None
        if vm.status.migration is not None:
            # what somebody wants of it meanwhile is a wish to the source of its migration
            return
        epoch = vm.status.assignment.epoch
        runtime: dict[str, Any] = {"observedEpoch": epoch}
        if self.held.get(vm.metadata.name, 0) > epoch:
            runtime |= {"domain": "Present", "claimEpoch": self.held[vm.metadata.name]}
            await self._report_vm(live, runtime, ("False", "InternalError"), "Failed")
            return
        if (floor := self.floors.get(vm.metadata.name, 0)) >= epoch:
            runtime |= {"domain": "Absent", "claimEpoch": floor if floor > epoch else None}
            await self._report_vm(live, runtime, ("False", "Pending"), "Stopped")
            return
        if self.maintenance and vm.spec.migration.on_maintenance == "Stop":
            self.exits.setdefault(vm.metadata.name, "HostShutdown")
        wished = vm.deleting or vm.spec.power_state == "Stopped" or vm.status.restore is not None
        ends = wished or vm.metadata.name in self.exits
        if ends or self.released.get(vm.metadata.uid) == epoch:
            self.released[vm.metadata.uid] = epoch
            reason = self.exits.pop(vm.metadata.name, "Requested")
            if vm.status.runtime.last_exit and vm.status.runtime.observed_epoch == epoch:
                reason = vm.status.runtime.last_exit.reason
            runtime |= {"domain": "Absent", "lastExit": {"reason": reason, "at": "2026-11-24T10:00:00Z"}}
            await self._report_vm(live, runtime, ready_after(vm, reason), "Stopped")
            return
        volumes = await self._volumes(vm)
        if vm.metadata.name in self.ignored or not covered(vm, volumes):
            return
        if vm.status.runtime.observed_epoch != epoch:
            await asyncio.sleep(self.start_s)
        if not await self._has_secret(vm):
            await self._report_vm(live, runtime, ("False", "SecretNotFound"), "Starting")
            return
        runtime |= {
            "domain": "Present",
            "startedAt": "2026-11-24T10:00:00Z",
            "disks": [
                {"name": disk.name, "volumeUID": disk.volume_uid}
                for disk in (vm.status.resolved.disks if vm.status.resolved else ())
            ],
        }
        await self._report_vm(live, runtime, ("True", "Running"), "Running")

    async def _has_secret(self, vm: VirtualMachine) -> bool:
        """Whether the Secret of its first boot, if it names one, is there and may be read."""
        cloud_init = vm.spec.cloud_init
        if cloud_init is None or cloud_init.user_data_secret_ref is None:
            return True
        try:
            await self.api.get(SECRETS, cloud_init.user_data_secret_ref.name, vm.metadata.namespace)
        except (Forbidden, NotFound):
            return False
        return True

    async def _report_vm(
        self, live: Manifest, runtime: Mapping[str, Any], ready: tuple[Truth, str], phase: str
    ) -> None:
        facts = [said("Ready", *ready)]
        if ready[1] in STALLED_REASONS:
            facts.append(said("Stalled", "True", ready[1]))
        status = {
            "observedGeneration": live["metadata"]["generation"],
            "phase": phase,
            "runtime": {name: value for name, value in runtime.items() if value not in (None, [])},
            "conditions": conditions(VIRTUAL_MACHINES, live, *facts),
        }
        await self._apply(VIRTUAL_MACHINES, live, status)

    async def _volumes(self, vm: VirtualMachine) -> dict[str, Volume]:
        """Make the data of its volumes that have none, and give all as they are now."""
        volumes = {}
        for disk in vm.spec.disks:
            name = disk.volume or volume_name(vm.metadata.name, disk.name)
            live = await self.api.get(VOLUMES, name, vm.metadata.namespace)
            volume = Volume.parse(live)
            owners = {item.uid for item in volume.status.attached_to}
            mine = vm.metadata.uid in {*owners, volume.metadata.labels.get(LABEL_VIRTUAL_MACHINE_UID)}
            if mine and volume.status.host is None and not volume.deleting and name not in self.unmade:
                live = await self._make(VOLUMES, live, "Available") or live
            volumes[disk.name] = Volume.parse(live)
        return volumes

    async def _look_at_data(self, resource: Resource, live: Manifest) -> None:
        if live["metadata"].get("deletionTimestamp"):
            gone = conditions(resource, live, said("Ready", "False", "Deleting"))
            await self._apply(resource, live, {"host": self.name, "data": "Absent", "conditions": gone})
        elif (live.get("status") or {}).get("data") is None and live["metadata"]["name"] not in self.unmade:
            await self._make(resource, live, "Available" if resource == VOLUMES else "Verified")

    async def _make(self, resource: Resource, live: Manifest, reason: str) -> Manifest | None:
        status: dict[str, Any] = {
            "host": self.name,
            "data": "Present",
            "phase": "Available" if resource == VOLUMES else "Ready",
            "observedGeneration": live["metadata"]["generation"],
            "conditions": conditions(resource, live, said("Ready", "True", reason)),
        }
        if resource == VOLUMES:
            status |= {"pool": live["spec"].get("pool", "local"), "handle": live["metadata"]["uid"]}
        return await self._apply(resource, live, status)

    async def _apply(self, resource: Resource, live: Manifest, status: Mapping[str, Any]) -> Manifest | None:
        try:
            return await apply_if_changed(
                self.api, resource, live, {"status": dict(status)}, manager=MANAGER_HOSTD, on_version=True
            )
        except (Conflict, NotFound):  # written or deleted meanwhile
            return None
        except ApiError as error:
            raise AssertionError(f"the API refused a host's report on {resource.kind}: {error}") from error


def ready_after(vm: VirtualMachine, last_exit: str) -> tuple[Truth, str]:
    """What hostd says of a VM that it has released."""
    if vm.deleting:
        return "False", "Deleting"
    if vm.spec.power_state == "Stopped":
        return "True", "Stopped"
    return "False", "GuestShutdown" if last_exit == "GuestShutdown" else "Pending"


def covered(vm: VirtualMachine, volumes: Mapping[str, Volume]) -> bool:
    """Whether the operator has resolved all that a start needs, and all data is there."""
    resolved = vm.status.resolved
    if resolved is None or any(volume.status.data != "Present" for volume in volumes.values()):
        return False
    disks = {disk.name for disk in resolved.disks}
    nics = {nic.name for nic in vm.status.nics}
    return all(disk.name in disks for disk in vm.spec.disks) and all(nic.name in nics for nic in vm.spec.nics)


def said(condition_type: str, status: Truth, reason: str) -> Fact:
    """A condition in the shortest words."""
    return Fact(condition_type, status, reason, f"{reason}.")


def conditions(resource: Resource, live: Manifest, *facts: Fact) -> list[dict[str, Any]]:
    """The facts as hostd sends them."""
    return render_conditions(facts, subject_in(resource, live), datetime.now(UTC))
