"""Server-side apply only when it would change something.

Used by every controller that writes status. What a manager owns is read from the object's `managedFields`, so
nothing is remembered between calls and a foreign hand in our fields is put right.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from quantix_api.resources import Resource
from quantix_client.api import ApiClient, Manifest


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
    known = live["metadata"]
    metadata = {name: known[name] for name in ("name", "namespace", "uid") if name in known}
    if on_version:
        metadata["resourceVersion"] = known["resourceVersion"]
    return await client.apply(
        resource, {"metadata": metadata, **fields}, manager=manager, subresource=subresource
    )


def comparable(fields: Mapping[str, Any]) -> dict[str, Any]:
    """`fields` as they are held against what is owned: without empty members of the status, which nobody
    owns in managedFields, and with its conditions in one order: the server keeps its own.
    """
    if "status" not in fields:
        return dict(fields)
    status = {name: value for name, value in fields["status"].items() if value not in (None, [], {})}
    if "conditions" in status:
        status["conditions"] = sorted(status["conditions"], key=lambda item: str(item.get("type")))
    return {**fields, "status": status}


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
