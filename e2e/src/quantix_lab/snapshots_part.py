"""The room of snapshots in the world of a host's VMs, for its tests; no operator runs but what is written
here for it.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace
from typing import Any, cast

from quantix_api.errors import QuantixError
from quantix_api.resources import (
    NAMESPACES,
    VIRTUAL_MACHINE_RESTORES,
    VIRTUAL_MACHINE_SNAPSHOTS,
    VOLUMES,
)
from quantix_client.api import ApiClient
from quantix_hostd.clients.qemu_img import QemuImg
from quantix_hostd.secret_values import SecretValues
from quantix_hostd.snapshot.controller import SnapshotController
from quantix_hostd.snapshot.restores import RestoreController
from quantix_hostd.snapshot.storage import SnapshotStorage
from quantix_hostd.snapshot.tools import SnapshotTools
from quantix_hostd.transfer.room import Room
from quantix_hostd.volume.lending import Lending
from quantix_hostd.volume.noted_claims import NotedClaims
from quantix_hostd.volume.passphrases import Passphrases
from quantix_lab.fake_status_api import Manifest
from quantix_lab.mortality import HostdKilledError, Mortality
from quantix_lab.open_sandbox import OpenSandbox
from quantix_lab.vm_world import CLUSTER, HOST, VmHandle, VmWorld
from quantix_lab.waiting import eventually_async


class SnapshotsPart:
    """hostd's part that takes snapshots; one made anew is that of a hostd that was restarted."""

    def __init__(self, world: VmWorld, mortal: Mortality | None = None) -> None:
        guard = mortal.guard if mortal else lambda client: client
        self.world = world
        claims = guard(world.claims)
        noted = NotedClaims(claims, world.pools, HOST, lambda _: False, lambda _: False)
        self.lending = Lending(claims, noted, HOST, CLUSTER, world.woken.append)
        self.storage = SnapshotStorage(
            world.layout, QemuImg(OpenSandbox(), unlock_ms=1), world.storage.states
        )
        self.tools = SnapshotTools(
            api=cast(ApiClient, guard(world.api)),
            snapshots=world.stores[VIRTUAL_MACHINE_SNAPSHOTS],
            restores=world.stores[VIRTUAL_MACHINE_RESTORES],
            namespaces=world.stores[NAMESPACES],
            pools=world.pools,
            storage=guard(self.storage),
            kept=guard(world.kept),
            vms=replace(world.tools, hypervisor=guard(world.hypervisor), claims=guard(world.claims)),
            guests=world.reconciler,
            states=world.tools.states,
            lending=self.lending,
            room=Room(),
            passphrases=Passphrases(SecretValues(world.api)),
            events=world.events,
            look_again=world.woken.append,
            cluster_uid=CLUSTER,
            host=HOST,
            clock=world,
        )
        self.controller = SnapshotController(self.tools, world.woken.append)
        self.restores = RestoreController(self.tools, world.woken.append)

    def add(self, name: str, vm: VmHandle, **spec: Any) -> str:
        """A snapshot of all disks of the VM, as the scheduler leaves it; its key."""
        world = self.world
        manifest = world.api.objects[vm.uid]
        disks = []
        for disk in manifest["status"]["resolved"]["disks"]:
            volume = world.stores[VOLUMES][f"default/{disk['volume']}"]
            world.api.put(volume)
            about = {"volume": disk["volume"], "volumeUID": volume["metadata"]["uid"]}
            encrypted = {"encrypted": True} if "encryption" in volume["spec"] else {}
            disks.append({"name": disk["name"], **about, "pool": volume["status"]["pool"], **encrypted})
        status = {"host": HOST, "virtualMachineUID": vm.uid, "disks": disks}
        spec = {"virtualMachine": manifest["metadata"]["name"], **spec}
        snapshot = world.put(VIRTUAL_MACHINE_SNAPSHOTS, name, "default", spec=spec, status=status)
        snapshot["metadata"]["generation"] = 1
        world.api.put(snapshot)
        return f"default/{name}"

    def add_restore(self, name: str, snapshot: str, vm: VmHandle, **spec: Any) -> str:
        """A restore of all disks of a snapshot, as the scheduler leaves it; its key."""
        world = self.world
        kept = world.api.objects[self.uid(snapshot)]
        wanted = spec.get("disks")
        disks = [
            {name: disk[name] for name in ("name", "volume", "volumeUID", "pool")}
            for disk in kept["status"]["disks"]
            if wanted is None or disk["name"] in wanted
        ]
        about = {"virtualMachineUID": vm.uid, "snapshotUID": kept["metadata"]["uid"]}
        epoch = world.api.objects[vm.uid]["status"]["assignment"]["epoch"]
        status = {"host": HOST, **about, "epoch": epoch, "disks": disks}
        vm_name = world.api.objects[vm.uid]["metadata"]["name"]
        spec = {"virtualMachine": vm_name, "snapshot": kept["metadata"]["name"], **spec}
        restore = world.put(VIRTUAL_MACHINE_RESTORES, name, "default", spec=spec, status=status)
        restore["metadata"]["generation"] = 1
        world.api.put(restore)
        return f"default/{name}"

    async def look(self, key: str) -> dict[str, Any]:
        """One look, and the watch that follows it; the status then."""
        restores = self.world.stores[VIRTUAL_MACHINE_RESTORES]
        store = restores if key in restores else self.world.stores[VIRTUAL_MACHINE_SNAPSHOTS]
        controller = self.restores if key in restores else self.controller
        with suppress(QuantixError):
            await controller.reconcile(key)
        store[key] = self.world.api.objects[store[key]["metadata"]["uid"]]
        status: dict[str, Any] = store[key]["status"]
        return status

    async def look_until_dead(self, key: str, mortality: Mortality) -> None:
        """One look by a hostd that may die in it, and what it does in the background."""
        if mortality.struck:
            return
        with suppress(HostdKilledError):
            await self.look(key)
            for _ in range(40):
                await asyncio.sleep(0.01)

    def uid_of_restore(self, key: str) -> str:
        return str(self.world.stores[VIRTUAL_MACHINE_RESTORES][key]["metadata"]["uid"])

    def refresh(self, key: str) -> None:
        """Let the watch of restores see what the API has."""
        uid = self.uid_of_restore(key)
        self.world.stores[VIRTUAL_MACHINE_RESTORES][key] = self.world.api.objects[uid]

    async def until(self, key: str, phase: str, timeout_s: float = 60) -> dict[str, Any]:
        """Look until that is its phase; its status then."""
        status: dict[str, Any] = {}

        async def reached() -> bool:
            nonlocal status
            status = await self.look(key)
            return status.get("phase") == phase

        try:
            await eventually_async(f"{key} to be {phase}", reached, timeout_s=timeout_s, interval_s=0.1)
        except AssertionError as error:
            raise AssertionError(f"{error}: {status}") from error
        return status

    def uid(self, key: str) -> str:
        return str(self.world.stores[VIRTUAL_MACHINE_SNAPSHOTS][key]["metadata"]["uid"])

    def delete(self, key: str) -> Manifest:
        """Somebody deletes it; the operator has not taken its finalizer yet."""
        store = self.world.stores[VIRTUAL_MACHINE_SNAPSHOTS]
        store[key]["metadata"]["deletionTimestamp"] = "2026-01-02T00:00:00Z"
        store[key] = self.world.api.put(store[key])
        return store[key]

    async def killed(self) -> SnapshotsPart:
        """hostd is killed here, and another one runs: the same host, and nothing in memory."""
        await self.controller.stop()
        await self.restores.stop()
        self.world.reconciler = self.world.new_reconciler()
        return SnapshotsPart(self.world)
