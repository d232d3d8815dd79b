"""What an object says while its namespace is being deleted: that it is protected, and keeps it from that, or
that it goes with it (docs/adr/0040).

The server notes in the namespace alone what it may not delete, and takes no events in one that goes. It ends
a deletion of many at the first that is refused, so that others run on beside that as if nothing were. Used by
the controllers of the kinds that can be protected.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from quantix_api import Image, VirtualMachine, Volume
from quantix_api.conditions import condition_in, condition_of
from quantix_api.facts import Fact, fact
from quantix_api.resources import LABEL_VIRTUAL_MACHINE_UID, VIRTUAL_MACHINES, Resource
from quantix_client.api import Manifest
from quantix_client.reflector import key_of
from quantix_operator.cache import Cache
from quantix_operator.indexers import home
from quantix_operator.objects import Objects
from quantix_operator.status_writer import StatusWriter, without_ready

Protectable = VirtualMachine | Volume | Image

_SAID = "NamespaceKept"


def staying_fact(objects: Objects, model: Protectable) -> Fact | None:
    """NamespaceKept, only while it is not: nothing calls the deletion of a namespace back.

    Judged by the object and its namespace alone, so that it is no longer said when either changes. A volume
    that a VM has goes when that does, and leaves it to that to say so.
    """
    metadata, resource = model.metadata, model.DEFINITION.resource
    namespace, protected = metadata.namespace or "", model.spec.deletion_protection
    if model.deleting or not objects.namespace_goes(namespace):
        return None
    if not protected and isinstance(model, Volume) and _has_vm(model):
        return None
    # as `qx` calls the kind
    noun = "vm" if resource == VIRTUAL_MACHINES else resource.kind.lower()
    reason = "NamespaceDeleting" if protected else "GoesWithNamespace"
    return fact(_SAID, "False", reason, namespace=namespace, noun=noun, name=metadata.name)


def _has_vm(volume: Volume) -> bool:
    return LABEL_VIRTUAL_MACHINE_UID in volume.metadata.labels or bool(volume.status.attached_to)


async def unsay(writer: StatusWriter, resource: Resource, live: Manifest) -> None:
    """Take NamespaceKept back from an object that is being deleted itself now, and about which the writer
    says nothing new. Raises Conflict where it has changed meanwhile.
    """
    owned = writer.owned(live)
    if "reason" not in condition_in(owned):
        # what is left to us of a Ready that hostd took over is not to be said again
        owned = without_ready(owned)
    said = owned.get("conditions") or []
    rest = [item for item in said if item.get("type") != _SAID]
    if len(rest) < len(said):
        await writer.write(resource, live, owned | {"conditions": rest}, on_version=True, leave_ready=True)


def left_in(namespace: Manifest, cache: Cache, resource: Resource) -> Sequence[Manifest]:
    """What there still is of a kind in a namespace that is deleted; of any other nothing."""
    metadata = namespace["metadata"]
    return cache.by(resource, home, metadata["name"]) if metadata.get("deletionTimestamp") else ()


def silent_in(namespace: Manifest, cache: Cache, resource: Resource) -> Iterator[str]:
    """Keys of what does not say yet that its namespace is deleted; of any other none: the server has news of
    such a namespace at every try.
    """
    found = left_in(namespace, cache, resource)
    return (key_of(obj) for obj in found if not _is_leaving(obj) and not condition_of(obj, _SAID))


def _is_leaving(obj: Manifest) -> bool:
    return bool(obj["metadata"].get("deletionTimestamp"))
