"""Decides on certificate signing requests, signs those of `quantix.io/serving`, and ends bootstrap tokens.

Built by `quantix_operator.controllers`; its keys are names of CSRs. An approval is written with the
resourceVersion that was decided on; a request that is finished is removed after an hour, as
kube-controller-manager would.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta

import structlog

from quantix_api.errors import PermanentError
from quantix_api.resources import (
    CSRS,
    HOST_GROUP,
    HOST_USER_PREFIX,
    HOSTS,
    LEASES,
    NAMESPACE_HOSTS,
    SIGNER_SERVING,
    Resource,
)
from quantix_api.times import parse_time
from quantix_client.api import Manifest
from quantix_client.errors import NotFound
from quantix_client.reflector import key_of
from quantix_operator.cache import Cache, version_of
from quantix_operator.certificates import store
from quantix_operator.certificates.addresses import AddressBook, addresses_of
from quantix_operator.certificates.authority import Authority, granted_lifetime, is_due, sign
from quantix_operator.certificates.plan import (
    BOOTSTRAP_USER_PREFIX,
    Approve,
    Decision,
    Deny,
    HostFacts,
    Ignore,
    Requester,
    Wait,
    decide,
    requesting_host,
)
from quantix_operator.certificates.request import decode, parse
from quantix_operator.context import Context
from quantix_operator.dispatch import Mapper, own_key

log = structlog.get_logger(__name__)

_LOOK_AGAIN_S = 2.0
_KEEP = timedelta(hours=1)


class CertificateController:
    """See the module."""

    name = "certificates"
    concurrency = 2
    resource: Resource | None = None

    def __init__(self, context: Context, authority: Authority | None) -> None:
        self._cluster_uid = context.cluster_uid
        self._api = context.api
        self._cache = context.cache
        self._events = context.events
        self._addresses = AddressBook(context.cache)
        self._authority = authority
        self._longest = timedelta(seconds=context.settings.serving_certificate_s)
        self.watches: Mapping[Resource, Mapper] = {CSRS: own_key, HOSTS: requests_of_host}

    async def reconcile(self, key: str) -> float | None:
        """Decide, sign, or clean up after one CSR."""
        request = self._cache.get(CSRS, key)
        if request is None:
            return None
        if _conditions(request):
            return await self._finish(request)
        return await self._decide(request)

    async def _decide(self, csr: Manifest) -> float | None:
        decision = await self._verdict(csr)
        if isinstance(decision, Ignore):
            return None
        if isinstance(decision, Wait):
            log.info("certificate waits", request=key_of(csr), message=decision.message)
            return _LOOK_AGAIN_S
        approved = isinstance(decision, Approve)
        condition = {
            "type": "Approved" if approved else "Denied",
            "status": "True",
            "reason": decision.reason,
            "message": decision.message,
        }
        decided = {**csr, "status": {**(csr.get("status") or {}), "conditions": [condition]}}
        await self._api.replace(CSRS, decided, subresource="approval")
        log.info("certificate decided", request=key_of(csr), **condition)
        if isinstance(decision, Deny):
            self._events.record(csr, "Denied", decision.message, type="Warning", action="Deny")
        return None

    async def _verdict(self, csr: Manifest) -> Decision:
        requester = requester_of(csr)
        try:
            request = parse(csr["spec"]["request"])
        except PermanentError as error:
            # Unreadable, so nobody can say whether it names one of ours; what our own send must be readable
            ours = requester.signer == SIGNER_SERVING or HOST_GROUP in requester.groups
            return Deny(error.reason, error.message) if ours else Ignore()
        token_host = None
        if requester.is_joining:
            token_id = requester.user.removeprefix(BOOTSTRAP_USER_PREFIX)
            token = await store.find_token(self._api, token_id, datetime.now(UTC))
            token_host = token.host if token is not None and not token.expired else None
        return decide(requester, request, token_host, self._facts(requesting_host(requester, token_host)))

    def _facts(self, name: str | None) -> HostFacts:
        host = self._cache.get(HOSTS, name) if name else None
        if name is None or host is None:
            return HostFacts()
        reported, foreign = frozenset(addresses_of(host)), self._addresses.held_by_others(name)
        return HostFacts(reported, foreign, str(host["metadata"].get("uid") or ""))

    async def _finish(self, csr: Manifest) -> float | None:
        """After the decision: sign, end the token that was used, remove what is old."""
        status = csr.get("status") or {}
        requester = requester_of(csr)
        approved = "Approved" in _conditions(csr)
        if approved and not status.get("certificate"):
            return await self._sign(csr) if csr["spec"]["signerName"] == SIGNER_SERVING else None
        waiting = approved and await self._token_is_open(csr)
        age = datetime.now(UTC) - parse_time(csr["metadata"]["creationTimestamp"])
        if age < _KEEP:
            return _LOOK_AGAIN_S if waiting else kept_s(age)
        if requester.is_host or requester.is_joining:
            await self._remove(csr)
        return None

    async def _sign(self, csr: Manifest) -> float | None:
        """Whoever approved it, only what we would approve ourselves is signed."""
        verdict = await self._verdict(csr)
        if not isinstance(verdict, Approve):
            log.warning("certificate approved by another is not signed", request=key_of(csr), why=verdict)
            return _LOOK_AGAIN_S if isinstance(verdict, Wait) else None
        now = datetime.now(UTC)
        if self._authority is None or is_due(self._authority, now):
            self._authority = await store.ensure_authority(self._api, self._cluster_uid, now)
        spec = csr["spec"]
        lifetime = granted_lifetime(spec.get("expirationSeconds"), self._longest)
        pem = sign(self._authority, decode(spec["request"]), requester_of(csr).usages, now, lifetime)
        certificate = base64.b64encode(pem.encode()).decode("ascii")
        signed = {**csr, "status": {**csr["status"], "certificate": certificate}}
        await self._api.replace(CSRS, signed, subresource="status")
        log.info("certificate signed", request=key_of(csr), host=verdict.host)
        return None

    async def _token_is_open(self, csr: Manifest) -> bool:
        """Delete the token that this request was made with once its host reports; True while it does not."""
        requester = requester_of(csr)
        if not requester.is_joining:
            return False
        token = await store.find_token(
            self._api, requester.user.removeprefix(BOOTSTRAP_USER_PREFIX), datetime.now(UTC)
        )
        if token is None:
            return False
        if token.expired or await self._has_reported(token.host, csr):
            await store.delete_token(self._api, token)
            return False
        return True

    async def _has_reported(self, host: str, csr: Manifest) -> bool:
        """Its Lease, which nobody else may write, was renewed after the certificate was issued."""
        try:
            lease = await self._api.get(LEASES, host, NAMESPACE_HOSTS)
        except NotFound:
            return False
        return version_of(lease) > version_of(csr)

    async def _remove(self, csr: Manifest) -> None:
        for token in await store.spent_tokens(self._api, datetime.now(UTC)):
            await store.delete_token(self._api, token)
        try:
            await self._api.delete(CSRS, csr["metadata"]["name"], uid=csr["metadata"]["uid"])
        except NotFound:
            return


async def build(context: Context) -> CertificateController:
    """The controller, with the authority made or loaded. A damaged one is reported, and only signing fails.
    Raises ApiError.
    """
    try:
        authority = await store.ensure_authority(context.api, context.cluster_uid, datetime.now(UTC))
    except PermanentError as error:
        log.error("serving certificates cannot be signed", reason=error.reason, error=str(error))
        authority = None
    return CertificateController(context, authority)


def kept_s(age: timedelta) -> float:
    """Seconds for which a decided request of this age is still kept; one from the future, since somebody set
    the clock back, is new.
    """
    return min(_KEEP, _KEEP - age).total_seconds()


def requester_of(csr: Manifest) -> Requester:
    """Who sent it: filled in by the API server from the authenticated identity, and immutable."""
    spec = csr["spec"]
    return Requester(
        user=str(spec.get("username") or ""),
        groups=frozenset(spec.get("groups") or ()),
        signer=str(spec.get("signerName") or ""),
        usages=frozenset(spec.get("usages") or ()),
    )


def requests_of_host(host: Manifest, cache: Cache) -> Iterable[str]:
    """Undecided requests of a host whose addresses may be known now."""
    user = HOST_USER_PREFIX + host["metadata"]["name"]
    return [
        key_of(item)
        for item in cache.list(CSRS)
        if item["spec"].get("username") == user and not _conditions(item)
    ]


def _conditions(csr: Manifest) -> frozenset[str]:
    return frozenset(item["type"] for item in (csr.get("status") or {}).get("conditions") or [])
