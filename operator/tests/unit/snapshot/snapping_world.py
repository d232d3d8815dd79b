"""Hosts and VMs in a fake API, the controllers of snapshots, restores, migrations and places."""

from __future__ import annotations

from typing import Any

from quantix_api import VirtualMachine
from quantix_api.conditions import condition_of
from quantix_api.resources import (
    STORAGE_POOLS,
    VIRTUAL_MACHINE_RESTORES,
    VIRTUAL_MACHINE_SNAPSHOTS,
    VOLUMES,
)
from quantix_operator.migration.controller import MigrationController
from quantix_operator.restore import controller as restores
from quantix_operator.scheduling.controller import PlacementController
from quantix_operator.snapshot import controller as snapshots

from ..migration.moving_world import FINALIZER, Manifest, MovingWorld

DISK = {"name": "root", "volume": "web-root", "volumeUID": "uid-web-root", "pool": "local"}
TAKEN = {"phase": "Ready", "host": "h1", "virtualMachineUID": "uid-web", "disks": [DISK], "data": "Present"}


class SnappingWorld(MovingWorld):
    """With pool `ceph`, which every host reaches."""

    def __init__(self, hosts: tuple[str, ...] = ("h1", "h2")) -> None:
        super().__init__(hosts)
        self.put(STORAGE_POOLS, "ceph", spec={"rbd": {"pool": "vms"}}, namespace=None)
        reached = [{"name": name, "state": "Reachable", "available": "90Gi"} for name in ("local", "ceph")]
        for host in hosts:
            self.says(host, pools=reached)

    def restart(self) -> None:
        super().restart()
        self.snapshots = snapshots.SnapshotController(self.context, self.objects)
        self.restores = restores.RestoreController(self.context, self.objects)
        self.placement = PlacementController(self.context, self.objects)
        self.migrations: MigrationController = self.controller

    def off(self, name: str, **spec: Any) -> Manifest:
        """A VM that has run, and is off."""
        self.vm(name, powerState="Stopped", **spec)
        self.says(name, phase="Stopped", assignment={"epoch": 2, "lastHost": "h1"}, runtime={})
        return self.live(name)

    def disk_in_ceph(self, vm: str) -> None:
        """Its disk is in a pool that all hosts reach."""
        volume = self.live(f"{vm}-root")
        volume["spec"]["pool"] = volume["status"]["pool"] = "ceph"
        self.api.put(volume)

    def snap(self, name: str, vm: str = "web", at: str = "10:00:00", **spec: Any) -> Manifest:
        return self._ask(VIRTUAL_MACHINE_SNAPSHOTS, name, at, {"virtualMachine": vm, **spec})

    def kept(self, name: str = "snap", **status: Any) -> Manifest:
        """A snapshot of `web` that was taken on h1."""
        self.snap(name, at="09:00:00")
        # as hosts write it: with all defaults
        vm = VirtualMachine.parse(self.live("web"))
        config = vm.spec.model_dump(mode="json", by_alias=True, exclude_none=True)
        self.host_says(name, **{**TAKEN, "config": config, **status})
        return self.live(name)

    def set_back(self, name: str, vm: str = "web", at: str = "11:00:00", **spec: Any) -> Manifest:
        asked = {"virtualMachine": vm, "snapshot": "snap", **spec}
        return self._ask(VIRTUAL_MACHINE_RESTORES, name, at, asked)

    def _ask(self, resource: Any, name: str, at: str, spec: Manifest) -> Manifest:
        created = f"2026-11-01T{at}Z"
        return self.put(resource, name, spec=spec, creationTimestamp=created, finalizers=[FINALIZER])

    def host_says(self, name: str, reason: str = "", **status: Any) -> None:
        """The daemon of its host, which takes over what the operator said."""
        live = self.live(name)
        fields: Manifest = {"f:status": {"f:phase": {}, "f:data": {}}}
        entries = live["metadata"].setdefault("managedFields", [])
        entries[:] = [entry for entry in entries if entry["manager"] != "quantix-hostd"]
        for entry in entries:
            for taken in ("f:phase", "f:conditions"):
                entry["fieldsV1"]["f:status"].pop(taken, None)
        entries.append(
            {
                "manager": "quantix-hostd",
                "operation": "Apply",
                "subresource": "status",
                "fieldsV1": fields,
            }
        )
        well = status.get("phase") in ("Ready", "Restored")
        said = {"type": "Ready", "status": "True" if well else "False", "reason": reason or "Taken"}
        self.api.put({**live, "status": {**(live.get("status") or {}), **status, "conditions": [said]}})

    def removed(self, host: str) -> None:
        """A person deleted it, and it went."""
        del self.api.objects[f"uid-{host}"]

    def lost(self, host: str) -> None:
        """Nobody hears it any more."""
        self.says(host, conditions=[{"type": "Ready", "status": "False", "reason": "Unreachable"}])

    async def pass_all(self, times: int = 3) -> None:
        """All controllers, with the news of the API between."""
        for _ in range(times):
            for controller, key in (
                (self.snapshots, snapshots.KEY),
                (self.restores, restores.KEY),
                (self.placement, "placement"),
                (self.migrations, "migrations"),
            ):
                self.learn()
                await controller.reconcile(key)

    def is_there(self, name: str) -> bool:
        return f"uid-{name}" in self.api.objects

    def reason(self, name: str) -> str:
        return str(condition_of(self.live(name)).get("reason"))

    def moves_disk(self, vm: str, pool: str) -> None:
        """Its data is on its way to another pool."""
        self.says(f"{vm}-root", movingTo=pool)

    def encrypted(self, volume: str) -> None:
        """As if it had been made so."""
        live = self.live(volume)
        live["spec"]["encryption"] = {"secretRef": {"name": "disk-key"}}
        self.api.put(live)

    def without_data(self, vm: str) -> None:
        volume = self.live(f"{vm}-root")
        self.put(
            VOLUMES, f"{vm}-root", spec=volume["spec"], status={}, labels=volume["metadata"].get("labels")
        )
