"""The operator's identity on a cluster of the user's own: a token of its service account, renewed in place.

Run by `service` in every process. On the embedded control plane the operator has a certificate, which the
control plane renews, and there is nothing to do here; a token in a file of its own is its writer's to renew.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import structlog

from quantix_api.errors import QuantixError
from quantix_api.resources import OPERATOR_USER
from quantix_client.api import ApiClient
from quantix_client.clock import Clock

# so that a clock that somebody set ahead is noticed before the token ends
_LOOK_S = 300.0
_RETRY_S = 60.0
# Renewed when this part of its life is left
_RENEW_AT = 1 / 3

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Token:
    """What a service account's token says of itself (RFC 7519): ours, so it is read and not verified."""

    subject: str
    begins: datetime
    ends: datetime

    def due_s(self, now: datetime) -> float:
        """Seconds until it should be renewed; 0 when that time has come."""
        due = self.ends - (self.ends - self.begins) * _RENEW_AT
        return max(0.0, (due - now).total_seconds())


def parse_token(text: str) -> Token:
    """Raises ValueError when it says neither whose it is nor when it ends."""
    payload = "".join(text.split(".")[1:2])
    claims = json.loads(base64.urlsafe_b64decode(payload + "==") or "{}")
    if not isinstance(claims, dict) or not {"sub", "iat", "exp"} <= claims.keys():
        raise ValueError("no token of a service account with an end")
    begins, ends = (datetime.fromtimestamp(int(claims[claim]), UTC) for claim in ("iat", "exp"))
    return Token(str(claims["sub"]), begins, ends)


class TokenRenewal:
    """Keeps the token in `kubeconfig` fresh, when it is the operator's own."""

    def __init__(self, client: ApiClient, kubeconfig: Path, clock: Clock) -> None:
        self._client = client
        self._kubeconfig = kubeconfig
        self._clock = clock

    async def run(self) -> None:
        """Until cancelled. Failures are logged and tried again."""
        while True:
            token = await asyncio.to_thread(self._held)
            wait_s = token.due_s(datetime.now(UTC)) if token is not None else _LOOK_S
            if token is None or wait_s > 0:
                await self._clock.sleep(min(wait_s, _LOOK_S))
                continue
            try:
                await self.renew(token)
            except (QuantixError, OSError) as error:
                log.warning("token not renewed", ends=str(token.ends), error=str(error))
                await self._clock.sleep(_RETRY_S)

    async def renew(self, token: Token) -> None:
        """Ask for one that lives as long as this one did. Raises ApiError, OSError."""
        _, _, namespace, account = OPERATOR_USER.split(":")
        life_s = round((token.ends - token.begins).total_seconds())
        asked = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"expirationSeconds": life_s},
        }
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token"
        answer = await self._client.request("POST", path, json=asked)
        new = str(answer["status"]["token"])
        await asyncio.to_thread(_exchange, self._kubeconfig, self._client.access.token or "", new)
        log.info("token renewed", ends=str(parse_token(new).ends))

    def _held(self) -> Token | None:
        """The operator's own token, when the kubeconfig itself holds it."""
        text = self._client.access.token
        try:
            document = self._kubeconfig.read_text()
        except OSError:
            return None
        return own_token(text) if text and text in document else None


def own_token(text: str | None) -> Token | None:
    """The token in these credentials when it is the operator's, with an end."""
    try:
        token = parse_token(text or "")
    except ValueError:
        return None
    return token if token.subject == OPERATOR_USER else None


def _exchange(path: Path, old: str, new: str) -> None:
    """Put `new` where `old` stands; the file is there whole at any moment, for root only."""
    text = path.read_text().replace(old, new)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}.new")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        draft.rename(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
