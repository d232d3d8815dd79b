"""Questions to the API server about identities: may I, may they, whose token is this?

Used by hostd's API (console, upload) and the gateway. Nothing is cached here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from quantix_client.api import ApiClient

_AUTHORIZATION = "/apis/authorization.k8s.io/v1"


@dataclass(frozen=True)
class Identity:
    """A user as the API server knows it."""

    name: str
    groups: tuple[str, ...] = ()


@dataclass(frozen=True)
class Access:
    """What is to be done with what; `subresource` may be a virtual one (api.md section 5)."""

    verb: str
    group: str
    resource: str
    namespace: str = ""
    name: str = ""
    subresource: str = ""

    def attributes(self) -> dict[str, str]:
        """As `resourceAttributes` of a review."""
        return {member: value for member, value in vars(self).items() if value}


async def may_i(client: ApiClient, access: Access) -> bool:
    """SelfSubjectAccessReview."""
    return await _allowed(client, "SelfSubjectAccessReview", {"resourceAttributes": access.attributes()})


async def may(client: ApiClient, identity: Identity, access: Access) -> bool:
    """SubjectAccessReview for somebody else."""
    spec = {"user": identity.name, "groups": list(identity.groups), "resourceAttributes": access.attributes()}
    return await _allowed(client, "SubjectAccessReview", spec)


async def whose_token(client: ApiClient, token: str) -> Identity | None:
    """TokenReview: the user of a bearer token, or None when the server does not accept it."""
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": token}}
    answer = await client.request("POST", "/apis/authentication.k8s.io/v1/tokenreviews", json=review)
    status = answer.get("status") or {}
    if not status.get("authenticated"):
        return None
    user = status.get("user") or {}
    return Identity(str(user.get("username", "")), tuple(user.get("groups") or ()))


async def _allowed(client: ApiClient, kind: str, spec: dict[str, Any]) -> bool:
    review = {"apiVersion": "authorization.k8s.io/v1", "kind": kind, "spec": spec}
    answer = await client.request("POST", f"{_AUTHORIZATION}/{kind.lower()}s", json=review)
    return bool((answer.get("status") or {}).get("allowed"))
