"""An API that takes status by server-side apply, and can be read: enough for a reconciler's tests.

It keeps objects by UID, merges what each manager applies, and writes managedFields as the API server does,
so that `apply_if_changed` works on it unchanged.
"""

from __future__ import annotations

import copy
import json
from typing import Any

from quantix_api.resources import Resource
from quantix_client.api import ListResult
from quantix_client.errors import Forbidden, NotFound

Manifest = dict[str, Any]
_ITEM_KEYS = (("type",), ("namespace", "virtualMachine"), ("name",), ("path",), ("resource",))


class FakeStatusApi:
    """`writes` lists every apply that reached it: (manager, status)."""

    def __init__(self) -> None:
        self.objects: dict[str, Manifest] = {}
        self.writes: list[tuple[str, Manifest]] = []
        self.failure: Exception | None = None
        self.list_failure: Exception | None = None
        self.get_failure: Exception | None = None
        self.forbidden: set[str] = set()
        """Names of what may not be read."""
        self._version = 0

    def put(self, manifest: Manifest) -> Manifest:
        """Store or replace an object, as a user or another controller would."""
        self._version += 1
        stored = copy.deepcopy(manifest)
        stored["metadata"]["resourceVersion"] = str(self._version)
        self.objects[stored["metadata"]["uid"]] = stored
        return stored

    async def get(self, resource: Resource, name: str, namespace: str | None = None) -> Manifest:
        if self.get_failure is not None:
            raise self.get_failure
        if name in self.forbidden:
            raise Forbidden(f"{resource.kind} {name} may not be read.")
        for found in self.objects.values():
            if (found["metadata"]["name"], found["metadata"].get("namespace")) == (name, namespace):
                return copy.deepcopy(found)
        raise NotFound(f"There is no {resource.kind} {namespace}/{name}.")

    async def list(
        self, resource: Resource, namespace: str | None = None, *, field_selector: str = ""
    ) -> ListResult:
        """What it has, of whatever kind. `field_selector`: PATH=VALUE of one field, "" for all."""
        if self.list_failure is not None:
            raise self.list_failure
        path, _, value = field_selector.partition("=")
        found = [
            copy.deepcopy(item)
            for item in self.objects.values()
            if namespace in (None, item["metadata"].get("namespace"))
            and (not path or _at(item, path) == value)
        ]
        return ListResult(found, str(self._version))

    async def apply(
        self, resource: Resource, obj: Manifest, *, manager: str, subresource: str = "", **_: Any
    ) -> Manifest:
        if self.failure is not None:
            raise self.failure
        stored = copy.deepcopy(self.objects[obj["metadata"]["uid"]])
        status = copy.deepcopy(obj["status"])
        self.writes.append((manager, status))
        _drop_owned(stored.setdefault("status", {}), _owned(stored, manager))
        _merge(stored["status"], status)
        entries = stored["metadata"].setdefault("managedFields", [])
        entries[:] = [entry for entry in entries if entry["manager"] != manager]
        entries.append(
            {
                "manager": manager,
                "operation": "Apply",
                "subresource": subresource,
                "fieldsV1": {"f:status": _fields(status)},
            }
        )
        return self.put(stored)


def _at(value: Any, path: str) -> Any:
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _owned(stored: Manifest, manager: str) -> Manifest:
    for entry in stored["metadata"].get("managedFields", []):
        if entry["manager"] == manager:
            owned: Manifest = entry["fieldsV1"]["f:status"]
            return owned
    return {}


def _fields(value: Any) -> Manifest:
    if isinstance(value, dict):
        return {f"f:{name}": _fields(inner) for name, inner in value.items()}
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return {_item_path(item): {".": {}, **_fields(item)} for item in value}
    return {}


def _key_of(item: Manifest) -> Manifest:
    keys = next(names for names in _ITEM_KEYS if all(name in item for name in names))
    return {name: item[name] for name in keys}


def _item_path(item: Manifest) -> str:
    return "k:" + json.dumps(_key_of(item), separators=(",", ":"))


def _drop_owned(status: Manifest, owned: Manifest) -> None:
    for path, inner in owned.items():
        name = path.removeprefix("f:")
        value = status.get(name)
        if isinstance(value, list) and inner:
            status[name] = [left for item in value if (left := _without_owned(item, inner))]
        elif isinstance(value, dict) and inner:
            _drop_owned(value, inner)
            if not value:
                del status[name]
        else:
            status.pop(name, None)


def _without_owned(item: Manifest, owned: Manifest) -> Manifest | None:
    """What others said of an item of a list; None where that is nothing but its key."""
    for path, inner in owned.items():
        key = json.loads(path[2:]) if path.startswith("k:") else None
        if key is not None and key.items() <= item.items():
            named = {name.removeprefix("f:") for name in inner} - key.keys()
            item = {name: value for name, value in item.items() if name not in named}
            return None if item.keys() <= key.keys() else item
    return item


def _merge_items(found: list[Manifest], applied: list[Manifest]) -> None:
    for item in applied:
        key = _key_of(item).items()
        before = next((other for other in found if key <= other.items()), None)
        if before is None:
            found.append(item)
        else:
            before.update(item)


def _merge(status: Manifest, applied: Manifest) -> None:
    for name, value in applied.items():
        if isinstance(value, dict):
            _merge(status.setdefault(name, {}), value)
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            _merge_items(status.setdefault(name, []), value)
        else:
            status[name] = value
