"""An API server as far as a controller's own writes of one object need it."""

from __future__ import annotations

from typing import Any

from quantix_api.resources import MANAGER_OPERATOR


class OwningApi:
    """Keeps what is applied to the status of `obj` as the server does: owned by the operator."""

    def __init__(self, obj: dict[str, Any]) -> None:
        self._obj = obj
        self._version = 100
        self.told: list[dict[str, Any]] = []

    async def apply(self, _resource: Any, body: dict[str, Any], **_: Any) -> dict[str, Any]:
        self._version += 1
        status = body["status"]
        self.told.append(status)
        entry = {
            "manager": MANAGER_OPERATOR,
            "operation": "Apply",
            "subresource": "status",
            "fieldsV1": {"f:status": _owned(status)},
        }
        about = {"resourceVersion": str(self._version), "managedFields": [entry]}
        before = self._obj.get("status") or {}
        ours = {item["type"] for item in status["conditions"]}
        theirs = [item for item in before.get("conditions") or [] if item["type"] not in ours]
        merged = before | status | {"conditions": [*theirs, *status["conditions"]]}
        return {**self._obj, "metadata": self._obj["metadata"] | about, "status": merged}


def _owned(status: dict[str, Any]) -> dict[str, Any]:
    """Every member, and every condition by its type (fieldsV1 of structured-merge-diff)."""
    owned: dict[str, Any] = {}
    for name, value in status.items():
        if name == "conditions":
            members: list[dict[str, Any]] = [{f"f:{member}": {} for member in item} for item in value]
            keys = [f'k:{{"type":"{item["type"]}"}}' for item in value]
            owned["f:conditions"] = {key: {".": {}, **of} for key, of in zip(keys, members, strict=True)}
        elif isinstance(value, dict):
            owned[f"f:{name}"] = _owned(value)
        else:
            owned[f"f:{name}"] = {}
    return owned
