"""What each reconciler acts with, and the doors let in to, from the parts that `assembly` has made.

Called by `assembly` only, once; in which order things are made and live is its own matter.
"""

from __future__ import annotations

from collections.abc import Coroutine, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from quantix_api import Image, VirtualMachine
from quantix_api.resources import (
    HOSTS,
    IMAGES,
    NAMESPACES,
    NETWORKS,
    STORAGE_POOLS,
    VIRTUAL_MACHINE_RESTORES,
    VIRTUAL_MACHINE_SNAPSHOTS,
    VIRTUAL_MACHINES,
    VOLUMES,
)
from quantix_hostd.bundles_of_network import host_network
from quantix_hostd.bundles_of_snapshots import kept_memory
from quantix_hostd.clients.files import FileOwner
from quantix_hostd.clients.huge_pages import HugePages
from quantix_hostd.clients.netlink import NetlinkClient
from quantix_hostd.clients.nft_events import watch_our_tables
from quantix_hostd.clients.ovs_ports import OvsGuestPorts
from quantix_hostd.clients.patience import PatientThreads
from quantix_hostd.clients.peer_source import PeerSource
from quantix_hostd.clients.process import ProcessTable
from quantix_hostd.clients.state_store import StateStore
from quantix_hostd.clients.way_in import QemusWayIn
from quantix_hostd.doors import Parts
from quantix_hostd.firstboot.drive import FirstBootMaker
from quantix_hostd.host.controller import HostTools
from quantix_hostd.host.deleted_pools import DeletedPools
from quantix_hostd.host.pages import HostPages
from quantix_hostd.image.controller import ImageTools
from quantix_hostd.image.fetching import OtherHosts
from quantix_hostd.image.holders import Holders
from quantix_hostd.join.migration import MigrationTrust
from quantix_hostd.join.ovn import Chassis, OvnTrust
from quantix_hostd.join.trust import trust_of_hosts
from quantix_hostd.migration.departures import Departures
from quantix_hostd.migration.incoming import IncomingMoves
from quantix_hostd.pool_asks import PoolAsks
from quantix_hostd.pools import HostPools
from quantix_hostd.snapshot.kept import KeptStore
from quantix_hostd.transfer.receiving import Receiving
from quantix_hostd.transfer.upload_slots import UploadSlots
from quantix_hostd.virtualmachine.departed import DepartedGuests
from quantix_hostd.virtualmachine.objects import StoredObjects
from quantix_hostd.virtualmachine.record import RecordStore
from quantix_hostd.virtualmachine.tools import VmTools
from quantix_hostd.volume.based_on import volumes_based_on
from quantix_hostd.volume.orphans import OrphanTools, VolumeOrphans
from quantix_hostd.volume.tools import VolumeTools
from quantix_hostd.volume.uploads import UploadTools
from quantix_hostd.watches import Moving

if TYPE_CHECKING:
    from quantix_hostd.assembly import Hostd


def host_pools(hostd: Hostd, image_owner: FileOwner) -> HostPools:
    """The pools of this host; images in them belong to `image_owner`."""
    stores, settings, qemu, threads = hostd.watches.stores, hostd.settings, hostd.qemu, PatientThreads()
    return HostPools(
        pools=stores[STORAGE_POOLS],
        hosts=stores[HOSTS],
        host=settings.name,
        layout=settings.layout,
        owner=qemu.files,
        image_owner=image_owner,
        way_in=QemusWayIn(qemu, threads),
        threads=threads,
        ceph=hostd.storage.pools_in_ceph,
    )


def vm_tools(hostd: Hostd) -> VmTools:
    """For the VMs; `hostd` has made its images and disks by then."""
    layout, host, stores = hostd.settings.layout, hostd.settings.name, hostd.watches.stores

    async def bring_image(image: Image) -> None:
        await hostd.images.ensure_copy(image, await hostd.pools.pool(image.spec.pool))

    return VmTools(
        api=hostd.api,
        objects=StoredObjects(host, stores, lambda: hostd.watches.synced),
        hypervisor=hostd.libvirt,
        processes=ProcessTable(),
        claims=hostd.claims,
        ask=PoolAsks(hostd.pools),
        ports=OvsGuestPorts(hostd.settings.ovs_db),
        first_boot=FirstBootMaker(hostd.secrets, layout, hostd.qemu.files),
        disks=hostd.disks,
        passphrases=hostd.passphrases,
        moves=hostd.live_moves,
        records=RecordStore(layout),
        states=StateStore(layout, hostd.claims, hostd.qemu.sockets, host, hostd.storage.states),
        directories=hostd.directories,
        consoles=hostd.consoles,
        guests=hostd.guests,
        cpus=hostd.cpus,
        devices=hostd.devices,
        events=hostd.events,
        layout=layout,
        facts=hostd.facts,
        way_problem=hostd.pools.way_problem,
        pool_key=hostd.pools.key_of,
        bring_image=bring_image,
        departures=_departures(hostd),
        comes=lambda uid: hostd.arrivals.has(uid),
        kept_still=KeptStore(layout).under_way,
        in_moment=KeptStore(layout).in_moment,
        memory=partial(kept_memory, hostd),
    )


def _departures(hostd: Hostd) -> Departures:
    """Of guests that leave this host."""
    trust = hostd.migration_trust
    here = StoredObjects(hostd.settings.name, hostd.watches.stores, lambda: hostd.watches.synced)
    return Departures(
        host=hostd.settings.name,
        api=hostd.api,
        migrations=hostd.watches.moving(Moving.LEAVES),
        hypervisor=hostd.libvirt,
        outgoing=hostd.outgoing,
        trust=partial(trust_of_hosts, hostd.api),
        ready=lambda: trust is not None and trust.ready,
        clock=hostd.clock,
        source_towards=NetlinkClient().source_towards,
        pool=here.pool,
    )


def arrivals(hostd: Hostd, vms: VmTools) -> IncomingMoves:
    """Guests that come to this host."""
    here = StoredObjects(hostd.settings.name, hostd.watches.stores, lambda: hostd.watches.synced)
    return IncomingMoves(
        vms,
        hostd.watches.moving(Moving.COMES),
        hostd.watches.moving(Moving.COMING_VM),
        mine=lambda uid: here.virtual_machine_manifest(uid) is not None,
        known=lambda: hostd.watches.synced,
        closing=lambda: hostd.host.shutting_down,
        look_again=lambda uid: hostd.dispatcher.add(VIRTUAL_MACHINES, uid),
    )


def image_tools(hostd: Hostd, slots: UploadSlots) -> ImageTools:
    """For the images; `slots` are what theirs and the volumes' transfers share."""
    return ImageTools(
        api=hostd.api,
        images=hostd.watches.stores[IMAGES],
        pools=hostd.pools,
        qemu_img=hostd.qemu_img,
        source=hostd.source,
        hosts=OtherHosts(
            Holders(hostd.api, hostd.settings.name), PeerSource(partial(trust_of_hosts, hostd.api))
        ),
        room=hostd.room,
        slots=slots,
        volumes_based_on=volumes_based_on,
        events=hostd.events,
        host=hostd.settings.name,
        keep=hostd.storage.images.keep,
    )


def upload_tools(hostd: Hostd, receiving: Receiving, slots: UploadSlots) -> UploadTools:
    """For the files that are sent for volumes."""
    stores, host = hostd.watches.stores, hostd.settings.name
    known = stores[VOLUMES], stores[NAMESPACES]
    return UploadTools(hostd.api, *known, hostd.pools, receiving, slots, host)


def volume_tools(hostd: Hostd, vms: VmTools) -> VolumeTools:
    """For the volumes; `hostd` has made its images and uploads by then."""
    stores = hostd.watches.stores
    return VolumeTools(
        api=hostd.api,
        passphrases=hostd.passphrases,
        volumes=stores[VOLUMES],
        images=stores[IMAGES],
        snapshots=stores[VIRTUAL_MACHINE_SNAPSHOTS],
        restores=stores[VIRTUAL_MACHINE_RESTORES],
        machines=stores[VIRTUAL_MACHINES],
        namespaces=stores[NAMESPACES],
        pools=hostd.pools,
        copies=hostd.images,
        uploads=hostd.volume_uploads,
        maker=hostd.disks,
        room=hostd.room,
        claims=hostd.claims,
        events=hostd.events,
        live_moves=hostd.live_moves,
        guests=DepartedGuests(vms.objects, vms.records, vms.hypervisor, vms.processes),
        cluster_uid=hostd.cluster_uid,
        host=hostd.settings.name,
    )


def door_parts(hostd: Hostd) -> Parts:
    """What the doors let in to; `hostd` is prepared by then."""
    return Parts(
        settings=hostd.settings,
        api=hostd.api,
        clock=hostd.clock,
        stores=hostd.watches.stores,
        consoles=hostd.consoles,
        events=hostd.events,
        images=hostd.images,
        volume_uploads=hostd.volume_uploads,
        pools=hostd.pools,
        libvirt=hostd.libvirt,
        machines=hostd.machines,
        host=hostd.host,
        dispatcher=hostd.dispatcher,
        metrics=hostd.metrics,
        known=hostd.watches.wait_synced,
        moves=hostd.arrivals,
    )


def host_tools(hostd: Hostd) -> HostTools:
    """For the host itself."""
    stores, settings = hostd.watches.stores, hostd.settings
    pages, objects = HugePages(), StoredObjects(settings.name, stores, lambda: hostd.watches.synced)

    def guests() -> Sequence[VirtualMachine] | None:
        return objects.virtual_machines() if objects.synced else None

    orphans = OrphanTools(hostd.api, stores[VOLUMES], hostd.pools, hostd.claims, hostd.cluster_uid)
    return HostTools(
        api=hostd.api,
        hosts=stores[HOSTS],
        networks=stores[NETWORKS],
        pools=hostd.pools,
        network=host_network(hostd),
        southbound_problem=lambda: hostd.ovn_trust.problem() if hostd.ovn_trust is not None else None,
        libvirt_works=lambda: hostd.libvirt.connected,
        cpu_model=lambda: hostd.cpu_model,
        huge_pages=pages,
        pages=HostPages(pages, settings.layout.data / "huge-pages.json", guests),
        devices=hostd.devices,
        orphans=hostd.orphans,
        orphan_volumes=VolumeOrphans(orphans).find,
        pressure=hostd.pressure.pressure,
        deleted_pools=DeletedPools(hostd.api, stores[HOSTS], hostd.pools, hostd.events),
    )


def ovn_trust(hostd: Hostd) -> OvnTrust | None:
    """How the host and OVN's databases know each other, where hostd is told to see to it."""
    settings, stores = hostd.settings, hostd.watches.stores
    if not settings.ovn_certificate:
        return None

    def uid() -> str:
        return str(stores[HOSTS].get(settings.name, {}).get("metadata", {}).get("uid", ""))

    switch = hostd.ovs if (settings.ovn_sb or "").startswith("ssl:") else None
    chassis = Chassis(settings.name, uid)
    look = partial(hostd.dispatcher.add, HOSTS, settings.name)
    return OvnTrust(settings.layout, chassis, switch, hostd.clock, look)


def migration_trust(hostd: Hostd) -> MigrationTrust | None:
    """What QEMU shows while guests move, on a host that is not alone: one that is has no OVN certificate."""
    settings = hostd.settings
    if not settings.ovn_certificate:
        return None

    def names() -> tuple[str, ...]:
        return settings.name, hostd.address

    return MigrationTrust(settings.layout, settings.name, names, hostd.qemu.files, hostd.clock)


def packet_filter_watch(hostd: Hostd) -> Coroutine[Any, Any, None]:
    """Looks at the host once somebody changed our tables in the packet filter."""
    return watch_our_tables(lambda: hostd.dispatcher.add(HOSTS, hostd.settings.name))
