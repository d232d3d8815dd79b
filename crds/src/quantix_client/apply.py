"""Server-side apply only when it would change something.

Used by every controller that writes status. What a manager owns is read from the object's `managedFields`, so
nothing is remembered between calls and a foreign hand in our fields is put right.

Of a condition that two have a part in there stays, when one gives it up, what the other has: where that is
too little to be one, it goes as a whole before.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from quantix_api.resources import Resource
from quantix_client.api import ApiClient, Manifest

# what the schema of a condition requires
_NEEDED = frozenset({"type", "status", "reason"})


async def apply_if_changed(
    client: ApiClient,
    resource: Resource,
    live: Manifest,
    fields: Mapping[str, Any],
    *,
    manager: str,
    subresource: str = "status",
    on_version: bool = False,
) -> Manifest | None:
    """Make `manager` own exactly `fields` (`{"status": {...}}`) of the object `live`; None when it does
    already.

    `live` is the newest known state, with its managedFields. The object's uid goes along, so that a namesake
    made since is left alone (Conflict); with `on_version` also the resourceVersion that was decided on.
    """
    if comparable(owned_fields(live, manager, subresource)) == comparable(fields):
        return None
    if halves := left_in_halves(live, fields, manager, subresource):
        live = await drop_conditions(client, resource, live, halves)
    known = live["metadata"]
    metadata = {name: known[name] for name in ("name", "namespace", "uid") if name in known}
    if on_version:
        metadata["resourceVersion"] = known["resourceVersion"]
    return await client.apply(
        resource, {"metadata": metadata, **fields}, manager=manager, subresource=subresource
    )


def left_in_halves(
    live: Manifest, fields: Mapping[str, Any], manager: str, subresource: str = "status"
) -> tuple[str, ...]:
    """The types of conditions that `manager` has a part in and `fields` no more, and of which others own too
    little to be one: the API server would refuse such an apply.
    """
    wanted = {item.get("type") for item in _conditions(fields)}
    given_up = {item.get("type") for item in _conditions(owned_fields(live, manager, subresource))} - wanted
    entries = live["metadata"].get("managedFields") or []
    others = {entry.get("manager") for entry in entries} - {manager}
    theirs = [item for other in others for item in _conditions(owned_fields(live, str(other), subresource))]
    halves = {item["type"] for item in theirs if item.get("type") in given_up and not item.keys() >= _NEEDED}
    return tuple(sorted(halves))


async def drop_conditions(
    client: ApiClient, resource: Resource, live: Manifest, types: Collection[str]
) -> Manifest:
    """The object without these conditions, whoever owns them. Raises ApiError (Conflict where it is no longer
    as `live` has it).

    No apply can do that: what it leaves out stays while another manager owns it, and the item's key is always
    shared (Kubernetes, server-side apply, 1.32). So it is an update.
    """
    metadata = live["metadata"]
    kept = [item for item in live["status"]["conditions"] if item["type"] not in types]
    patch = {"metadata": {"resourceVersion": metadata["resourceVersion"]}, "status": {"conditions": kept}}
    name, namespace = metadata["name"], metadata.get("namespace")
    return await client.patch(resource, name, patch, namespace, subresource="status")


def _conditions(fields: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield from (fields.get("status") or {}).get("conditions") or ()


def comparable(fields: Mapping[str, Any]) -> dict[str, Any]:
    """`fields` as they are held against what is owned: without empty members of the status, or a status
    that has no others, which nobody owns in managedFields; and with its conditions in one order: the server
    keeps its own.
    """
    rest = {name: value for name, value in fields.items() if name != "status"}
    if not fields.get("status"):
        return rest
    status = {name: value for name, value in fields["status"].items() if value not in (None, [], {})}
    if "conditions" in status:
        status["conditions"] = sorted(status["conditions"], key=lambda item: str(item.get("type")))
    return {**rest, "status": status} if status else rest


def owned_fields(live: Manifest, manager: str, subresource: str = "") -> dict[str, Any]:
    """The part of `live` that `manager` owns by server-side apply, without apiVersion, kind and name.

    Format: fieldsV1 of structured-merge-diff ("f:" a member, "k:" an item by its keys, "v:" a set's member,
    "." the thing itself).
    """
    for entry in live["metadata"].get("managedFields") or []:
        if (
            entry.get("manager") == manager
            and entry.get("operation") == "Apply"
            and str(entry.get("subresource") or "") == subresource
        ):
            owned = _extract(live, entry.get("fieldsV1") or {})
            return owned if isinstance(owned, dict) else {}
    return {}


def _extract(value: Any, fields: Mapping[str, Any]) -> Any:
    paths = {path: inner for path, inner in fields.items() if path != "."}
    if not paths:
        # "." alone is an empty struct of ours; nothing at all is a leaf, taken whole
        return ({} if isinstance(value, dict) else []) if "." in fields else value
    if isinstance(value, list):
        return _extract_items(value, paths)
    if not isinstance(value, dict):
        return value
    members = ((path.removeprefix("f:"), inner) for path, inner in paths.items())
    return {name: _extract(value[name], inner) for name, inner in members if name in value}


def _extract_items(items: list[Any], paths: Mapping[str, Any]) -> list[Any]:
    """Items of a list-map or a set, in the order of the live list."""
    keys = [(json.loads(path[2:]), inner) for path, inner in paths.items() if path.startswith("k:")]
    values = [json.loads(path[2:]) for path in paths if path.startswith("v:")]
    owned = []
    for item in items:
        if item in values:
            owned.append(item)
            continue
        for key, inner in keys:
            if isinstance(item, dict) and all(item.get(name) == wanted for name, wanted in key.items()):
                owned.append(_extract(item, inner))
                break
    return owned
