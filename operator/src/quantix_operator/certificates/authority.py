"""The certificate authority of connections between hosts: Secret `quantix-ca` of quantix-system.

`new_authority`, `renewed` and `sign` are pure but for random numbers; `store` keeps it. The key never leaves
that Secret and this process; the certificate alone, which hosts and `qx` verify with, is in ConfigMap
quantix-shared/quantix-ca.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from quantix_api.errors import PermanentError

_LIFE = timedelta(days=3650)
# Long before the end: whoever was given the old certificate gets the new one with a renewal of its own
_RENEW_BEFORE = timedelta(days=730)
_NAME = "quantix-ca "
# Clocks of hosts differ; a certificate must not be from the future for anybody
_BACKDATED = timedelta(minutes=5)


@dataclass(frozen=True)
class Authority:
    """A CA certificate and its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def certificate_pem(self) -> str:
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode("ascii")

    @property
    def key_pem(self) -> str:
        """PKCS8, not encrypted: for the Secret only."""
        return self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode("ascii")

    def __repr__(self) -> str:
        return f"Authority({self.certificate.subject.rfc4514_string()})"


def new_authority(cluster_uid: str, now: datetime) -> Authority:
    """A fresh ECDSA P-256 authority for ten years, named after the cluster."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"{_NAME}{cluster_uid}")])
    return _self_signed(ec.generate_private_key(ec.SECP256R1()), name, now)


def is_due(authority: Authority, now: datetime) -> bool:
    """Whether it should be renewed. One that an administrator put there is not ours to renew."""
    certificate = authority.certificate
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    ours = certificate.issuer == certificate.subject and any(str(n.value).startswith(_NAME) for n in names)
    return ours and now >= certificate.not_valid_after_utc - _RENEW_BEFORE


def renewed(authority: Authority, now: datetime) -> Authority:
    """Ten more years for the same key and name.

    What was signed before verifies with the new certificate, what is signed later verifies with the old one.
    """
    return _self_signed(authority.key, authority.certificate.subject, now)


def _self_signed(key: ec.EllipticCurvePrivateKey, name: x509.Name, now: datetime) -> Authority:
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(now + _LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return Authority(certificate, key)


def load_authority(certificate_pem: str, key_pem: str) -> Authority:
    """The authority stored in the Secret. Raises PermanentError (AuthorityInvalid)."""
    try:
        certificate = x509.load_pem_x509_certificate(certificate_pem.encode())
        key = serialization.load_pem_private_key(key_pem.encode(), password=None)
    except (ValueError, TypeError) as error:
        raise _invalid("cannot be read") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != certificate.public_key():
        raise _invalid("holds a key that does not belong to its certificate")
    return Authority(certificate, key)


def granted_lifetime(asked_s: float | None, longest: timedelta) -> timedelta:
    """As long as asked (`spec.expirationSeconds`, which the API server checks), at most `longest`."""
    return longest if asked_s is None else min(longest, timedelta(seconds=asked_s))


def sign(
    authority: Authority,
    request: x509.CertificateSigningRequest,
    usages: frozenset[str],
    now: datetime,
    lifetime: timedelta,
) -> str:
    """The certificate for an approved request, followed by the authority's (PEM).

    It lives for `lifetime`, and never longer than the authority.
    """
    until = min(now + lifetime, authority.certificate.not_valid_after_utc)
    key = request.public_key()
    builder = (
        x509.CertificateBuilder()
        .subject_name(request.subject)
        .issuer_name(authority.certificate.subject)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - min(_BACKDATED, lifetime))
        .not_valid_after(until)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(enciphers=isinstance(key, rsa.RSAPublicKey)), critical=True)
        .add_extension(x509.ExtendedKeyUsage(_extended(usages)), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key()), critical=False
        )
    )
    with contextlib.suppress(x509.ExtensionNotFound):
        names = request.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        builder = builder.add_extension(names.value, critical=False)
    certificate = builder.sign(authority.key, hashes.SHA256())
    return certificate.public_bytes(serialization.Encoding.PEM).decode("ascii") + authority.certificate_pem


def _extended(usages: frozenset[str]) -> list[x509.ObjectIdentifier]:
    known = {"server auth": ExtendedKeyUsageOID.SERVER_AUTH, "client auth": ExtendedKeyUsageOID.CLIENT_AUTH}
    return [oid for usage, oid in known.items() if usage in usages]


def _key_usage(*, signs_certificates: bool = False, enciphers: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=enciphers,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _invalid(what: str) -> PermanentError:
    return PermanentError(
        "AuthorityInvalid",
        f"Secret quantix-system/quantix-ca {what}",
        "put back the right one, or delete it: a new one is made and hosts renew their certificates",
    )
