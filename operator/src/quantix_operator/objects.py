"""The cache's objects as models, each read once for every version of it.

Used by the controllers' observe steps. What no model can read (an object stored under a newer schema) is
left out and logged: one strange object must not stop the work on all others.
"""

from __future__ import annotations

import difflib
from typing import Any, TypeVar, cast

import structlog
from pydantic import ValidationError

from quantix_api import ApiObject, Image, Network, StoragePool
from quantix_api.references import bare_name, resolve_key, shared_reference
from quantix_api.resources import NAMESPACE_SHARED, NAMESPACES
from quantix_api.seniority import default_pool
from quantix_client.reflector import Change
from quantix_operator.cache import Cache

log = structlog.get_logger(__name__)

Kind = TypeVar("Kind", bound=ApiObject)
Shareable = TypeVar("Shareable", Image, Network)


class Objects:
    """Typed reads of a cache."""

    def __init__(self, cache: Cache) -> None:
        self._cache = cache
        self._read: dict[str, tuple[str, ApiObject | None]] = {}
        for resource in cache.resources:
            cache.subscribe(resource, self._forget)

    def _forget(self, change: Change) -> None:
        if change.type == "DELETED":
            self._read.pop(change.object["metadata"].get("uid", ""), None)

    def get(self, kind: type[Kind], key: str) -> Kind | None:
        """The object with this key (`namespace/name` or `name`), None when there is none."""
        manifest = self._cache.get(kind.DEFINITION.resource, key)
        return None if manifest is None else self._model(kind, manifest)

    def list(self, kind: type[Kind], namespace: str | None = None) -> list[Kind]:
        """All objects of a kind (in a namespace), in no particular order."""
        manifests = self._cache.list(kind.DEFINITION.resource, namespace)
        return [model for item in manifests if (model := self._model(kind, item)) is not None]

    def manifest(self, model: ApiObject) -> dict[str, Any] | None:
        """The object as the API gave it, if it is still there."""
        return self._cache.get(model.DEFINITION.resource, model.key)

    def referred(self, kind: type[Shareable], reference: str, namespace: str) -> Shareable | None:
        """The Image or Network that `NAME` or `shared/NAME` means in `namespace`.

        None when it is not there, is being deleted, or does not allow this namespace: to whoever may not use
        it, it does not exist.
        """
        found = self._named(kind, reference, namespace)
        return None if found is None or found.deleting else found

    def is_going(self, kind: type[Shareable], reference: str, namespace: str) -> bool:
        """Whether what `referred` does not find is there still, but being deleted."""
        found = self._named(kind, reference, namespace)
        return found is not None and found.deleting

    def _named(self, kind: type[Shareable], reference: str, namespace: str) -> Shareable | None:
        found = self.get(kind, resolve_key(namespace, reference))
        return found if found and self.allows(found.spec.allowed_namespaces, namespace) else None

    def near_name(self, kind: type[Shareable], wanted: str, namespace: str) -> str:
        """The name that is nearest to one that is not there, of what the namespace can name; "" for none.

        What is being deleted is not there either.
        """
        names = [item.metadata.name for item in self.list(kind, namespace) if not item.deleting]
        shared = [item for item in self.list(kind, NAMESPACE_SHARED) if not item.deleting]
        names += [
            shared_reference(item.metadata.name)
            for item in shared
            if self.allows(item.spec.allowed_namespaces, namespace)
        ]
        names = [name for name in names if name != wanted]
        bare = bare_name(wanted)
        same = [name for name in sorted(names) if bare_name(name) == bare]
        near = same or difflib.get_close_matches(wanted, names, n=1)
        return near[0] if near else ""

    def allows(self, selector: dict[str, str] | None, namespace: str) -> bool:
        """Whether `allowedNamespaces` (absent: all) selects the namespace."""
        if not selector:
            return True
        found = self._cache.get(NAMESPACES, namespace)
        labels = (found or {}).get("metadata", {}).get("labels") or {}
        return all(labels.get(key) == value for key, value in selector.items())

    def default_pool(self) -> StoragePool | None:
        """The pool that is meant where none is named."""
        return default_pool(self.list(StoragePool))

    def _model(self, kind: type[Kind], manifest: dict[str, Any]) -> Kind | None:
        metadata = manifest["metadata"]
        uid, version = metadata.get("uid", ""), metadata.get("resourceVersion", "")
        known = self._read.get(uid)
        if known is not None and known[0] == version:
            return cast("Kind | None", known[1])
        try:
            model = kind.parse(manifest)
        except ValidationError as error:
            log.error(
                "object not understood", kind=kind.__name__, name=metadata.get("name"), error=str(error)
            )
            model = None
        self._read[uid] = (version, model)
        return model
