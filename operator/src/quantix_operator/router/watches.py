"""Which Routers a change concerns, and which part of an object they depend on.

Used by the controller alone. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from quantix_api.references import resolve_key
from quantix_api.resources import ROUTERS
from quantix_client.api import Manifest
from quantix_client.reflector import key_of
from quantix_operator.cache import Cache
from quantix_operator.indexers import leading_through
from quantix_operator.parts import mtus_of_host, wires_of_host
from quantix_operator.router.plan import GATEWAY_LABEL


def of_network(network: Manifest, cache: Cache) -> Iterable[str]:
    """The Routers that a Network is joined to."""
    changed = key_of(network)
    for router in cache.list(ROUTERS):
        namespace = router["metadata"].get("namespace") or ""
        spec = router.get("spec") or {}
        named = {f"{namespace}/{item['name']}" for item in spec.get("networks") or []}
        external = (spec.get("external") or {}).get("network")
        if external:
            named.add(resolve_key(namespace, external))
        if changed in named:
            yield key_of(router)


def of_host(_host: Manifest, cache: Cache) -> Iterable[str]:
    """The Routers whose way out some host carries."""
    for router in cache.list(ROUTERS):
        if (router.get("spec") or {}).get("external"):
            yield key_of(router)


def part_of_host(host: Manifest) -> Any:
    """What they depend on: whether it can carry a way out, and what fits through the wire between hosts."""
    metadata, status = host["metadata"], host.get("status") or {}
    chosen = GATEWAY_LABEL in (metadata.get("labels") or {})
    joined = (bool(status.get("hostUID")), metadata.get("deletionTimestamp"))
    return wires_of_host(host), chosen, joined, mtus_of_host(host)


def of_floating_ip(floating_ip: Manifest, cache: Cache) -> Iterable[str]:
    """The Router that a FloatingIP leads through, while it waits to be deleted."""
    for key in leading_through(floating_ip):
        router = cache.get(ROUTERS, key)
        if router is not None and router["metadata"].get("deletionTimestamp"):
            yield key
