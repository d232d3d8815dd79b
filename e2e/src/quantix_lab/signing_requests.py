"""Signing requests as hosts, people and impostors send them."""

from __future__ import annotations

import base64
from collections.abc import Sequence

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from quantix_api.resources import HOST_GROUP, HOST_USER_PREFIX

Attribute = tuple[x509.ObjectIdentifier, str]


def host_subject(name: str) -> tuple[Attribute, Attribute]:
    """The subject of the certificate of host `name`."""
    return (NameOID.ORGANIZATION_NAME, HOST_GROUP), (NameOID.COMMON_NAME, HOST_USER_PREFIX + name)


def encoded_request(
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey,
    subject: Sequence[Attribute],
    names: Sequence[x509.GeneralName] = (),
) -> str:
    """A request as `spec.request` of a CertificateSigningRequest has it: PEM in base64."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(
        x509.Name([x509.NameAttribute(oid, value) for oid, value in subject])
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    pem = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    return base64.b64encode(pem).decode()
