"""One host's VM part in a directory of its own: everything around `VirtualMachineReconciler`, for its tests.

The hypervisor and the processes are given (real or fake); claims, records, directories and disks are real
files below the root; the API takes status only. No operator runs: tests write what it would.
"""

from __future__ import annotations

import copy
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

from quantix_api import VirtualMachine
from quantix_api.conditions import condition_in
from quantix_api.host_spec import HostSpec
from quantix_api.layout import Layout
from quantix_api.resources import (
    HOST_RECOVERIES,
    HOSTS,
    IMAGES,
    NAMESPACES,
    NETWORKS,
    STORAGE_POOLS,
    VIRTUAL_MACHINE_RESTORES,
    VIRTUAL_MACHINE_SNAPSHOTS,
    VIRTUAL_MACHINES,
    VOLUMES,
    Resource,
)
from quantix_api.times import render_epoch_time
from quantix_client.api import ApiClient
from quantix_hostd.claims import Claim, VolumePlace, new_claim
from quantix_hostd.clients.files import FileOwner
from quantix_hostd.clients.host_devices import HostDevices
from quantix_hostd.clients.hypervisor import Hypervisor
from quantix_hostd.clients.kernel_log import DevKmsg, KernelLog
from quantix_hostd.clients.process import Processes
from quantix_hostd.clients.qemu_img import QemuImg
from quantix_hostd.clients.state_store import StateStore
from quantix_hostd.domainxml.spec import NumaNode
from quantix_hostd.pool_asks import PoolAsks
from quantix_hostd.pools import HostPools
from quantix_hostd.secret_values import SecretValues
from quantix_hostd.snapshot.kept import KeptStore
from quantix_hostd.snapshot.storage import SnapshotStorage
from quantix_hostd.storage_parts import StorageParts
from quantix_hostd.transfer.room import Room
from quantix_hostd.virtualmachine.console import ConsoleHub
from quantix_hostd.virtualmachine.cpu_book import CpuBook
from quantix_hostd.virtualmachine.desired import HostFacts
from quantix_hostd.virtualmachine.device_book import DeviceBook
from quantix_hostd.virtualmachine.directories import VmDirectories
from quantix_hostd.virtualmachine.guest_watch import GuestAgents, GuestWatch
from quantix_hostd.virtualmachine.objects import StoredObjects
from quantix_hostd.virtualmachine.reconciler import QUIET_S, VirtualMachineReconciler
from quantix_hostd.virtualmachine.record import RecordStore
from quantix_hostd.virtualmachine.sweeps import GuestSweeps
from quantix_hostd.virtualmachine.tools import VmTools
from quantix_hostd.volume.live_moves import LiveMoves
from quantix_hostd.volume.passphrases import Passphrases
from quantix_lab.assigned_vm import assigned_vm, granted_as_asked
from quantix_lab.clocks import SkippingClock
from quantix_lab.dir_pools import make_disk
from quantix_lab.fake_ports import FakeGuestPorts
from quantix_lab.fake_status_api import FakeStatusApi, Manifest
from quantix_lab.fake_target import FakeTarget, departures_of
from quantix_lab.mortality import Mortality
from quantix_lab.no_first_boot import NoFirstBoot
from quantix_lab.open_sandbox import OpenSandbox
from quantix_lab.told_events import ToldEvents

CLUSTER = "c1a57e2e-0000-4000-8000-000000000001"
HOST = "h1"
_KINDS = (HOSTS, VIRTUAL_MACHINES, VOLUMES, STORAGE_POOLS, NETWORKS, IMAGES, NAMESPACES, HOST_RECOVERIES)
_OF_SNAPSHOTS = (VIRTUAL_MACHINE_SNAPSHOTS, VIRTUAL_MACHINE_RESTORES)


@dataclass
class VmWorld(SkippingClock):
    """It is the clock of all that runs in it. `agents` are the hypervisor's own where none are given;
    `guests` asks them while a test runs it.
    """

    layout: Layout
    hypervisor: Hypervisor
    processes: Processes
    owner: FileOwner = field(default_factory=FileOwner.current)
    synced: bool = True
    agents: GuestAgents | None = None
    kernel_log: KernelLog = field(default_factory=DevKmsg)
    nodes: tuple[NumaNode, ...] = (NumaNode(0, (0, 1)), NumaNode(1, (2, 3)))
    name: str = HOST
    api: FakeStatusApi = field(default_factory=FakeStatusApi)

    def __post_init__(self) -> None:
        self.events = ToldEvents()
        self.stores: dict[Resource, dict[str, Manifest]] = {kind: {} for kind in (*_KINDS, *_OF_SNAPSHOTS)}
        self.ports = FakeGuestPorts()
        self.storage = StorageParts.made(
            self.name, SecretValues(self.api), QemuImg(OpenSandbox()), None, lambda: CLUSTER
        )
        self.claims = self.storage.claims
        self.records = RecordStore(self.layout)
        self.consoles, self.kept = ConsoleHub(), KeptStore(self.layout)
        self.woken: list[str] = []
        self.host = HostSpec()
        kvm, userspace, machine = False, True, "pc-q35-7.2"
        self.facts = HostFacts(self.name, CLUSTER, "this boot", kvm, userspace, machine)
        kept, ceph = self.stores[STORAGE_POOLS], self.storage.pools_in_ceph
        self.pools = HostPools(kept, {}, self.name, self.layout, self.owner, ceph=ceph)
        self.disks = self.storage.disks(self.pools)
        self.live_moves = LiveMoves(self.pools, self.disks, self.woken.append, lambda: self.host, self)
        self.put(STORAGE_POOLS, "local", spec={"dir": {"path": str(self.pool)}, "default": True})
        self.migrations, self.target = dict[str, Manifest](), FakeTarget()
        self.reconciler = self.new_reconciler()

    @property
    def pool(self) -> Path:
        return self.layout.local_pool

    def new_reconciler(
        self, *, mortal: Mortality | None = None, quiet_s: float = QUIET_S
    ) -> VirtualMachineReconciler:
        """As after a restart of hostd: nothing is remembered but what lies on disk.

        With `mortal` hostd dies at one of its outside effects.
        """
        guard = mortal.guard if mortal else lambda client: client
        objects = StoredObjects(self.name, self.stores, lambda: self.synced)
        agents = self.agents or cast(GuestAgents, self.hypervisor)
        self.guests = GuestWatch(agents, self.woken.append, self, self.wall_s)
        tools = VmTools(
            api=cast(ApiClient, guard(self.api)),
            objects=objects,
            hypervisor=guard(self.hypervisor),
            processes=self.processes,
            claims=guard(self.claims),
            ask=PoolAsks(self.pools),
            ports=guard(self.ports),
            first_boot=NoFirstBoot(),
            disks=self.disks,
            passphrases=Passphrases(SecretValues(self.api)),
            moves=guard(self.live_moves),
            records=guard(self.records),
            states=StateStore(self.layout, self.claims, self.owner, self.name, self.storage.states),
            directories=guard(VmDirectories(self.layout, self.owner)),
            consoles=self.consoles,
            guests=self.guests,
            cpus=CpuBook(self.nodes, changed=lambda: self.woken.append("all")),
            devices=DeviceBook(lambda: self.host, HostDevices(self.layout.root), guard(self.hypervisor)),
            events=self.events,
            layout=self.layout,
            facts=lambda: self.facts,
            way_problem=lambda pool: self.pools.way_problem(pool),
            pool_key=self.pools.key_of,
            clock=self,
            wall=self.wall_s,
            leg="lo",
            kernel_log=self.kernel_log,
            departures=departures_of(self, guard),
            kept_still=self.kept.under_way,
            in_moment=self.kept.in_moment,
            memory=self._memory,
        )
        self.tools, self.sweeps = tools, GuestSweeps(tools)
        return VirtualMachineReconciler(tools, self.woken.append, quiet_s=quiet_s)

    @asynccontextmanager
    async def _memory(self, pool: str, snapshot: str) -> AsyncIterator[Path]:
        storage = SnapshotStorage(self.layout, QemuImg(OpenSandbox()), self.storage.states)
        async with storage.memory(await self.pools.pool(pool), snapshot, Room()) as path:
            yield path

    def put(self, kind: Resource, name: str, namespace: str = "", **parts: Any) -> Manifest:
        """Store an object that the reconciler reads."""
        key, created = name, "2026-01-01T00:00:00Z"
        metadata = {"name": name, "uid": str(uuid.uuid4()), "creationTimestamp": created}
        if namespace:
            metadata["namespace"], key = namespace, f"{namespace}/{name}"
        self.stores[kind][key] = {"metadata": metadata, **parts}
        return self.stores[kind][key]

    def add_pool(self, name: str) -> Path:
        """Another pool of this host."""
        pool = self.put(STORAGE_POOLS, name, spec={"dir": {"path": str(self.layout.data / "pools" / name)}})
        return Path(pool["spec"]["dir"]["path"])

    def add_volume(self, name: str, size: str = "64Mi") -> Manifest:
        """A volume with data and a free claim, as hostd's volume part leaves it."""
        volume = self.put(VOLUMES, name, "default", spec={"size": size})
        handle = volume["metadata"]["uid"]
        make_disk(self.pool, handle, size)
        self.claims.create(VolumePlace(self.pool, handle), new_claim(CLUSTER))
        found = {"handle": handle, "pool": "local", "data": "Present"}
        volume["status"] = found | {"host": self.name, "capacity": size}
        return volume

    def add_vm(self, name: str, *, disks: dict[str, Manifest] | None = None, **spec: Any) -> VmHandle:
        """A VM that is assigned to this host at epoch 1 and resolved, as the operator leaves it."""
        uid = str(uuid.uuid4())
        manifest = assigned_vm(name, uid, disks or {}, self.name, spec)
        self.stores[VIRTUAL_MACHINES][f"default/{name}"] = self.api.put(manifest)
        return VmHandle(self, f"default/{name}", uid)

    def remove_by_force(self, vm: VmHandle) -> None:
        """The VM is deleted and its finalizers are stripped: the API does not have it any more."""
        del self.api.objects[vm.uid]
        del self.stores[VIRTUAL_MACHINES][vm.key]

    def move_away(self, vm: VmHandle) -> None:
        """The scheduler assigns the VM to another host: it leaves the watch, which selects this host's."""
        vm.change("status", "assignment", value={"host": "h2", "epoch": 2})
        del self.stores[VIRTUAL_MACHINES][vm.key]

    def pull(self) -> None:
        """Let the store see what was written, as the watch would."""
        for key, manifest in self.stores[VIRTUAL_MACHINES].items():
            self.stores[VIRTUAL_MACHINES][key] = self.api.objects[manifest["metadata"]["uid"]]


@dataclass(frozen=True)
class VmHandle:
    """One VM of a world, with the moves that tests make."""

    world: VmWorld
    key: str
    uid: str

    @property
    def domain(self) -> str:
        return f"qx-{self.uid}"

    async def reconcile(self) -> float | None:
        """One look by the reconciler, and the watch that follows it."""
        again = await self.world.reconciler.reconcile(self.uid)
        self.world.pull()
        return again

    async def look_after(self, seconds: float) -> float | None:
        """One look, so much later."""
        self.world.skipped_s += seconds
        return await self.reconcile()

    def ask_restart(self, mode: str = "Graceful", in_s: float = 0.0) -> str:
        """Set spec.restart; returns its time as written."""
        at = render_epoch_time(self.world.wall_s() + in_s)
        self.change("spec", "restart", value={"at": at, "mode": mode})
        return at

    @property
    def root_place(self) -> VolumePlace:
        """Where the first disk of the VM lies."""
        first = self.world.api.objects[self.uid]["status"]["resolved"]["disks"][0]["volume"]
        handle = self.world.stores[VOLUMES][f"default/{first}"]["status"]["handle"]
        return VolumePlace(self.world.pool, handle)

    @property
    def root_claim(self) -> Claim:
        """The claim that decides."""
        claim = self.world.claims.read(self.root_place)
        assert claim is not None
        return claim

    def change(self, *path: str, value: Any) -> None:
        """Change a member of the object, as its writer would; spec raises the generation."""
        manifest = copy.deepcopy(self.world.stores[VIRTUAL_MACHINES][self.key])
        target = manifest
        for name in path[:-1]:
            target = target.setdefault(name, {})
        target[path[-1]] = value
        if path[0] == "spec":
            manifest["metadata"]["generation"] += 1
        self.world.stores[VIRTUAL_MACHINES][self.key] = self.world.api.put(manifest)

    def grant(self) -> None:
        """The operator gives it to itself what spec asks for."""
        vm = VirtualMachine.parse(self.world.stores[VIRTUAL_MACHINES][self.key])
        self.change("status", "resolved", "granted", value=granted_as_asked(vm))

    def delete(self) -> None:
        self.change("metadata", "deletionTimestamp", value="2026-01-02T00:00:00Z")

    @property
    def status(self) -> dict[str, Any]:
        status: dict[str, Any] = self.world.api.objects[self.uid]["status"]
        return status

    def condition(self, kind: str) -> dict[str, Any]:
        return condition_in(self.status, kind)


def with_facts(world: VmWorld, **facts: Any) -> None:
    """Change what the host knows of itself."""
    world.facts = replace(world.facts, **facts)
