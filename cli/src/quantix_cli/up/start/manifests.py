"""Puts the CRDs, policies, roles and namespaces of this version into the cluster.

Applies the manifests that come with quantix_api as manager `quantix-setup` when the cluster does not hold
exactly this version of them, and waits until every kind is served.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from quantix_api import resources
from quantix_api.conditions import condition_of
from quantix_api.errors import InvariantError, QuantixError, TransientError
from quantix_api.installation import all_manifests, version_of
from quantix_api.resources import MANAGER_SETUP, NAMESPACE_SYSTEM, Resource
from quantix_cli.up.start.waiting import until
from quantix_client.api import ApiClient
from quantix_client.errors import NotFound

RECORD = "quantix-setup"
ESTABLISHED_TIMEOUT_S = 60.0
PARALLEL = 4
_FIRST = ("Namespace", "CustomResourceDefinition")

Manifest = dict[str, Any]

_BY_KIND = {(resource.group, resource.kind): resource for resource in resources.ALL_RESOURCES}


def resource_of(manifest: Manifest) -> Resource:
    """Where `manifest` belongs. Raises InvariantError for a kind that quantix_api does not name."""
    group, _, version = manifest["apiVersion"].rpartition("/")
    resource = _BY_KIND.get((group, manifest["kind"]))
    if resource is None:
        raise InvariantError("UnknownKind", f"{manifest['kind']} of {manifest['apiVersion']} is not known.")
    if resource.version == version:
        return resource
    return Resource(group, version, resource.plural, resource.kind, resource.namespaced)


async def ensure_manifests(client: ApiClient, say: Callable[[str], None]) -> tuple[int, bool]:
    """Apply what the cluster does not hold; how many kinds are defined, and whether anything was sent."""
    manifests = all_manifests()
    version = version_of(manifests)
    definitions = [item for item in manifests if item["kind"] == "CustomResourceDefinition"]
    if await _is_recorded(client, version, {item["metadata"]["name"] for item in definitions}):
        return len(definitions), False
    for group in (
        [item for item in manifests if item["kind"] in _FIRST],
        [item for item in manifests if item["kind"] not in _FIRST],
    ):
        await _apply_all(client, group, say)
        if any(item["kind"] == "CustomResourceDefinition" for item in group):
            say("waiting until the new kinds are served")
            await asyncio.gather(*(_established(client, item["metadata"]["name"]) for item in definitions))
    record = {"metadata": {"name": RECORD, "namespace": NAMESPACE_SYSTEM}, "data": {"manifests": version}}
    await ensure_namespace(client, NAMESPACE_SYSTEM)
    await client.apply(resources.CONFIG_MAPS, record, manager=MANAGER_SETUP)
    return len(definitions), True


async def ensure_namespace(client: ApiClient, name: str) -> None:
    """Make a namespace unless it is there."""
    try:
        await client.get(resources.NAMESPACES, name)
    except NotFound:
        await client.apply(resources.NAMESPACES, {"metadata": {"name": name}}, manager=MANAGER_SETUP)


async def _is_recorded(client: ApiClient, version: str, names: set[str]) -> bool:
    try:
        record = await client.get(resources.CONFIG_MAPS, RECORD, NAMESPACE_SYSTEM)
    except NotFound:
        return False
    if (record.get("data") or {}).get("manifests") != version:
        return False
    served = await client.list(resources.CUSTOM_RESOURCE_DEFINITIONS)
    return names <= {item["metadata"]["name"] for item in served.items}


async def _apply_all(client: ApiClient, manifests: list[Manifest], say: Callable[[str], None]) -> None:
    gate = asyncio.Semaphore(PARALLEL)

    async def one(manifest: Manifest) -> None:
        async with gate:
            say(f"{manifest['kind']} {manifest['metadata']['name']}")
            await client.apply(resource_of(manifest), manifest, manager=MANAGER_SETUP)

    # namespaces before what lives in them
    for kind_first in (True, False):
        chosen = [item for item in manifests if (item["kind"] == "Namespace") is kind_first]
        await asyncio.gather(*(one(manifest) for manifest in chosen))


async def _established(client: ApiClient, name: str) -> None:
    async def look() -> bool | None:
        found = await client.get(resources.CUSTOM_RESOURCE_DEFINITIONS, name)
        return True if condition_of(found, "Established").get("status") == "True" else None

    async def give_up() -> QuantixError:
        found = await client.get(resources.CUSTOM_RESOURCE_DEFINITIONS, name)
        refused = condition_of(found, "NamesAccepted").get("message") or "no reason given"
        return TransientError("NotEstablished", f"The kind {name} is not served: {refused}.", "make up again")

    await until(look, ESTABLISHED_TIMEOUT_S, give_up)
