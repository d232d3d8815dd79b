"""What the decisions on certificates read and keep in the API: bootstrap tokens and the authority.

Called by the controller. Secrets are read when needed and not cached: only this package may see them.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from datetime import datetime

import structlog

from quantix_api.resources import (
    CA_CONFIG_MAP,
    CONFIG_MAPS,
    LABEL_MANAGED_BY,
    MANAGED_BY,
    MANAGER_OPERATOR,
    NAMESPACE_SHARED,
    NAMESPACE_SYSTEM,
    SECRETS,
)
from quantix_api.times import parse_time
from quantix_client.api import ApiClient, Manifest
from quantix_client.errors import AlreadyExists, NotFound
from quantix_operator.certificates.authority import Authority, is_due, load_authority, new_authority, renewed

log = structlog.get_logger(__name__)

TOKEN_NAMESPACE = "kube-system"
_TOKEN_PREFIX = "bootstrap-token-"
_AUTHORITY_SECRET = "quantix-ca"


@dataclass(frozen=True)
class BootstrapToken:
    """A token that lets one host join. `expired` is by the operator's clock; the API server refuses it by its
    own.
    """

    name: str
    uid: str
    host: str
    expired: bool


async def find_token(client: ApiClient, token_id: str, now: datetime) -> BootstrapToken | None:
    """The token with this id, if it was made for a host."""
    try:
        secret = await client.get(SECRETS, _TOKEN_PREFIX + token_id, TOKEN_NAMESPACE)
    except NotFound:
        return None
    return token_of(secret, now)


def token_of(secret: Manifest, now: datetime) -> BootstrapToken | None:
    """The token in a Secret; None when it names no host, so is not ours."""
    host = _text(secret, "host")
    if secret.get("type") != "bootstrap.kubernetes.io/token" or not host:
        return None
    metadata = secret["metadata"]
    return BootstrapToken(metadata["name"], metadata["uid"], host, _is_past(_text(secret, "expiration"), now))


async def spent_tokens(client: ApiClient, now: datetime) -> list[BootstrapToken]:
    """Tokens of hosts that have expired. Nobody else removes them on the embedded control plane."""
    listed = await client.list(SECRETS, TOKEN_NAMESPACE, field_selector="type=bootstrap.kubernetes.io/token")
    tokens = (token_of(secret, now) for secret in listed.items)
    return [token for token in tokens if token is not None and token.expired]


async def delete_token(client: ApiClient, token: BootstrapToken) -> None:
    """Delete exactly this token; one made anew under its id stays."""
    try:
        await client.delete(SECRETS, token.name, TOKEN_NAMESPACE, uid=token.uid)
    except NotFound:
        return
    log.info("bootstrap token deleted", host=token.host, expired=token.expired)


async def ensure_authority(client: ApiClient, cluster_uid: str, now: datetime) -> Authority:
    """The authority of this cluster; made by whoever comes first, renewed when it is due, and its certificate
    published for all to read. Raises PermanentError (AuthorityInvalid), ApiError.
    """
    try:
        secret = await client.get(SECRETS, _AUTHORITY_SECRET, NAMESPACE_SYSTEM)
    except NotFound:
        secret = await _create_authority(client, cluster_uid, now)
    authority = load_authority(_text(secret, "tls.crt"), _text(secret, "tls.key"))
    if is_due(authority, now):
        authority = renewed(authority, now)
        await client.replace(SECRETS, {**secret, "data": _data(authority)})
        log.info("certificate authority renewed", ends=str(authority.certificate.not_valid_after_utc))
    await client.apply(
        CONFIG_MAPS,
        {
            "metadata": {
                "name": CA_CONFIG_MAP,
                "namespace": NAMESPACE_SHARED,
                "labels": {LABEL_MANAGED_BY: MANAGED_BY},
            },
            "data": {"ca.crt": authority.certificate_pem},
        },
        manager=MANAGER_OPERATOR,
    )
    return authority


async def _create_authority(client: ApiClient, cluster_uid: str, now: datetime) -> Manifest:
    authority = new_authority(cluster_uid, now)
    body = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": _AUTHORITY_SECRET,
            "namespace": NAMESPACE_SYSTEM,
            "labels": {LABEL_MANAGED_BY: MANAGED_BY},
        },
        "type": "kubernetes.io/tls",
        "data": _data(authority),
    }
    try:
        created = await client.create(SECRETS, body)
    except AlreadyExists:
        return await client.get(SECRETS, _AUTHORITY_SECRET, NAMESPACE_SYSTEM)
    log.info("certificate authority made")
    return created


def _data(authority: Authority) -> dict[str, str]:
    return {"tls.crt": _encoded(authority.certificate_pem), "tls.key": _encoded(authority.key_pem)}


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode("ascii")


def _text(secret: Manifest, name: str) -> str:
    try:
        return base64.b64decode((secret.get("data") or {}).get(name) or "", validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return ""


def _is_past(expiration: str, now: datetime) -> bool:
    """RFC 3339, as the bootstrap authenticator reads it; without an expiration a token lasts."""
    if not expiration:
        return False
    try:
        return parse_time(expiration) <= now
    except ValueError:
        return True
