"""Who calls, and may they: asked before every handler of hostd's API.

Root on the unix socket may do everything. On TLS a caller shows a client certificate of the cluster or a
bearer token, and the API server decides by SubjectAccessReview (api.md, section 5, virtual subresources).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from aiohttp import web

from quantix_api.resources import GROUP
from quantix_client.api import ApiClient
from quantix_client.reviews import Access, Identity, may, whose_token

ROOT = Identity("root")
ADMITTED = web.RequestKey("admitted", Identity)
_BEARER = "Bearer "


class Guard(Protocol):
    """Names the caller, or ends the request."""

    local: bool

    async def admit(self, request: web.Request, access: Access) -> Identity:
        """Raises HTTPUnauthorized (nobody known) or HTTPForbidden (not allowed)."""


class LocalGuard:
    """For the unix socket, which only root can open."""

    local = True

    async def admit(self, request: web.Request, access: Access) -> Identity:
        return ROOT


class ReviewingGuard:
    """For TLS: the API server says who it is and whether they may."""

    local = False

    def __init__(self, api: ApiClient) -> None:
        self._api = api

    async def admit(self, request: web.Request, access: Access) -> Identity:
        identity = identity_of(request.get_extra_info("peercert"))
        if identity is None:
            identity = await self._by_token(request)
        if identity is None:
            raise web.HTTPUnauthorized(
                text="Nobody known calls. Try: a client certificate or a token of the cluster."
            )
        if not await may(self._api, identity, access):
            what = f"{access.verb} {access.resource}/{access.subresource} {access.namespace}/{access.name}"
            raise web.HTTPForbidden(text=f"{identity.name} may not {what}. Try: ask for a role that has it.")
        request[ADMITTED] = identity
        return identity

    async def _by_token(self, request: web.Request) -> Identity | None:
        header = request.headers.get("Authorization", "")
        if not header.startswith(_BEARER):
            return None
        return await whose_token(self._api, header.removeprefix(_BEARER).strip())


def identity_of(certificate: Mapping[str, Any] | None) -> Identity | None:
    """The user in a verified client certificate: CN is the name, every O a group (Kubernetes, X.509)."""
    if not certificate:
        return None
    pairs = [pair for part in certificate.get("subject", ()) for pair in part]
    names = [value for key, value in pairs if key == "commonName"]
    if not names:
        return None
    groups = [value for key, value in pairs if key == "organizationName"]
    return Identity(names[0], (*groups, "system:authenticated"))


def access_to(verb: str, resource: str, subresource: str, namespace: str = "", name: str = "") -> Access:
    """A virtual subresource of one of our kinds."""
    return Access(verb, GROUP, resource, namespace, name, subresource)
