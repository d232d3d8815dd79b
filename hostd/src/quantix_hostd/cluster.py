"""What the API tells hosts of the cluster: which one they belong to, and where images may come from."""

from __future__ import annotations

import asyncio
import ipaddress
from dataclasses import replace
from itertools import chain

from quantix_api.errors import TransientError
from quantix_api.platform_addresses import address_in, handed
from quantix_api.resources import (
    CLUSTER_CONFIG_MAP,
    CONFIG_MAPS,
    NAMESPACE_SYSTEM,
    PLATFORM_CONFIG_MAP,
    STORAGE_POOLS,
)
from quantix_client.api import ApiClient
from quantix_client.server_names import ServerNames
from quantix_hostd.image_addresses import AddressRules, IPAddress, parse_rules
from quantix_hostd.platform_addresses import monitors_of


async def read_cluster_uid(api: ApiClient) -> str:
    """The UID of the cluster. Raises ApiError, and TransientError until the operator has made it."""
    found = await api.get(CONFIG_MAPS, CLUSTER_CONFIG_MAP, NAMESPACE_SYSTEM)
    uid = str((found.get("data") or {}).get("uid") or "")
    if not uid:
        raise TransientError("ClusterUnnamed", "The cluster has no UID yet: its operator makes it")
    return uid


async def read_address_rules(api: ApiClient, names: ServerNames) -> AddressRules:
    """From where an administrator lets images come, and what is the cluster's own. Raises ApiError, and
    TransientError (AddressRefused) for what is no range.
    """
    found = await api.get(CONFIG_MAPS, CLUSTER_CONFIG_MAP, NAMESPACE_SYSTEM)
    rules = parse_rules(found.get("data") or {})
    told = await api.get(CONFIG_MAPS, PLATFORM_CONFIG_MAP, NAMESPACE_SYSTEM)
    pools = await api.list(STORAGE_POOLS)
    own = handed(told) | monitors_of(pools.items)
    led_to = await asyncio.gather(*(_addresses(name, names) for name in sorted(own)))
    return replace(rules, platform=frozenset(chain.from_iterable(led_to)))


async def _addresses(name: str, names: ServerNames) -> frozenset[IPAddress]:
    """Of an address itself, or of what a name leads to; none of one that leads nowhere: nobody can connect by
    it either.
    """
    if address := address_in(name):
        return frozenset({ipaddress.ip_address(address)})
    try:
        found = await names.resolve(name)
    except OSError:
        return frozenset()
    return frozenset(ipaddress.ip_address(result["host"].partition("%")[0]) for result in found)
