"""Which VMs of this host a change in the API concerns. Pure; the reconciler asks."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from quantix_api.resources import HOSTS, LABEL_VIRTUAL_MACHINE_UID, VIRTUAL_MACHINES, VOLUMES, Resource
from quantix_client.reflector import Change

Manifest = dict[str, Any]


def concerned_vms(resource: Resource, change: Change, assigned: Callable[[], Iterable[str]]) -> Iterable[str]:
    """Their UIDs; `assigned` are all that the API assigns to this host."""
    metadata = change.object.get("metadata") or {}
    if resource == VIRTUAL_MACHINES:
        return (metadata["uid"],)
    if resource == VOLUMES:
        label = (metadata.get("labels") or {}).get(LABEL_VIRTUAL_MACHINE_UID)
        attached = (change.object.get("status") or {}).get("attachedTo") or ()
        return tuple(filter(None, (label, *(item.get("uid") for item in attached))))
    if resource == HOSTS and _in_maintenance(change.object) != _in_maintenance(change.previous or {}):
        return tuple(assigned())
    return ()


def _in_maintenance(host: Manifest) -> bool:
    return bool((host.get("spec") or {}).get("maintenance"))
