"""What the reconcilers of VMs and of the host act with, from the parts that `assembly` has made.

Called by `assembly` only, once.
"""

from __future__ import annotations

from collections.abc import Coroutine, Sequence
from typing import TYPE_CHECKING, Any

from quantix_api import VirtualMachine
from quantix_api.resources import HOSTS, NETWORKS, VOLUMES
from quantix_hostd.clients.huge_pages import HugePages
from quantix_hostd.clients.netlink import NetlinkClient
from quantix_hostd.clients.nft import NftClient
from quantix_hostd.clients.nft_events import watch_our_tables
from quantix_hostd.clients.ovs_ports import OvsGuestPorts
from quantix_hostd.clients.process import ProcessTable
from quantix_hostd.clients.state_store import StateStore
from quantix_hostd.firstboot.drive import FirstBootMaker
from quantix_hostd.host.controller import HostTools
from quantix_hostd.host.network.controller import HostNetwork, NetworkClients
from quantix_hostd.host.pages import HostPages
from quantix_hostd.virtualmachine.objects import StoredObjects
from quantix_hostd.virtualmachine.record import RecordStore
from quantix_hostd.virtualmachine.tools import VmTools
from quantix_hostd.volume.orphans import OrphanTools, VolumeOrphans

if TYPE_CHECKING:
    from quantix_hostd.assembly import Hostd


def vm_tools(hostd: Hostd) -> VmTools:
    """For the VMs; `hostd` has made its disks by then."""
    layout, host, stores = hostd.settings.layout, hostd.settings.name, hostd.watches.stores
    return VmTools(
        api=hostd.api,
        objects=StoredObjects(host, stores, lambda: hostd.watches.synced),
        hypervisor=hostd.libvirt,
        processes=ProcessTable(),
        claims=hostd.claims,
        ports=OvsGuestPorts(hostd.settings.ovs_db),
        first_boot=FirstBootMaker(hostd.secrets, layout, hostd.qemu.files),
        disks=hostd.disks,
        passphrases=hostd.passphrases,
        moves=hostd.live_moves,
        records=RecordStore(layout),
        states=StateStore(layout, hostd.claims, hostd.qemu.sockets, host),
        directories=hostd.directories,
        consoles=hostd.consoles,
        guests=hostd.guests,
        cpus=hostd.cpus,
        devices=hostd.devices,
        events=hostd.events,
        layout=layout,
        facts=hostd.facts,
    )


def host_tools(hostd: Hostd) -> HostTools:
    """For the host itself."""
    stores, settings = hostd.watches.stores, hostd.settings
    network = None
    if settings.ovn_sb is not None:
        clients = NetworkClients(hostd.ovs, NetlinkClient(), NftClient())
        network = HostNetwork(clients, settings.layout, settings.ovn_sb, hostd.cluster_uid)
    pages, objects = HugePages(), StoredObjects(settings.name, stores, lambda: hostd.watches.synced)

    def guests() -> Sequence[VirtualMachine] | None:
        return objects.virtual_machines() if objects.synced else None

    orphans = OrphanTools(hostd.api, stores[VOLUMES], hostd.pools, hostd.claims, hostd.cluster_uid)
    return HostTools(
        api=hostd.api,
        hosts=stores[HOSTS],
        networks=stores[NETWORKS],
        pools=hostd.pools,
        network=network,
        libvirt_works=lambda: hostd.libvirt.connected,
        cpu_model=lambda: hostd.cpu_model,
        huge_pages=pages,
        pages=HostPages(pages, settings.layout.data / "huge-pages.json", guests),
        devices=hostd.devices,
        orphans=hostd.orphans,
        orphan_volumes=VolumeOrphans(orphans).find,
    )


def packet_filter_watch(hostd: Hostd) -> Coroutine[Any, Any, None]:
    """Looks at the host once somebody changed our tables in the packet filter."""
    return watch_our_tables(lambda: hostd.dispatcher.add(HOSTS, hostd.settings.name))
