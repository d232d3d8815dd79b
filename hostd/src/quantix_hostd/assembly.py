"""Builds the parts of hostd and knows the order in which they live. Called by `service` only."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import structlog

from quantix_api import Host
from quantix_api.host_spec import HostSpec
from quantix_api.resources import (
    HOSTS,
    IMAGES,
    VIRTUAL_MACHINE_MIGRATIONS,
    VIRTUAL_MACHINE_RESTORES,
    VIRTUAL_MACHINE_SNAPSHOTS,
    VIRTUAL_MACHINES,
    VOLUMES,
)
from quantix_client.api import ApiClient
from quantix_client.clock import Clock
from quantix_client.events import EventRecorder
from quantix_client.reading import model_of
from quantix_hostd.api.server import bind
from quantix_hostd.bundles import (
    arrivals,
    door_parts,
    host_pools,
    host_tools,
    image_tools,
    migration_trust,
    ovn_trust,
    packet_filter_watch,
    upload_tools,
    vm_tools,
    volume_tools,
)
from quantix_hostd.bundles_of_snapshots import snapshot_tools
from quantix_hostd.clients.cpu_model import read_host_model
from quantix_hostd.clients.host_devices import HostDevices
from quantix_hostd.clients.http_source import HttpSource
from quantix_hostd.clients.image_account import ImageAccount
from quantix_hostd.clients.kernel_limits import raise_aio_limit
from quantix_hostd.clients.kvm import KvmClient
from quantix_hostd.clients.libvirt import LibvirtClient
from quantix_hostd.clients.machine import Machine, read_versions
from quantix_hostd.clients.netlink import NetlinkClient
from quantix_hostd.clients.ovs import OvsClient
from quantix_hostd.clients.qemu_account import QemuAccount
from quantix_hostd.clients.qemu_img import QemuImg
from quantix_hostd.clients.sandbox import Sandbox
from quantix_hostd.cluster import read_cluster_uid
from quantix_hostd.dispatch import HANG_S, Dispatcher
from quantix_hostd.domainxml.spec import NumaNode, vm_uid_of
from quantix_hostd.doors import Doors
from quantix_hostd.facts.cpu_lists import parse_cpus
from quantix_hostd.facts.domain import DomainEvent
from quantix_hostd.facts.machine import Accelerator, KvmVerdict
from quantix_hostd.facts.orphans import OrphanGuest
from quantix_hostd.host.controller import HostController, Self
from quantix_hostd.host.metrics import HostdMetrics
from quantix_hostd.host.pressure import SAMPLE_S, Pressure
from quantix_hostd.host.pressure_watch import PressureWatch
from quantix_hostd.host.pulse import Pulse
from quantix_hostd.host.unmanaged import keep_managers_away
from quantix_hostd.image.controller import ImageController
from quantix_hostd.migration.outgoing import OutgoingMoves
from quantix_hostd.secret_values import SecretValues
from quantix_hostd.settings import Settings
from quantix_hostd.snapshot.controller import SnapshotController
from quantix_hostd.snapshot.restores import RestoreController
from quantix_hostd.storage_parts import StorageParts
from quantix_hostd.transfer.receiving import Receiving
from quantix_hostd.transfer.room import Room
from quantix_hostd.transfer.upload_slots import UploadSlots
from quantix_hostd.upkeep import after_each, repeat
from quantix_hostd.virtualmachine.balloon import Balloons
from quantix_hostd.virtualmachine.console import ConsoleHub
from quantix_hostd.virtualmachine.cpu_book import CpuBook
from quantix_hostd.virtualmachine.desired import HostFacts
from quantix_hostd.virtualmachine.device_book import DeviceBook
from quantix_hostd.virtualmachine.directories import VmDirectories
from quantix_hostd.virtualmachine.firmware import installed_firmware
from quantix_hostd.virtualmachine.guest_watch import GuestWatch
from quantix_hostd.virtualmachine.reconciler import VirtualMachineReconciler
from quantix_hostd.virtualmachine.sweeps import GuestSweeps
from quantix_hostd.volume.controller import VolumeController
from quantix_hostd.volume.live_moves import LiveMoves
from quantix_hostd.volume.passphrases import Passphrases
from quantix_hostd.volume.uploads import VolumeUploads
from quantix_hostd.watches import Watches

_SWEEP_S = 30.0
_STATE_S, _BALLOON_S = 1.0, 5.0
_CLOSE_S = 3.0
_GUARD_S = 3.0  # for so long an ovn-controller that restarted leaves guests unguarded
_EMULATED_CPU = "qemu64"  # what guests have without KVM, and where libvirt names no model

log = structlog.get_logger(__name__)


class Hostd:
    """The parts of one process. `prepare` may be tried again; `run` goes on until cancelled."""

    def __init__(
        self, settings: Settings, api: ApiClient, source: HttpSource, clock: Clock, metrics: HostdMetrics
    ) -> None:
        self.settings, self.metrics = settings, metrics
        self.api, self.source, self.clock = api, source, clock
        self.machine = Machine().read()
        self.kvm = KvmVerdict(Accelerator.TCG, {"why": "it was not tried yet"})
        self.versions: Mapping[str, str] = {}
        self.firmware = installed_firmware()
        self.cluster_uid = ""
        self.cpu_model = _EMULATED_CPU
        self.qemu = QemuAccount.look_up(settings.qemu_user, settings.qemu_group)
        images = ImageAccount.look_up(settings.image_user, settings.qemu_user)
        self.directories = VmDirectories(settings.layout, self.qemu.sockets)
        self.ovs = OvsClient(settings.ovs_db)
        self.qemu_img = QemuImg(Sandbox(images))
        self.secrets = SecretValues(api)
        self.storage = StorageParts.made(
            settings.name, self.secrets, self.qemu_img, images, lambda: self.cluster_uid
        )
        self.claims = self.storage.claims
        self.consoles = ConsoleHub()
        self.events = EventRecorder(api, settings.name, clock=clock)
        self._resync = asyncio.Event()
        self.libvirt = LibvirtClient(
            settings.libvirt_uri,
            on_event=self._on_event,
            on_reset=self._on_libvirt,
        )
        self.dispatcher = Dispatcher(settings.name, lambda: self.watches.stores)
        self.watches = Watches(api, settings.name, self.dispatcher.on_change)
        self.pools = host_pools(self, images.files)
        report = partial(self.dispatcher.add, HOSTS, settings.name)
        self.pulse = Pulse(self.libvirt.wait_for_answer, self.dispatcher.hanging, report, HANG_S)
        pressure = Pressure(self.machine.cpus)
        self.pressure = PressureWatch(pressure, self.libvirt.stats, report, clock)
        self.guests = GuestWatch(self.libvirt.agents, lambda uid: self.dispatcher.add(VIRTUAL_MACHINES, uid))
        nodes = [NumaNode(node.id, parse_cpus(node.cpus), node.memory_bytes) for node in self.machine.numa]
        self.cpus = CpuBook(nodes, self._shared_cpus, self._resync.set, lambda: self.host.node_pages)
        self.devices = DeviceBook(self._host_spec, HostDevices(), self.libvirt)
        self.listener = bind(settings.listen_host, settings.listen_port)
        self.doors: Doors | None = None
        self.ovn_trust = ovn_trust(self)
        self.migration_trust = migration_trust(self)

    async def prepare(self) -> None:
        """Find out what this machine is, become its Host, and build the controllers.

        Raises PermanentError (SecondMachine …), TransientError while the API or the cluster's name is away.
        """
        raise_aio_limit()
        if not self.versions:
            self.kvm = await KvmClient(self.settings.qemu_user).probe()
            self.versions = await read_versions()
            log.info("machine looked at", accelerator=str(self.kvm.accelerator), **self.kvm.obstacle)
        if self.settings.ovn_sb is not None and self.settings.layout.root == Path("/"):
            await keep_managers_away()
        self.cluster_uid = await read_cluster_uid(self.api)
        self.host = HostController(host_tools(self), await self._myself())
        await self.host.register()
        self._build_controllers()

    async def run(self) -> None:
        """Until cancelled, or until a part ends that must not."""
        self.doors = Doors(door_parts(self))
        await self.doors.open_socket()
        async with asyncio.TaskGroup() as group:
            group.create_task(self.watches.run(), name="watches")
            group.create_task(self.libvirt.run(), name="libvirt")
            group.create_task(self.pulse.run(), name="pulse")
            group.create_task(self.events.run(), name="events")
            group.create_task(self.guests.run(), name="guests")
            await self.watches.wait_synced()
            if corrected := await asyncio.to_thread(self.directories.correct):
                log.info("owners and modes of guests' directories corrected", count=corrected)
            sent = (*await self.images.everywhere(), *self.watches.stores[VOLUMES].values())
            await self.pools.tidy(frozenset(str(item["metadata"]["uid"]) for item in sent))
            await self.volumes.remember()
            await self.snapshots.tidy()
            await self.outgoing.tidy()
            group.create_task(self.snapshots.resume_left(), name="snapshots")
            self.dispatcher.add(HOSTS, self.settings.name)
            group.create_task(self.dispatcher.run(self.metrics.reconciles.observer), name="queues")
            group.create_task(after_each(self._resync, self._look_at_all), name="resync")
            sweeps = (self.volume_uploads.tidy, self.images.tidy, self.sweeps.ports, self.sweeps.logs)
            group.create_task(repeat(_SWEEP_S, *sweeps), name="sweep")
            group.create_task(repeat(_SWEEP_S, self.volumes.noted.look), name="claims")
            group.create_task(repeat(_STATE_S, self.machines.keep_states), name="states")
            group.create_task(repeat(_BALLOON_S, self.balloons.step), name="balloons")
            group.create_task(repeat(SAMPLE_S, self.pressure.step), name="pressure")
            if self.settings.ovn_sb is not None:
                group.create_task(repeat(_GUARD_S, self.sweeps.guards), name="guard")
                group.create_task(packet_filter_watch(self), name="packet filter")
            if self.ovn_trust is not None:
                group.create_task(self.ovn_trust.run(self.api), name="ovn trust")
            if self.migration_trust is not None:
                group.create_task(self.migration_trust.run(self.api), name="migration trust")
            group.create_task(self.doors.serve_tls(self.listener, self.address), name="tls")
            log.info("hostd runs", host=self.settings.name, cluster=self.cluster_uid)

    async def close(self) -> None:
        """Let go of what guests do not need."""
        if self.doors is not None:
            await self.doors.close()
        self.listener.close()
        await self.images.stop()
        await self.volumes.stop()
        await self.snapshots.stop()
        await self.restores.stop()
        await self.outgoing.close()
        await self.consoles.close()
        with contextlib.suppress(TimeoutError):
            # where Ceph is away it may take longer than anybody waits
            async with asyncio.timeout(_CLOSE_S):
                await asyncio.to_thread(self.storage.clients.close)

    def facts(self) -> HostFacts:
        """What the VM renderer must know of this host, now."""
        return HostFacts(
            name=self.settings.name,
            cluster_uid=self.cluster_uid,
            boot_id=self.machine.boot_id,
            kvm=self.kvm.accelerator is Accelerator.KVM,
            cpu_controller=self.machine.cpu_controller,
            address_bits=self.machine.address_bits,
            userspace_switch=self.host.facts.userspace,
            machine_type=self.versions.get("machineType", ""),
            firmware=self.firmware,
        )

    def _build_controllers(self) -> None:
        add, self.room, slots = self.dispatcher.add, Room(), UploadSlots(self.settings.name)
        self.disks = self.storage.disks(self.pools)
        self.passphrases = Passphrases(self.secrets)
        look_again = partial(add, VOLUMES)
        self.live_moves = LiveMoves(self.pools, self.disks, look_again, self._host_spec, self.clock)
        self.images = ImageController(image_tools(self, slots), lambda key: add(IMAGES, key))
        on_sent, sendings = partial(add, VIRTUAL_MACHINES), self.metrics.sendings
        self.outgoing = OutgoingMoves(self.libvirt, self.settings.layout, on_sent, self.clock, sendings)
        vms = vm_tools(self)
        receiving = Receiving("volume", self.qemu_img, self.room, look_again)
        self.volume_uploads = VolumeUploads(upload_tools(self, receiving, slots), look_again)
        self.volumes = VolumeController(volume_tools(self, vms), look_again)
        self.sweeps, self.balloons = GuestSweeps(vms), Balloons(vms)
        self.arrivals = arrivals(self, vms)
        self.machines = VirtualMachineReconciler(vms, lambda uid: add(VIRTUAL_MACHINES, uid))
        kept = snapshot_tools(self, vms)
        self.snapshots = SnapshotController(kept, partial(add, VIRTUAL_MACHINE_SNAPSHOTS))
        self.restores = RestoreController(kept, partial(add, VIRTUAL_MACHINE_RESTORES))
        self.dispatcher.vm_keys(self.machines.keys_of)
        self.dispatcher.register(HOSTS, self.host.reconcile, concurrency=1, guarded=False)
        self.dispatcher.register(IMAGES, self.images.reconcile, concurrency=4)
        self.dispatcher.register(VOLUMES, self.volumes.reconcile, concurrency=4)
        self.dispatcher.register(VIRTUAL_MACHINES, self.machines.reconcile, concurrency=8, guarded=True)
        self.dispatcher.register(VIRTUAL_MACHINE_RESTORES, self.restores.reconcile, concurrency=4)
        self.dispatcher.register(VIRTUAL_MACHINE_SNAPSHOTS, self.snapshots.reconcile, concurrency=4)
        self.dispatcher.register(VIRTUAL_MACHINE_MIGRATIONS, self.arrivals.reconcile, concurrency=4)

    async def orphans(self) -> list[OrphanGuest]:
        found = await self.machines.orphans()
        return [OrphanGuest(orphan.uid, orphan.domain, orphan.vm) for orphan in found]

    async def _myself(self) -> Self:
        host, port = self.listener.getsockname()[:2]
        self.address = await NetlinkClient().reachable_address(host)
        shown = f"[{self.address}]:{port}" if ":" in self.address else f"{self.address}:{port}"
        return Self(self.settings.name, self.machine, self.kvm, self.versions, shown)

    def _shared_cpus(self) -> int:
        return self._host_spec().reserved.shared_cpus

    def _host_spec(self) -> HostSpec:
        """Of this host's object; without settings while it is not there."""
        manifest = self.watches.stores[HOSTS].get(self.settings.name)
        return model_of(Host, manifest).spec if manifest else HostSpec()

    def _on_event(self, event: DomainEvent) -> None:
        self.machines.on_libvirt_event(event)
        uid = vm_uid_of(event.domain_name)
        if uid is not None and self.arrivals.has(uid):
            self.dispatcher.add(VIRTUAL_MACHINE_MIGRATIONS, uid)

    def _on_libvirt(self) -> None:
        self.metrics.libvirt_connections.inc()
        self._resync.set()

    async def _look_at_all(self) -> None:
        """After each connection to libvirt: look at every VM, and report the host."""
        self.dispatcher.add(HOSTS, self.settings.name)
        if self.kvm.accelerator is Accelerator.KVM:
            self.cpu_model = await read_host_model(self.settings.libvirt_uri, "kvm") or _EMULATED_CPU
        await self.machines.resync()
