"""Builds what keeps the host's own network, of the parts of hostd. Called by `bundles` only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quantix_api.resources import STORAGE_POOLS
from quantix_hostd.clients.netlink import NetlinkClient
from quantix_hostd.clients.nft import NftClient
from quantix_hostd.clients.own_addresses import own_addresses, resolved
from quantix_hostd.host.network.controller import HostNetwork, KnownAddresses, NetworkClients
from quantix_hostd.host.network.known_platform import Platform
from quantix_hostd.platform_addresses import doors_of

if TYPE_CHECKING:
    from quantix_hostd.assembly import Hostd


def host_network(hostd: Hostd) -> HostNetwork | None:
    """None where hostd is to leave the network alone."""
    settings, southbound = hostd.settings, hostd.settings.ovn_sb
    if southbound is None:
        return None
    clients = NetworkClients(hostd.ovs, NetlinkClient(), NftClient())

    async def own() -> frozenset[str]:
        return await own_addresses(clients.netlink, hostd.address, hostd.api.access.server)

    def doors() -> frozenset[str]:
        return doors_of(hostd.api.access.server, southbound)

    platform = Platform(hostd.watches.platform, hostd.watches.stores[STORAGE_POOLS], doors, resolved)
    known = KnownAddresses(own, platform.addresses, platform.is_missed)
    return HostNetwork(clients, settings.layout, southbound, hostd.cluster_uid, known)
