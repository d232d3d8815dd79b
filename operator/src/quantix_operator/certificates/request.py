"""What a certificate signing request asks for, read from its PEM without believing any of it.

Called by `observe`; pure.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.x509.oid import NameOID

from quantix_api.errors import PermanentError
from quantix_api.messages import as_error

# A request that is larger holds more than a subject, a key and a few names
_MAX_BYTES = 16 * 1024
_COMMON_NAME = NameOID.COMMON_NAME.dotted_string
_ORGANIZATION = NameOID.ORGANIZATION_NAME.dotted_string


@dataclass(frozen=True)
class CertificateRequest:
    """The content of one CSR whose signature proves possession of its key. `strange` lists what we never
    sign.
    """

    common_name: str
    organizations: tuple[str, ...]
    dns_names: tuple[str, ...] = ()
    ip_addresses: tuple[str, ...] = ()
    weak_key: str = ""
    strange: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """All subject alternative names."""
        return (*self.dns_names, *self.ip_addresses)


def decode(encoded: str) -> x509.CertificateSigningRequest:
    """The CSR in `spec.request` (base64 of PEM). Raises PermanentError (Malformed)."""
    try:
        pem = base64.b64decode(encoded, validate=True)
        if len(pem) > _MAX_BYTES:
            raise _malformed("is too large")
        request = x509.load_pem_x509_csr(pem)
        valid = request.is_signature_valid
    except (binascii.Error, ValueError, UnsupportedAlgorithm) as error:
        raise _malformed(f"cannot be read ({error})") from error
    if not valid:
        raise _malformed("is not signed with its own key")
    return request


def parse(encoded: str) -> CertificateRequest:
    """What the CSR in `spec.request` asks for. Raises PermanentError (Malformed)."""
    request = decode(encoded)
    try:
        return _content(request)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise _malformed(f"cannot be read ({error})") from error


def _content(request: x509.CertificateSigningRequest) -> CertificateRequest:
    names: dict[str, list[str]] = {_COMMON_NAME: [], _ORGANIZATION: []}
    strange: list[str] = []
    for attribute in request.subject:
        value = attribute.value if isinstance(attribute.value, str) else attribute.value.hex()
        known = names.get(attribute.oid.dotted_string)
        if known is None:
            strange.append(f"subject attribute {attribute.rfc4514_attribute_name}")
        else:
            known.append(value)
    common_names = names[_COMMON_NAME]
    if len(common_names) != 1:
        strange.append(f"{len(common_names)} common names")
    dns_names: list[str] = []
    addresses: list[str] = []
    for name in _alternative_names(request):
        if isinstance(name, x509.DNSName):
            dns_names.append(name.value)
        elif isinstance(name, x509.IPAddress):
            addresses.append(str(name.value))
        else:
            strange.append(f"alternative name of type {type(name).__name__}")
    return CertificateRequest(
        common_name=common_names[0] if common_names else "",
        organizations=tuple(names[_ORGANIZATION]),
        dns_names=tuple(dns_names),
        ip_addresses=tuple(addresses),
        weak_key=_weakness(request.public_key()),
        strange=tuple(strange),
    )


def _alternative_names(request: x509.CertificateSigningRequest) -> tuple[x509.GeneralName, ...]:
    try:
        extension = request.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return ()
    return tuple(extension.value)


def _weakness(key: CertificatePublicKeyTypes) -> str:
    """What is wrong with a key, or ""."""
    if isinstance(key, ed25519.Ed25519PublicKey):
        return ""
    if isinstance(key, ec.EllipticCurvePublicKey):
        allowed = isinstance(key.curve, ec.SECP256R1 | ec.SECP384R1 | ec.SECP521R1)
        return "" if allowed else f"the curve {key.curve.name}"
    if isinstance(key, rsa.RSAPublicKey):
        return "" if 2048 <= key.key_size <= 8192 else f"an RSA key of {key.key_size} bits"
    return "an unknown kind of key"


def _malformed(what: str) -> PermanentError:
    return as_error(PermanentError, "Malformed", what=what)
