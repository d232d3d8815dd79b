"""Keys, requests and certificates of a host."""

from __future__ import annotations

import asyncio
import base64
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from quantix_api.errors import PermanentError
from quantix_api.layout import Layout
from quantix_hostd.join.identity import HostIdentity
from quantix_hostd.join.requests import (
    CLIENT,
    SERVING,
    Wanted,
    alternative_names,
    as_host,
    common_name,
    matches,
    new_key,
    render_request,
    renewal_due_s,
    request_name,
    retry_s,
    usable,
)
from quantix_lab.kubeconfig import write_kubeconfig

_START = datetime(2026, 1, 1, tzinfo=UTC)


def signed(request_pem: str, days: int = 90) -> str:
    """What a signer makes of a request."""
    authority = ec.generate_private_key(ec.SECP256R1())
    request = x509.load_pem_x509_csr(request_pem.encode())
    builder = (
        x509.CertificateBuilder()
        .subject_name(request.subject)
        .issuer_name(request.subject)
        .public_key(request.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(_START)
        .not_valid_after(_START + timedelta(days=days))
    )
    for extension in request.extensions:
        builder = builder.add_extension(extension.value, extension.critical)
    certificate = builder.sign(authority, hashes.SHA256())
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def test_a_request_names_the_host_and_only_that() -> None:
    request = x509.load_pem_x509_csr(render_request(as_host(CLIENT, "h1"), new_key()).encode())
    assert request.subject.rfc4514_string() == "CN=quantix:host:h1,O=quantix:hosts"
    assert list(request.extensions) == []
    assert request.is_signature_valid


def test_names_and_addresses_go_into_a_serving_certificate() -> None:
    certificate = signed(render_request(as_host(SERVING, "h1", ["h1", "10.0.0.1", "fd00::1"]), new_key()))
    assert alternative_names(certificate) == {"h1", "10.0.0.1", "fd00::1"}
    assert common_name(certificate) == "quantix:host:h1"


def test_a_request_is_found_again_by_its_key_and_purpose() -> None:
    key, own = new_key(), as_host(CLIENT, "h1")
    assert request_name(own, key) == request_name(own, key)
    others = {
        request_name(own, new_key()),
        request_name(as_host(SERVING, "h1"), key),
        request_name(as_host(CLIENT, "h1", ["h1"]), key),
        request_name(Wanted(CLIENT, "h1", "another"), key),
    }
    assert request_name(own, key) not in others
    assert len(others) == 4


def test_a_certificate_belongs_to_one_key() -> None:
    key = new_key()
    certificate = signed(render_request(as_host(CLIENT, "h1"), key))
    assert matches(certificate, key)
    assert not matches(certificate, new_key())


@pytest.mark.parametrize(
    ("day", "is_usable", "is_due"),
    [(-1, False, False), (1, True, False), (59, True, False), (61, True, True), (91, False, True)],
)
def test_it_is_renewed_when_a_third_of_its_life_is_left(day: int, is_usable: bool, is_due: bool) -> None:
    certificate = signed(render_request(as_host(CLIENT, "h1"), new_key()))
    now = _START + timedelta(days=day)
    assert usable(certificate, now) is is_usable
    assert (renewal_due_s(certificate, now) == 0) is is_due


def test_a_renewal_is_tried_again_in_time_however_short_the_life_is() -> None:
    certificate = signed(render_request(as_host(CLIENT, "h1"), new_key()), days=30)
    end = _START + timedelta(days=30)
    assert retry_s(certificate, end - timedelta(days=10)) == 60
    assert retry_s(certificate, end - timedelta(seconds=80)) == 10
    assert retry_s(certificate, end + timedelta(days=1)) == 1


def test_a_damaged_key_says_what_to_do() -> None:
    with pytest.raises(PermanentError) as caught:
        render_request(
            as_host(CLIENT, "h1"), "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"
        )
    assert caught.value.hint


class StoppedClock:
    """Notes the first sleep and ends the task that asked for it."""

    def __init__(self) -> None:
        self.asked_s = 0.0

    def monotonic(self) -> float:
        return 0.0

    async def sleep(self, delay_s: float) -> None:
        self.asked_s = delay_s
        raise asyncio.CancelledError


async def test_a_host_looks_at_the_end_of_its_certificate_every_five_minutes(tmp_path: Path) -> None:
    layout, clock = Layout(tmp_path), StoppedClock()
    key = new_key()
    certificate = signed(render_request(as_host(CLIENT, "h1"), key), days=36500)
    user = {
        "client-certificate-data": base64.b64encode(certificate.encode()).decode(),
        "client-key-data": base64.b64encode(key.encode()).decode(),
    }
    layout.hostd_kubeconfig.parent.mkdir(parents=True)
    write_kubeconfig(layout.hostd_kubeconfig, "https://127.0.0.1:6443", **user)
    with pytest.raises(asyncio.CancelledError):
        await HostIdentity(layout, "h1", clock).keep_renewed()
    assert clock.asked_s == 300
