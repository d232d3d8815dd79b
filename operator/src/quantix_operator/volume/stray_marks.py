"""Takes the mark of a VM that is gone off a Volume of a namespace that is deleted.

The VM controller takes it off with the VM. One whose finalizer somebody removed by hand leaves it, and a
Volume with a mark is not deleted: the namespace would stay for ever (docs/adr/0040). Elsewhere such a mark
stays, since nobody has judged the word of its host (docs/adr/0009). Called by the volume controller.
"""

from __future__ import annotations

from quantix_api import Volume
from quantix_api.resources import (
    ANNOTATION_VIRTUAL_MACHINE,
    LABEL_VIRTUAL_MACHINE_UID,
    NAMESPACES,
    VIRTUAL_MACHINES,
    VOLUMES,
)
from quantix_client.api import ApiClient
from quantix_operator.cache import Cache
from quantix_operator.indexers import own_uid


async def forget_gone_vm(api: ApiClient, cache: Cache, volume: Volume) -> bool:
    """Whether the mark was taken off, after a look at the VMs in the API itself: a cache may lag behind."""
    metadata = volume.metadata
    uid, namespace = metadata.labels.get(LABEL_VIRTUAL_MACHINE_UID), metadata.namespace or ""
    home = cache.get(NAMESPACES, namespace)
    if not uid or home is None or not home["metadata"].get("deletionTimestamp"):
        return False
    if cache.by(VIRTUAL_MACHINES, own_uid, uid):
        return False
    known = (await api.list(VIRTUAL_MACHINES, namespace)).items
    if any(vm["metadata"]["uid"] == uid for vm in known):
        return False
    off = {
        "resourceVersion": metadata.resource_version,
        "labels": {LABEL_VIRTUAL_MACHINE_UID: None},
        "annotations": {ANNOTATION_VIRTUAL_MACHINE: None},
    }
    cache.put(VOLUMES, await api.patch(VOLUMES, metadata.name, {"metadata": off}, namespace))
    return True
