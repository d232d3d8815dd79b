"""What a protected object says that keeps its namespace from being deleted (docs/adr/0040).

The server notes in the namespace alone what it may not delete, and takes no events in one that goes. Used by
the controllers of the kinds that can be protected.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from quantix_api import Image, VirtualMachine, Volume
from quantix_api.facts import Fact, fact
from quantix_api.resources import VIRTUAL_MACHINES, Resource
from quantix_client.api import Manifest
from quantix_client.reflector import key_of
from quantix_operator.cache import Cache
from quantix_operator.objects import Objects

Protectable = VirtualMachine | Volume | Image


def staying_fact(objects: Objects, model: Protectable) -> Fact | None:
    """NamespaceKept, only while it is not: nothing calls the deletion of a namespace back."""
    metadata, resource = model.metadata, model.DEFINITION.resource
    namespace = metadata.namespace or ""
    if not model.spec.deletion_protection or model.deleting or not objects.namespace_goes(namespace):
        return None
    # as `qx` calls the kind
    noun = "vm" if resource == VIRTUAL_MACHINES else resource.kind.lower()
    return fact(
        "NamespaceKept", "False", "NamespaceDeleting", namespace=namespace, noun=noun, name=metadata.name
    )


def left_in(namespace: Manifest, cache: Cache, resource: Resource) -> Sequence[Manifest]:
    """What there still is of a kind in a namespace that is deleted; of any other nothing."""
    metadata = namespace["metadata"]
    return cache.list(resource, metadata["name"]) if metadata.get("deletionTimestamp") else ()


def protected_in(namespace: Manifest, cache: Cache, resource: Resource) -> Iterator[str]:
    """Keys of the protected objects of a namespace that is deleted; of any other none."""
    found = left_in(namespace, cache, resource)
    return (key_of(obj) for obj in found if (obj.get("spec") or {}).get("deletionProtection"))
