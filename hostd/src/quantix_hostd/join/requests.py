"""Keys and certificate signing requests: made, read and judged here, sent by `join.signing`. Pure but for
randomness.

EC P-256 throughout: what TLS of libvirt, OVN and the API server all take.
"""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from quantix_api.errors import PermanentError
from quantix_api.resources import HOST_GROUP, HOST_USER_PREFIX, SIGNER_CLIENT, SIGNER_SERVING

# Renewed when this part of its life is left
_RENEW_AT = 1 / 3
_SHORTEST_RETRY_S, _LONGEST_RETRY_S = 1.0, 60.0


@dataclass(frozen=True)
class Purpose:
    """What a certificate is for, and so who signs it."""

    name: str
    signer: str
    usages: tuple[str, ...]


CLIENT = Purpose("client", SIGNER_CLIENT, ("digital signature", "client auth"))
SERVING = Purpose("serving", SIGNER_SERVING, ("digital signature", "server auth"))
MIGRATION = Purpose("migration", SIGNER_SERVING, ("digital signature", "client auth", "server auth"))
OVN = Purpose("ovn", SIGNER_SERVING, ("digital signature", "client auth", "server auth"))


@dataclass(frozen=True)
class Wanted:
    """A certificate as `host` asks for it; `names` are the names and addresses of a server."""

    purpose: Purpose
    host: str
    common_name: str
    names: tuple[str, ...] = ()


def as_host(purpose: Purpose, host: str, names: Sequence[str] = ()) -> Wanted:
    """A certificate that names its host as a user of the API."""
    return Wanted(purpose, host, HOST_USER_PREFIX + host, tuple(names))


def new_key() -> str:
    """A private key as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


def render_request(wanted: Wanted, key_pem: str) -> str:
    """The request as PEM. Raises PermanentError when the key cannot be read."""
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, HOST_GROUP),
            x509.NameAttribute(NameOID.COMMON_NAME, wanted.common_name),
        ]
    )
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    if wanted.names:
        names = [_general_name(name) for name in wanted.names]
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    request = builder.sign(_load_key(key_pem), hashes.SHA256())
    return request.public_bytes(serialization.Encoding.PEM).decode()


def request_name(wanted: Wanted, key_pem: str) -> str:
    """The same for the same key and content, so that a restart finds the request that it sent before."""
    public = _load_key(key_pem).public_key()
    raw = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    content = "\0".join([wanted.common_name, *sorted(wanted.names)])
    mark = hashlib.sha256(raw + content.encode()).hexdigest()[:16]
    return f"quantix-{wanted.purpose.name}-{wanted.host[:200]}-{mark}"


def matches(certificate_pem: str, key_pem: str) -> bool:
    """Whether the certificate is for this key."""
    certificate = _load_certificate(certificate_pem)
    encoding = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    own = _load_key(key_pem).public_key().public_bytes(*encoding)
    return certificate.public_key().public_bytes(*encoding) == own


def common_name(certificate_pem: str) -> str:
    """Whom the certificate names."""
    found = _load_certificate(certificate_pem).subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(found[0].value) if found else ""


def alternative_names(certificate_pem: str) -> frozenset[str]:
    """The names and addresses in a server certificate."""
    certificate = _load_certificate(certificate_pem)
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return frozenset()
    addresses = (str(address) for address in extension.get_values_for_type(x509.IPAddress))
    return frozenset([*extension.get_values_for_type(x509.DNSName), *addresses])


def issued_by(certificate_pem: str, authority_pem: str) -> bool:
    """Whether one of these authorities signed it; False when these cannot be read."""
    certificate = _load_certificate(certificate_pem)
    try:
        authorities = x509.load_pem_x509_certificates(authority_pem.encode())
    except ValueError:
        return False
    return any(_signed(certificate, authority) for authority in authorities)


def ends_at(certificate_pem: str) -> float:
    """When a certificate ends, in Unix time. Raises PermanentError when it is none."""
    return _load_certificate(certificate_pem).not_valid_after_utc.timestamp()


def usable(certificate_pem: str, now: datetime) -> bool:
    """Whether it is valid at `now`."""
    certificate = _load_certificate(certificate_pem)
    return certificate.not_valid_before_utc <= now < certificate.not_valid_after_utc


def renewal_due_s(certificate_pem: str, now: datetime) -> float:
    """Seconds until it should be renewed; 0 when that time has come."""
    certificate = _load_certificate(certificate_pem)
    life = certificate.not_valid_after_utc - certificate.not_valid_before_utc
    due = certificate.not_valid_after_utc - life * _RENEW_AT
    return max(0.0, (due - now).total_seconds())


def retry_s(certificate_pem: str, now: datetime) -> float:
    """Seconds until a renewal that did not work is tried again: several times before a short life ends."""
    left = _load_certificate(certificate_pem).not_valid_after_utc - now
    return min(_LONGEST_RETRY_S, max(_SHORTEST_RETRY_S, left.total_seconds() / 8))


def _signed(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _load_key(key_pem: str) -> ec.EllipticCurvePrivateKey:
    try:
        key = serialization.load_pem_private_key(key_pem.encode(), None)
    except (ValueError, TypeError) as error:
        raise PermanentError(
            "KeyUnusable", "The key of this host cannot be read", "remove it and run qx up again"
        ) from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise PermanentError(
            "KeyUnusable", "The key of this host is of a foreign kind", "remove it and run qx up again"
        )
    return key


def _load_certificate(certificate_pem: str) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(certificate_pem.encode())
    except ValueError as error:
        raise PermanentError(
            "CertificateUnusable",
            "The certificate of this host cannot be read",
            "remove it and run qx up again",
        ) from error
