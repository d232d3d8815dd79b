"""Sends a signing request to the cluster and waits until somebody approved and signed it.

Called by `join.identity` (client certificate, first with the bootstrap token, later with the host's own
identity) and `join.kept`. A request is found again after a restart, since its name comes from its key.
"""

from __future__ import annotations

import base64
import binascii

import structlog

from quantix_api.errors import PermanentError, TransientError
from quantix_api.resources import CSRS
from quantix_client.api import ApiClient, Manifest
from quantix_client.clock import Clock
from quantix_client.errors import AlreadyExists, NotFound
from quantix_hostd.join.requests import Purpose, Wanted, matches, render_request, request_name

_POLL_S = 0.5
_SAY_AGAIN_S = 15.0

log = structlog.get_logger(__name__)


async def obtain_certificate(api: ApiClient, wanted: Wanted, key_pem: str, clock: Clock) -> str:
    """The certificate (PEM) for the key; waits as long as nobody has decided, and says so in the log.

    Raises PermanentError (JoinDenied) when it was denied, TransientError when it could not be signed,
    ApiError.
    """
    name, request_pem = request_name(wanted, key_pem), render_request(wanted, key_pem)
    await _send(api, name, wanted.purpose, request_pem)
    asked_s = said_s = clock.monotonic()
    while True:
        try:
            request = await api.get(CSRS, name)
        except NotFound:
            await _send(api, name, wanted.purpose, request_pem)
            continue
        if certificate := _signed(request, key_pem):
            return certificate
        if clock.monotonic() - said_s >= _SAY_AGAIN_S:
            said_s = clock.monotonic()
            log.info(
                "waiting for a certificate",
                request=name,
                waited_s=round(said_s - asked_s),
                hint=f"is the operator running? By hand: kubectl certificate approve {name}",
            )
        await clock.sleep(_POLL_S)


async def _send(api: ApiClient, name: str, purpose: Purpose, request_pem: str) -> None:
    body: Manifest = {
        "apiVersion": CSRS.api_version,
        "kind": CSRS.kind,
        "metadata": {"name": name},
        "spec": {
            "request": base64.b64encode(request_pem.encode()).decode(),
            "signerName": purpose.signer,
            "usages": list(purpose.usages),
        },
    }
    try:
        await api.create(CSRS, body)
        log.info("certificate requested", request=name, signer=purpose.signer)
    except AlreadyExists:
        log.info("certificate was requested before", request=name)


def _signed(request: Manifest, key_pem: str) -> str | None:
    status = request.get("status") or {}
    name = request["metadata"]["name"]
    conditions = {entry["type"]: entry for entry in status.get("conditions") or []}
    if denied := conditions.get("Denied"):
        raise PermanentError(
            "JoinDenied",
            f"The certificate request {name} was denied. Said: {denied.get('message') or 'nothing'}.",
            "get a bootstrap token that was made for this host name",
        )
    if failed := conditions.get("Failed"):
        raise TransientError(
            "SigningFailed",
            f"Request {name} could not be signed. Said: {failed.get('message') or 'nothing'}.",
        )
    encoded = status.get("certificate")
    if not encoded:
        return None
    try:
        certificate = base64.b64decode(encoded, validate=True).decode("ascii")
    except (binascii.Error, UnicodeDecodeError) as error:
        raise TransientError("SigningFailed", f"Request {name} was answered with no certificate.") from error
    if not matches(certificate, key_pem):
        raise PermanentError(
            "SigningFailed",
            f"Request {name} was answered with another key's certificate",
            f"delete it: {name}",
        )
    return certificate
