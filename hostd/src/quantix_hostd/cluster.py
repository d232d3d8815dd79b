"""What ConfigMap `quantix-cluster` tells hosts: which cluster they belong to, and where images come from."""

from __future__ import annotations

from quantix_api.errors import TransientError
from quantix_api.resources import CLUSTER_CONFIG_MAP, CONFIG_MAPS, NAMESPACE_SYSTEM
from quantix_client.api import ApiClient
from quantix_hostd.image_addresses import AddressRules, parse_rules


async def read_cluster_uid(api: ApiClient) -> str:
    """The UID of the cluster. Raises ApiError, and TransientError until the operator has made it."""
    found = await api.get(CONFIG_MAPS, CLUSTER_CONFIG_MAP, NAMESPACE_SYSTEM)
    uid = str((found.get("data") or {}).get("uid") or "")
    if not uid:
        raise TransientError("ClusterUnnamed", "The cluster has no UID yet: its operator makes it")
    return uid


async def read_address_rules(api: ApiClient) -> AddressRules:
    """From where an administrator lets images come. Raises ApiError, and TransientError (AddressRefused) for
    what is no range.
    """
    found = await api.get(CONFIG_MAPS, CLUSTER_CONFIG_MAP, NAMESPACE_SYSTEM)
    return parse_rules(found.get("data") or {})
