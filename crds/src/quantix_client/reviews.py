"""Questions to the API server about identities: may they, whose token is this?

Used by hostd's API. Nothing is cached here.
"""

from __future__ import annotations

from dataclasses import dataclass

from quantix_client.api import ApiClient


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


async def may(client: ApiClient, identity: Identity, access: Access) -> bool:
    """SubjectAccessReview for somebody else."""
    spec = {"user": identity.name, "groups": list(identity.groups), "resourceAttributes": access.attributes()}
    review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec}
    answer = await client.request("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", json=review)
    return bool((answer.get("status") or {}).get("allowed"))


async def whose_token(client: ApiClient, token: str) -> Identity | None:
    """TokenReview: the user of a bearer token, or None when the server does not accept it."""
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": token}}
    answer = await client.request("POST", "/apis/authentication.k8s.io/v1/tokenreviews", json=review)
    status = answer.get("status") or {}
    if not status.get("authenticated"):
        return None
    user = status.get("user") or {}
    return Identity(str(user.get("username", "")), tuple(user.get("groups") or ()))
