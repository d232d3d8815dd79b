"""The cache's objects as models, each read once for every version of it.

Used by the controllers' observe steps. What no model can read (an object stored under a newer schema) is
left out and logged: one strange object must not stop the work on all others.
"""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

import structlog
from pydantic import ValidationError

from quantix_api import ApiObject, Image, Network, StoragePool
from quantix_api.errors import PermanentError
from quantix_api.references import admits, bare_name, resolve_key, shared_reference
from quantix_api.resources import NAMESPACE_SHARED, NAMESPACES
from quantix_api.seniority import default_pool
from quantix_client.api import Manifest
from quantix_client.errors import NotFound
from quantix_client.reading import Models
from quantix_client.reflector import Change, key_of
from quantix_operator.cache import Cache, Indexer

log = structlog.get_logger(__name__)

_LONGEST_COMPARED, _MOST_COMPARED = 63, 100

Kind = TypeVar("Kind", bound=ApiObject)
Shareable = TypeVar("Shareable", Image, Network)
Worked = TypeVar("Worked")
Amounts = Callable[[Kind], Mapping[Hashable, int]]
Unread = Callable[[Manifest], Mapping[Hashable, int]]


@dataclass
class _Totals:
    """Sums that are kept up with what changed. `counted`: by key, what an object is in the sums with."""

    changed: set[str] = field(default_factory=set)
    counted: dict[str, Mapping[Hashable, int]] = field(default_factory=dict)
    sums: Counter[Hashable] = field(default_factory=Counter)

    def count(self, key: str, amounts: Mapping[Hashable, int]) -> None:
        """With what it counts now."""
        self.sums.subtract(self.counted.pop(key, {}))
        if amounts:
            self.counted[key] = amounts
            self.sums.update(amounts)


class Objects:
    """Typed reads of a cache."""

    def __init__(self, cache: Cache) -> None:
        self._cache = cache
        self._models = Models()
        self._strange: dict[str, dict[str, Any]] = {}
        self._worked: dict[tuple[str, Callable[..., Any]], tuple[tuple[ApiObject | None, ...], Any]] = {}
        self._steps: set[Callable[..., Any]] = set()
        self._totals: dict[Callable[..., Any], _Totals] = {}
        for resource in cache.resources:
            cache.subscribe(resource, self._forget)

    def _forget(self, change: Change) -> None:
        if change.type == "DELETED":
            uid = change.object["metadata"].get("uid", "")
            self._models.forget(uid)
            self._strange.pop(uid, None)
            for work in self._steps:
                self._worked.pop((uid, work), None)

    def get(self, kind: type[Kind], key: str) -> Kind | None:
        """The object with this key (`namespace/name` or `name`), None when there is none."""
        manifest = self._cache.get(kind.DEFINITION.resource, key)
        return None if manifest is None else self._model(kind, manifest)

    def list(self, kind: type[Kind], namespace: str | None = None) -> list[Kind]:
        """All objects of a kind (in a namespace), in no particular order."""
        manifests = self._cache.list(kind.DEFINITION.resource, namespace)
        return [model for item in manifests if (model := self._model(kind, item)) is not None]

    def by(self, kind: type[Kind], indexer: Indexer, value: str) -> tuple[Kind, ...]:
        """The objects of a kind that have `value`, as `Cache.by`."""
        manifests = self._cache.by(kind.DEFINITION.resource, indexer, value)
        return tuple(model for item in manifests if (model := self._model(kind, item)) is not None)

    def once(self, model: Kind, work: Callable[..., Worked], *beside: ApiObject | None) -> Worked:
        """`work(model, *beside)`, done once for these versions of the objects.

        It may read nothing else: pass the same pure function always, never a lambda.
        """
        place = (model.metadata.uid, work)
        inputs, known = (model, *beside), self._worked.get(place)
        if known is None or any(a is not b for a, b in zip(known[0], inputs, strict=True)):
            self._steps.add(work)
            known = self._worked[place] = (inputs, work(*inputs))
        return cast("Worked", known[1])

    def total(
        self, kind: type[Kind], amounts: Amounts[Kind], of: Hashable, unread: Unread | None = None
    ) -> int:
        """What all objects of a kind have together of what `amounts` calls `of`, without a look at those that
        did not change since it was asked last.

        `amounts` may read nothing but its object: pass the same pure function always, never a lambda. What no
        model can read, or `amounts` raises PermanentError for, is logged and counts with what `unread` finds
        in its manifest.
        """
        totals = self._totals.get(amounts)
        if totals is None:
            totals = self._totals[amounts] = _Totals()
            totals.changed.update(key_of(item) for item in self._cache.list(kind.DEFINITION.resource))
            self._cache.subscribe(kind.DEFINITION.resource, lambda change: totals.changed.add(change.key))
        while totals.changed:
            key = totals.changed.pop()
            totals.count(key, self._counted(kind, key, amounts, unread))
        return totals.sums[of]

    def _counted(
        self, kind: type[Kind], key: str, amounts: Amounts[Kind], unread: Unread | None
    ) -> Mapping[Hashable, int]:
        manifest = self._cache.get(kind.DEFINITION.resource, key)
        if manifest is None:
            return {}
        try:
            model = self._model(kind, manifest)
            if model is not None:
                return amounts(model)
        except PermanentError as error:
            log.error("object not understood", kind=kind.__name__, name=key, error=str(error))
        return unread(manifest) if unread is not None else {}

    def unread(self, kind: type[Kind]) -> tuple[Manifest, ...]:
        """The manifests of a kind that `list` left out since no model can read them."""
        resource = kind.DEFINITION.resource
        return tuple(
            item for item in self._strange.values() if self._cache.get(resource, key_of(item)) is item
        )

    def manifest(self, model: ApiObject) -> dict[str, Any] | None:
        """The object as the API gave it, if it is still there."""
        return self._cache.get(model.DEFINITION.resource, model.key)

    def live(self, model: ApiObject) -> Manifest:
        """The object as the API gave it. Raises NotFound where it is gone."""
        found = self.manifest(model)
        if found is None:
            raise NotFound(f"{model.key} is gone")
        return found

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
        names = sorted(name for name in names if name != wanted)
        bare = bare_name(wanted)
        same = [name for name in names if bare_name(name) == bare]
        # tenants choose how many and how long they are, and for each disk of a VM they are compared anew
        short = [name for name in names if len(name) <= _LONGEST_COMPARED][:_MOST_COMPARED]
        near = same or difflib.get_close_matches(wanted[:_LONGEST_COMPARED], short, n=1)
        return near[0] if near else ""

    def takes_in(self, network: str, namespace: str) -> bool:
        """Whether the Network with this key lets a namespace use it; one that is not there refuses nobody."""
        found = self.get(Network, network)
        return found is None or self.allows(found.spec.allowed_namespaces, namespace)

    def allows(self, selector: dict[str, str] | None, namespace: str) -> bool:
        """Whether `allowedNamespaces` (absent: all) selects the namespace."""
        return admits(selector, self._cache.get(NAMESPACES, namespace))

    def namespace_goes(self, namespace: str) -> bool:
        """Whether a namespace is being deleted."""
        home = self._cache.get(NAMESPACES, namespace)
        return home is not None and bool(home["metadata"].get("deletionTimestamp"))

    def default_pool(self) -> StoragePool | None:
        """The pool that is meant where none is named."""
        return default_pool(self.list(StoragePool))

    def _model(self, kind: type[Kind], manifest: dict[str, Any]) -> Kind | None:
        metadata = manifest["metadata"]
        uid = metadata.get("uid", "")
        if self._strange.get(uid) is manifest:
            return None
        try:
            return self._models.of(kind, manifest)
        except ValidationError as error:
            log.error(
                "object not understood", kind=kind.__name__, name=metadata.get("name"), error=str(error)
            )
            self._strange[uid] = manifest
            return None
