"""The Volume that another one is made from, always one of its namespace. Reads the cache only."""

from __future__ import annotations

from collections.abc import Mapping

from quantix_api import Volume
from quantix_api.conditions import PASSING_REASONS
from quantix_operator.objects import Objects
from quantix_operator.volumedata.right import is_denied, owners_of

WAITING_FOR_HOST = "WaitingForHost"
"""What a Volume says that a VM's host is to make, while there is no such host."""


def source_volume(objects: Objects, volume: Volume) -> Volume | None:
    """The Volume that it is made from, None for none and for one that is not there."""
    source = volume.spec.source
    if source is None or source.volume is None or source.volume == volume.metadata.name:
        return None
    return volume_to_copy(objects, volume.metadata.namespace or "", source.volume)


def volume_to_copy(objects: Objects, namespace: str, name: str) -> Volume | None:
    """The Volume of that name, None where there is none to be copied any more: one that is deleted serves
    what is to be made from it as long as its data is there (docs/adr/0037).
    """
    found = objects.get(Volume, f"{namespace}/{name}")
    return found if found and not (found.deleting and found.status.data != "Present") else None


def is_made(objects: Objects, volume: Volume) -> bool:
    """Whether its data is there, by the word of a host that has a right to it: then it can be copied."""
    return bool(volume.status.host) and volume.status.data == "Present" and not is_denied(objects, volume)


def unmade(objects: Objects, source: Volume) -> tuple[str, Mapping[str, str]]:
    """Reason and fields of what a copy of a Volume without data (`is_made`) waits for: that a VM gets a host
    or somebody uses the source, what keeps those from making it who are to, or that they do.
    """
    fields, ready = {"volume": source.metadata.name}, source.status.condition("Ready")
    owners = owners_of(objects, source)
    placeless = [vm for vm in owners if not (vm.status.assignment and vm.status.assignment.host)]
    if placeless and not source.status.host:
        return WAITING_FOR_HOST, fields | {"vm": placeless[0].metadata.name}
    why = ready.reason if ready is not None and ready.status != "True" else "Pending"
    if why == WAITING_FOR_HOST and not owners and source.spec.source is None:
        return WAITING_FOR_HOST, fields
    return "Creating", fields if why in PASSING_REASONS else fields | {"why": why}
