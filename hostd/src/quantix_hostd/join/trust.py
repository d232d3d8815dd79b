"""The authorities that the cluster publishes, and when one replaces what a host has.

That of the API server is used by `join.identity` with each renewal, and by hostd's own server, which trusts
the same clients; that of hosts by `join.ovn`, and to reach other hosts.
"""

from __future__ import annotations

import ssl

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from quantix_api.errors import TransientError
from quantix_api.resources import CA_CONFIG_MAP, CONFIG_MAPS, NAMESPACE_SHARED
from quantix_client.api import ApiClient
from quantix_client.errors import Forbidden, NotFound
from quantix_client.kubeconfig import load_pair

# Made by every API server (k8s.io/kubernetes v1.37, pkg/controlplane/controller/clusterauthenticationtrust)
_CONFIG_MAP = "extension-apiserver-authentication"


async def published_authority(api: ApiClient) -> str:
    """Whom the API server trusts for client certificates (PEM); "" when it does not say. Raises ApiError."""
    try:
        found = await api.get(CONFIG_MAPS, _CONFIG_MAP, "kube-system")
    except (NotFound, Forbidden):
        return ""
    return str((found.get("data") or {}).get("client-ca-file") or "")


async def published_host_authority(api: ApiClient) -> str:
    """Who signs what hosts show each other (PEM). Raises ApiError, TransientError (AuthorityMissing)."""
    try:
        found = await api.get(CONFIG_MAPS, CA_CONFIG_MAP, NAMESPACE_SHARED)
    except NotFound:
        found = {}
    pem = str((found.get("data") or {}).get("ca.crt") or "")
    try:
        x509.load_pem_x509_certificates(pem.encode())
    except ValueError as error:
        raise TransientError(
            "AuthorityMissing",
            f"ConfigMap {NAMESPACE_SHARED}/{CA_CONFIG_MAP} holds no authority of hosts",
            "restart the operator, which publishes it",
        ) from error
    return pem


async def trust_of_hosts(api: ApiClient) -> ssl.SSLContext:
    """For connections to hostds of other hosts: trusts what the cluster signed, and shows this host's own
    certificate. Raises as `published_host_authority`.
    """
    context = ssl.create_default_context(cadata=await published_host_authority(api))
    if api.access.certificate_pem and api.access.key_pem:
        load_pair(context, api.access.certificate_pem, api.access.key_pem)
    return context


def with_renewed(trusted_pem: str, published_pem: str) -> str:
    """`trusted_pem`, each certificate replaced by a published one of the same name and key that ends later.

    No key is trusted that was not trusted before: those who sign clients need not be those who sign servers.
    """
    try:
        trusted = x509.load_pem_x509_certificates(trusted_pem.encode())
        published = x509.load_pem_x509_certificates(published_pem.encode())
    except ValueError:
        return trusted_pem
    renewed = [_latest(certificate, published) for certificate in trusted]
    if renewed == trusted:
        return trusted_pem
    return "".join(certificate.public_bytes(serialization.Encoding.PEM).decode() for certificate in renewed)


def _latest(certificate: x509.Certificate, published: list[x509.Certificate]) -> x509.Certificate:
    same = [
        other
        for other in published
        if other.subject == certificate.subject and other.public_key() == certificate.public_key()
    ]
    return max([certificate, *same], key=lambda candidate: candidate.not_valid_after_utc)
