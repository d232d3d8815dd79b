"""Hands the addresses of all hosts on to every host, in one object: they keep guests from each other's, and
images from being fetched there (docs/adr/0056). Run by the dispatcher; one key.
"""

from __future__ import annotations

from collections.abc import Mapping

from quantix_api.platform_addresses import addresses_of_hosts, handed_on, told_of_itself
from quantix_api.resources import (
    CONFIG_MAPS,
    HOSTS,
    LABEL_MANAGED_BY,
    MANAGED_BY,
    MANAGER_OPERATOR,
    NAMESPACE_SYSTEM,
    PLATFORM_CONFIG_MAP,
    Resource,
)
from quantix_operator.context import Context
from quantix_operator.dispatch import Mapper, OnChangeOf
from quantix_operator.passes import one_key

KEY = "addresses"
# brings it back where somebody removed it; what is so already is no write
_AGAIN_S = 30.0


class HostAddressesController:
    """`await reconcile("addresses")`."""

    name = "host-addresses"
    concurrency = 1
    resource: Resource | None = None
    watches: Mapping[Resource, Mapper] = {HOSTS: OnChangeOf(told_of_itself, one_key(KEY))}

    def __init__(self, context: Context) -> None:
        self._api, self._cache = context.api, context.cache

    async def reconcile(self, key: str) -> float | None:
        """Apply what all hosts say now."""
        metadata = {
            "name": PLATFORM_CONFIG_MAP,
            "namespace": NAMESPACE_SYSTEM,
            "labels": {LABEL_MANAGED_BY: MANAGED_BY},
        }
        data = handed_on(addresses_of_hosts(self._cache.list(HOSTS)))
        await self._api.apply(CONFIG_MAPS, {"metadata": metadata, "data": data}, manager=MANAGER_OPERATOR)
        return _AGAIN_S
