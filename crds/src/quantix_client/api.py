"""The Kubernetes API as verbs on plain dicts.

Used by the operator, hostd, `qx` and the tests. It knows no kind of ours: what a resource is comes as a
`quantix_api.resources.Resource`. All failures are `quantix_client.errors`.
"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from quantix_api.resources import Resource
from quantix_client.clock import Clock
from quantix_client.errors import Unprocessable
from quantix_client.kubeconfig import Access
from quantix_client.transport import Call, OnAnswer, Transport
from quantix_client.watching import WatchEvent, read_events

Manifest = dict[str, Any]

# The server ends a watch after this time. Bookmarks come about every minute, but only where versions moved
# on: longer silence is nothing to worry about, and a reason to look
_WATCH_S = 290
_SILENCE_S = 100.0


@dataclass(frozen=True)
class ListResult:
    """All items of a list (kind and apiVersion filled in) and the resourceVersion to watch from."""

    items: list[Manifest]
    resource_version: str


class ApiClient:
    """`async with ApiClient.from_kubeconfig(path, user_agent="qx") as api: ...`"""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    @classmethod
    def from_kubeconfig(
        cls,
        path: Path,
        *,
        context: str | None = None,
        user_agent: str,
        timeout_s: float = 30.0,
        clock: Clock | None = None,
        on_answer: OnAnswer | None = None,
    ) -> ApiClient:
        """A client of the kubeconfig's current context; `on_answer` as in `Transport`.

        Raises PermanentError when the file is unusable.
        """
        return cls(
            Transport(
                path,
                context=context,
                user_agent=user_agent,
                timeout_s=timeout_s,
                clock=clock,
                on_answer=on_answer,
            )
        )

    @property
    def access(self) -> Access:
        """Server address and credentials in use."""
        return self._transport.access

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._transport.close()

    async def get(self, resource: Resource, name: str, namespace: str | None = None) -> Manifest:
        """One object. Raises NotFound."""
        return await self._transport.send(
            Call("GET", object_path(resource, name, namespace), idempotent=True)
        )

    async def list(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        label_selector: str = "",
        field_selector: str = "",
        limit: int = 500,
    ) -> ListResult:
        """Every object (of one namespace, or of all), page by page. Raises Gone when the pages expired."""
        items: list[Manifest] = []
        token = ""
        while True:
            params = _selectors(label_selector, field_selector) | {"limit": str(limit)}
            if token:
                params["continue"] = token
            page = await self._transport.send(
                Call("GET", collection_path(resource, namespace), params, idempotent=True)
            )
            items += [_typed(resource, item) for item in page.get("items") or []]
            token = str(page["metadata"].get("continue") or "")
            if not token:
                return ListResult(items, str(page["metadata"].get("resourceVersion", "")))

    async def latest_version(self, resource: Resource, namespace: str | None = None) -> str:
        """The store's resourceVersion now, for the price of one object."""
        call = Call("GET", collection_path(resource, namespace), {"limit": "1"}, idempotent=True)
        page = await self._transport.send(call)
        return str(page["metadata"].get("resourceVersion", ""))

    async def watch(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        resource_version: str,
        label_selector: str = "",
        field_selector: str = "",
        silence_s: float = _SILENCE_S,
    ) -> AsyncIterator[WatchEvent]:
        """Changes after `resource_version`, bookmarks included, until the server ends it (normal, minutes).

        Raises Gone when that version is no longer known, Unreachable on a broken connection, Silent on one
        that said nothing for `silence_s` seconds.
        """
        params = _selectors(label_selector, field_selector) | {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": resource_version,
            "timeoutSeconds": str(int(_WATCH_S * random.uniform(0.8, 1.0))),
        }
        call = Call("GET", collection_path(resource, namespace), params, idempotent=True)
        async with self._transport.stream(call, silence_s=silence_s) as stream:
            async for event in read_events(stream):
                yield event

    async def create(self, resource: Resource, obj: Manifest, *, dry_run: bool = False) -> Manifest:
        """Raises AlreadyExists."""
        path = collection_path(resource, obj["metadata"].get("namespace"))
        return await self._transport.send(Call("POST", path, _dry(dry_run), _named(resource, obj)))

    async def apply(
        self,
        resource: Resource,
        obj: Manifest,
        *,
        manager: str,
        force: bool = True,
        subresource: str = "",
        dry_run: bool = False,
    ) -> Manifest:
        """Server-side apply: `manager` owns exactly what `obj` holds; what it left out since is removed."""
        params = {"fieldManager": manager, "force": "true" if force else "false"} | _dry(dry_run)
        body = _named(resource, obj)
        content_type = "application/apply-patch+yaml"
        call = Call(
            "PATCH", _path_of(resource, obj, subresource), params, body, content_type, idempotent=True
        )
        return await self._transport.send(call)

    async def patch(
        self,
        resource: Resource,
        name: str,
        patch: Mapping[str, Any],
        namespace: str | None = None,
        *,
        subresource: str = "",
        manager: str = "",
        dry_run: bool = False,
    ) -> Manifest:
        """JSON merge patch (RFC 7386): null removes a field, lists are replaced whole.

        `manager` is the field manager, where it is not to be the user agent's name.
        """
        path = object_path(resource, name, namespace, subresource)
        params = ({"fieldManager": manager} if manager else {}) | _dry(dry_run)
        return await self._transport.send(
            Call("PATCH", path, params, dict(patch), "application/merge-patch+json")
        )

    async def replace(self, resource: Resource, obj: Manifest, *, subresource: str = "") -> Manifest:
        """PUT. With a resourceVersion in `obj` a compare-and-set: raises Conflict when it is not current."""
        body = _named(resource, obj)
        return await self._transport.send(Call("PUT", _path_of(resource, obj, subresource), body=body))

    async def delete(
        self,
        resource: Resource,
        name: str,
        namespace: str | None = None,
        *,
        uid: str | None = None,
        resource_version: str | None = None,
        propagation: str | None = None,
        dry_run: bool = False,
    ) -> Manifest:
        """Ask for deletion, of exactly that `uid` and `resource_version` if given (else Conflict)."""
        conditions = {"uid": uid, "resourceVersion": resource_version}
        preconditions = {name: value for name, value in conditions.items() if value}
        body: Manifest = {"apiVersion": "v1", "kind": "DeleteOptions"}
        if preconditions:
            body["preconditions"] = preconditions
        if propagation:
            body["propagationPolicy"] = propagation
        if dry_run:
            body["dryRun"] = ["All"]
        return await self._transport.send(Call("DELETE", object_path(resource, name, namespace), body=body))

    async def request(
        self, method: str, path: str, *, json: Any = None, params: Mapping[str, str] | None = None
    ) -> Manifest:
        """Anything else (reviews, approvals, versions): `path` from the root, e.g. /version."""
        return await self._transport.send(Call(method, path, params or {}, json, idempotent=method == "GET"))


def collection_path(resource: Resource, namespace: str | None) -> str:
    """The URL path of all objects of a resource, in one namespace or in all."""
    return resource.path(_segment(namespace) if namespace else None)


def object_path(resource: Resource, name: str, namespace: str | None, subresource: str = "") -> str:
    """The URL path of one object or of a subresource of it."""
    if not resource.namespaced:
        return resource.path(None, _segment(name), subresource)
    if not namespace:
        raise Unprocessable(f"{resource.kind} {name} needs a namespace", reason="Invalid")
    return resource.path(_segment(namespace), _segment(name), subresource)


def _named(resource: Resource, obj: Manifest) -> Manifest:
    """`obj` with what it is, which the server asks for in every object of a defined kind."""
    return {"apiVersion": resource.api_version, "kind": resource.kind, **obj}


def _segment(name: str) -> str:
    """The name, if it stays in its place in a path: the server reads `%2F` as a slash, and takes `..` out
    (Kubernetes 1.37, IsValidPathSegmentName).
    """
    if name in ("", ".", "..") or "/" in name or "%" in name:
        raise Unprocessable(f"{name!r} is not a name", reason="Invalid")
    return name


def _path_of(resource: Resource, obj: Manifest, subresource: str) -> str:
    metadata = obj["metadata"]
    return object_path(resource, metadata["name"], metadata.get("namespace"), subresource)


def _typed(resource: Resource, item: Manifest) -> Manifest:
    """With apiVersion and kind, which lists leave out of built-in types, and callers of what they make."""
    return {"apiVersion": resource.api_version, "kind": resource.kind, **item}


def _selectors(label_selector: str, field_selector: str) -> dict[str, str]:
    selectors = {"labelSelector": label_selector, "fieldSelector": field_selector}
    return {name: value for name, value in selectors.items() if value}


def _dry(dry_run: bool) -> dict[str, str]:
    return {"dryRun": "All"} if dry_run else {}
