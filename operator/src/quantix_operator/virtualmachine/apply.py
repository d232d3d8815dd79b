"""Carries out what the VM controller decided about Volumes, one small step each.

Every step counts only against the version that was decided on; a Conflict means that somebody was faster,
and the caller looks again.
"""

from __future__ import annotations

from quantix_api.resources import VOLUMES
from quantix_client.api import ApiClient
from quantix_client.errors import NotFound
from quantix_operator.cache import Cache
from quantix_operator.virtualmachine.volume_model import CreateVolume, DeleteVolume, PatchVolume, VolumeAction


async def carry_out(api: ApiClient, cache: Cache, namespace: str, action: VolumeAction) -> None:
    """Make, change or delete one Volume; the cache learns at once what was written."""
    match action:
        case CreateVolume(manifest):
            cache.put(VOLUMES, await api.create(VOLUMES, dict(manifest)))
        case PatchVolume(name, _, patch):
            cache.put(VOLUMES, await api.patch(VOLUMES, name, patch, namespace))
        case DeleteVolume(name, uid):
            await _delete(api, namespace, name, uid)


async def _delete(api: ApiClient, namespace: str, name: str, uid: str) -> None:
    try:
        await api.delete(VOLUMES, name, namespace, uid=uid)
    except NotFound:
        return
