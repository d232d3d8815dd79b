"""May this certificate be? Pure; called by the controller for each request.

```
bootstrap token ──► client certificate of the token's host, once ──► renewed by the host itself
                                      ├──► serving certificate for that Host's own name and addresses
                                      └──► certificate for OVN, named by the UID of that Host
```
Whatever names one of our identities, or comes from one, and is not exactly that, is denied. Requests of
others with other names are none of our business: they wait for whoever runs the cluster.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address
from uuid import UUID

from quantix_api.messages import render
from quantix_api.resources import (
    BOOTSTRAP_GROUP,
    HOST_GROUP,
    HOST_USER_PREFIX,
    MIGRATION_PREFIX,
    SIGNER_CLIENT,
    SIGNER_SERVING,
)
from quantix_operator.certificates.request import CertificateRequest

BOOTSTRAP_USER_PREFIX = "system:bootstrap:"
_OUR_PREFIX = "quantix:"

_CLIENT_USAGES = frozenset({"client auth", "digital signature", "key encipherment"})
_SERVING_USAGES = _CLIENT_USAGES | {"server auth"}


@dataclass(frozen=True)
class Requester:
    """Who asks, as the API server authenticated it, for which signer and usages."""

    user: str
    groups: frozenset[str]
    signer: str
    usages: frozenset[str]

    @property
    def is_host(self) -> bool:
        """Whether a host's client certificate speaks."""
        return self.user.startswith(HOST_USER_PREFIX) and HOST_GROUP in self.groups

    @property
    def is_joining(self) -> bool:
        """Whether one of our bootstrap tokens speaks; other groups' tokens are others' business."""
        return self.user.startswith(BOOTSTRAP_USER_PREFIX) and BOOTSTRAP_GROUP in self.groups


@dataclass(frozen=True)
class HostFacts:
    """What is known about the host that asks. `addresses` None: there is no such Host, and no `uid`."""

    addresses: frozenset[str] | None = None
    foreign_addresses: frozenset[str] = frozenset()
    """Addresses that another Host reported as its own before this one did."""
    uid: str = ""


@dataclass(frozen=True)
class Approve:
    """`host` gets what it asks for; `reason` is CamelCase."""

    host: str
    reason: str
    message: str


@dataclass(frozen=True)
class Deny:
    """`reason` is CamelCase, `message` a sentence with the way out."""

    reason: str
    message: str


@dataclass(frozen=True)
class Wait:
    """Not decidable yet."""

    message: str


@dataclass(frozen=True)
class Ignore:
    """Not ours to decide."""


Decision = Approve | Deny | Wait | Ignore


def requesting_host(requester: Requester, token_host: str | None) -> str | None:
    """The host that speaks: of the bootstrap token, or of the client certificate; None for anybody else."""
    if requester.is_joining:
        return token_host
    if requester.is_host:
        return requester.user.removeprefix(HOST_USER_PREFIX)
    return None


def is_ours(requester: Requester, request: CertificateRequest) -> bool:
    """Whether the request comes from one of our identities, or names one, or wants our signer."""
    return (
        requester.signer == SIGNER_SERVING
        or BOOTSTRAP_GROUP in requester.groups
        or HOST_GROUP in requester.groups
        or any(name.startswith(_OUR_PREFIX) for name in (request.common_name, *request.organizations))
    )


def decide(
    requester: Requester, request: CertificateRequest, token_host: str | None, facts: HostFacts
) -> Decision:
    """The verdict. `token_host`: the `host` of the requester's bootstrap token, None when it has none (any
    more).
    """
    if requester.signer not in (SIGNER_CLIENT, SIGNER_SERVING) or not is_ours(requester, request):
        return Ignore()
    host = requesting_host(requester, token_host)
    if host is None:
        return _not_a_host(requester)
    wants_ovn = _wants_ovn(requester, request)
    if wants_ovn and facts.addresses is None:
        return Wait(f"There is no Host {host} yet, so its UID is not known.")
    wants_migration = requester.is_host and request.common_name.startswith(MIGRATION_PREFIX)
    expected = f"{MIGRATION_PREFIX if wants_migration else HOST_USER_PREFIX}{host}"
    refusal = _subject_refusal(host, facts.uid if wants_ovn else expected, request)
    if refusal is not None:
        return refusal
    if requester.signer == SIGNER_CLIENT:
        return _client(requester, request, host, facts)
    if wants_ovn:
        return _both_ways("OVN", "Connects", requester, request, host, facts)
    if wants_migration:
        return _both_ways("migration", "Moves", requester, request, host, facts)
    return _serving(requester, request, host, facts)


def _not_a_host(requester: Requester) -> Deny:
    if requester.user.startswith(BOOTSTRAP_USER_PREFIX):
        return _deny("TokenUnknown", user=requester.user)
    return _deny("NotAHost", user=requester.user)


def _wants_ovn(requester: Requester, request: CertificateRequest) -> bool:
    """Whether a host asks for what OVN's databases know chassis by (network.md, section 12)."""
    if requester.signer != SIGNER_SERVING or not requester.is_host:
        return False
    try:
        return str(UUID(request.common_name)) == request.common_name
    except ValueError:
        return False


def _subject_refusal(host: str, expected: str, request: CertificateRequest) -> Deny | None:
    if request.common_name != expected:
        return _deny("WrongName", name=repr(request.common_name), host=host)
    if request.organizations != (HOST_GROUP,):
        return _deny("WrongGroup", group=HOST_GROUP)
    if request.strange:
        return _deny("Unexpected", what=", ".join(request.strange))
    if request.weak_key:
        return _deny("WeakKey", key=request.weak_key)
    return None


def _client(requester: Requester, request: CertificateRequest, host: str, facts: HostFacts) -> Decision:
    if request.names:
        return _deny("Unexpected", name=request.names[0])
    if "client auth" not in requester.usages or not requester.usages <= _CLIENT_USAGES:
        return _wrong_usages("client", requester)
    if requester.user.startswith(BOOTSTRAP_USER_PREFIX):
        return _approve(host, "Joins")
    if facts.addresses is None:
        return _deny("HostUnknown", host=host)
    return _approve(host, "Renews")


def _serving(requester: Requester, request: CertificateRequest, host: str, facts: HostFacts) -> Decision:
    if requester.user.startswith(BOOTSTRAP_USER_PREFIX):
        return _deny("NotAHost")
    if "server auth" not in requester.usages or not requester.usages <= _SERVING_USAGES:
        return _wrong_usages("serving", requester)
    if not request.names:
        return _deny("NoNames")
    return _names_refusal(request, host, facts) or _approve(host, "Serves")


def _both_ways(
    purpose: str,
    reason: str,
    requester: Requester,
    request: CertificateRequest,
    host: str,
    facts: HostFacts,
) -> Decision:
    """Others are asked by it, and served with it."""
    if not {"client auth", "server auth"} <= requester.usages <= _SERVING_USAGES:
        return _wrong_usages(purpose, requester)
    refusal = _names_refusal(request, host, facts) if request.names else None
    return refusal or _approve(host, reason)


def _names_refusal(request: CertificateRequest, host: str, facts: HostFacts) -> Deny | Wait | None:
    if not facts.addresses:
        return Wait(f"The Host {host} has not reported its addresses yet.")
    foreign = sorted(set(request.dns_names) - {host})
    if foreign:
        return _deny("WrongName", foreign=foreign[0], host=host)
    for address in request.ip_addresses:
        if address not in facts.addresses:
            return _deny("WrongAddress", address=address, host=host)
        if address in facts.foreign_addresses and not ip_address(address).is_loopback:
            return _deny("AddressShared", address=address)
    return None


def _approve(host: str, reason: str) -> Approve:
    return Approve(host, reason, render(reason, host=host).text)


def _deny(reason: str, **fields: object) -> Deny:
    return Deny(reason, render(reason, **fields).text)


def _wrong_usages(certificate: str, requester: Requester) -> Deny:
    usage = {"serving": "server auth", "client": "client auth"}.get(
        certificate, "client auth and server auth"
    )
    usages = ", ".join(sorted(requester.usages)) or "nothing"
    return _deny("WrongUsages", certificate=certificate, usage=usage, usages=usages)
