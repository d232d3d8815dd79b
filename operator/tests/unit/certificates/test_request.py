"""Requests are read without believing any of it; certificates hold what was approved and no more."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from quantix_api.errors import PermanentError
from quantix_lab.signing_requests import encoded_request, host_subject
from quantix_operator.certificates.authority import (
    granted_lifetime,
    is_due,
    load_authority,
    new_authority,
    renewed,
    sign,
)
from quantix_operator.certificates.request import decode, parse

NOW = datetime(2026, 11, 24, tzinfo=UTC)
DAYS_90 = timedelta(days=90)
Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


def encoded(
    *attributes: tuple[x509.ObjectIdentifier, str],
    names: tuple[x509.GeneralName, ...] = (),
    key: Key | None = None,
) -> str:
    subject = attributes or host_subject("h1")
    return encoded_request(key or ec.generate_private_key(ec.SECP256R1()), subject, names)


def test_a_request_is_read() -> None:
    names = (x509.DNSName("h1"), x509.IPAddress(ip_address("192.0.2.1")))
    request = parse(encoded(names=names))
    assert request.common_name == "quantix:host:h1"
    assert request.organizations == ("quantix:hosts",)
    assert request.names == ("h1", "192.0.2.1")
    assert (request.weak_key, request.strange) == ("", ())


def test_what_no_host_needs_is_named() -> None:
    odd = parse(
        encoded(
            (NameOID.COMMON_NAME, "a"),
            (NameOID.COMMON_NAME, "b"),
            (NameOID.SERIAL_NUMBER, "1"),
            names=(x509.RFC822Name("root@example.com"),),
        )
    )
    assert len(odd.strange) == 3
    assert parse(encoded((NameOID.ORGANIZATION_NAME, "x"))).strange == ("0 common names",)


@pytest.mark.parametrize(
    ("key", "weak"),
    [
        (rsa.generate_private_key(65537, 1024), "an RSA key of 1024 bits"),
        (rsa.generate_private_key(65537, 2048), ""),
        (ec.generate_private_key(ec.SECP256K1()), "the curve secp256k1"),
        (ec.generate_private_key(ec.SECP384R1()), ""),
    ],
)
def test_weak_keys_are_found(key: Key, weak: str) -> None:
    assert parse(encoded(key=key)).weak_key == weak


@pytest.mark.parametrize(
    "text",
    [
        "",
        "%%%",
        base64.b64encode(b"no pem").decode(),
        base64.b64encode(
            b"-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n"
        ).decode(),
        base64.b64encode(b"x" * 20_000).decode(),
    ],
)
def test_garbage_is_malformed(text: str) -> None:
    with pytest.raises(PermanentError) as caught:
        parse(text)
    assert caught.value.reason == "Malformed"


def test_a_request_whose_signature_is_not_its_keys_is_malformed() -> None:
    der = bytearray(decode(encoded()).public_bytes(serialization.Encoding.DER))
    der[-1] ^= 1
    pem = b"-----BEGIN CERTIFICATE REQUEST-----\n" + base64.encodebytes(bytes(der))
    pem += b"-----END CERTIFICATE REQUEST-----\n"
    with pytest.raises(PermanentError):
        parse(base64.b64encode(pem).decode())


def test_a_signed_certificate_holds_the_subject_the_names_and_the_usages_and_chains_to_the_authority() -> (
    None
):
    authority = new_authority("uid", NOW)
    names = (x509.DNSName("h1"), x509.IPAddress(ip_address("fd00::1")))
    usages = frozenset({"server auth", "client auth", "digital signature"})
    pem = sign(authority, decode(encoded(names=names)), usages, NOW, DAYS_90)
    leaf, issuer = x509.load_pem_x509_certificates(pem.encode())
    leaf.verify_directly_issued_by(issuer)
    assert issuer == authority.certificate
    assert leaf.subject.rfc4514_string() == "CN=quantix:host:h1,O=quantix:hosts"
    assert tuple(leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value) == names
    extended = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert set(extended) == {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH}
    assert not leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert not leaf.extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign


def test_a_request_without_names_is_signed_without_names() -> None:
    pem = sign(new_authority("uid", NOW), decode(encoded()), frozenset({"client auth"}), NOW, DAYS_90)
    leaf = x509.load_pem_x509_certificate(pem.encode())
    with pytest.raises(x509.ExtensionNotFound):
        leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName)


@pytest.mark.parametrize(
    ("asked_s", "given"),
    [
        (None, DAYS_90),
        (24 * 3600, timedelta(days=1)),
        (3000 * 24 * 3600, DAYS_90),
    ],
)
def test_a_certificate_lives_as_long_as_asked_and_no_longer_than_the_longest(
    asked_s: float | None, given: timedelta
) -> None:
    request = decode(encoded(names=(x509.DNSName("h1"),)))
    lifetime = granted_lifetime(asked_s, DAYS_90)
    pem = sign(new_authority("uid", NOW), request, frozenset({"server auth"}), NOW, lifetime)
    assert x509.load_pem_x509_certificate(pem.encode()).not_valid_after_utc == NOW + given


def test_a_short_life_is_not_backdated_so_far_that_it_is_due_at_once() -> None:
    request = decode(encoded(names=(x509.DNSName("h1"),)))
    pem = sign(new_authority("uid", NOW), request, frozenset({"server auth"}), NOW, timedelta(seconds=30))
    assert x509.load_pem_x509_certificate(pem.encode()).not_valid_before_utc == NOW - timedelta(seconds=30)


def test_a_renewed_authority_and_the_old_one_trust_the_same_certificates() -> None:
    old = new_authority("uid", NOW - timedelta(days=3000))
    request = decode(encoded(names=(x509.DNSName("h1"),)))
    assert is_due(old, NOW)
    assert not is_due(old, NOW - timedelta(days=100))
    young = renewed(old, NOW)
    assert not is_due(young, NOW)
    assert young.certificate.not_valid_after_utc == NOW + timedelta(days=3650)
    for signer, other in ((old, young), (young, old)):
        pem = sign(signer, request, frozenset({"server auth"}), NOW, DAYS_90)
        x509.load_pem_x509_certificate(pem.encode()).verify_directly_issued_by(other.certificate)


def test_an_authority_of_an_administrators_own_is_not_renewed_by_us() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Example Corp hosts")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(NOW - timedelta(days=100))
        .not_valid_after(NOW + timedelta(days=10))
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM).decode()
    key_pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    assert not is_due(load_authority(pem, key_pem), NOW)


def test_a_certificate_never_outlives_its_authority() -> None:
    authority = new_authority("uid", NOW - timedelta(days=3645))
    request = decode(encoded(names=(x509.DNSName("h1"),)))
    pem = sign(authority, request, frozenset({"server auth"}), NOW, DAYS_90)
    leaf = x509.load_pem_x509_certificate(pem.encode())
    assert leaf.not_valid_after_utc == authority.certificate.not_valid_after_utc


def test_an_authority_survives_being_stored_and_a_foreign_key_is_refused() -> None:
    authority = new_authority("uid", NOW)
    assert load_authority(authority.certificate_pem, authority.key_pem).certificate == authority.certificate
    assert "PRIVATE" not in repr(authority)
    with pytest.raises(PermanentError):
        load_authority(authority.certificate_pem, new_authority("uid", NOW).key_pem)
    with pytest.raises(PermanentError):
        load_authority("", "")
