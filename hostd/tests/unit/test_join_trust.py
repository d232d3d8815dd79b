"""A host follows the API server's authority when that is renewed, and trusts nobody new."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from quantix_hostd.join.trust import with_renewed

NOW = datetime(2026, 11, 24, tzinfo=UTC)
KEY, OTHER_KEY = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())


def authority(years: int, name: str = "quantix", key: ec.EllipticCurvePrivateKey = KEY) -> str:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW)
        .not_valid_after(NOW + timedelta(days=365 * years))
        .sign(key, hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def test_a_renewed_certificate_of_a_trusted_authority_is_taken() -> None:
    old, young = authority(2), authority(10)
    assert with_renewed(old, young) == young
    assert with_renewed(young, old) == young


def test_of_several_only_the_renewed_one_is_replaced() -> None:
    old, young, other = authority(2), authority(10), authority(3, "other", OTHER_KEY)
    assert with_renewed(old + other, young) == young + other


@pytest.mark.parametrize(
    "published",
    [
        authority(10, key=OTHER_KEY),
        authority(10, "somebody"),
        "",
        "garbage",
    ],
)
def test_nobody_new_is_trusted(published: str) -> None:
    old = authority(2)
    assert with_renewed(old, published) == old


def test_without_an_authority_of_its_own_a_host_goes_on_trusting_the_machines() -> None:
    assert with_renewed("", authority(10)) == ""
