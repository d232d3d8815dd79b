"""How a host gets its certificates from a running operator, and how it does not get another's."""

from __future__ import annotations

import asyncio
import base64
import secrets
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from quantix_api.resources import (
    CA_CONFIG_MAP,
    CONFIG_MAPS,
    CSRS,
    EVENTS,
    HOSTS,
    NAMESPACE_SHARED,
    SECRETS,
    SIGNER_CLIENT,
    SIGNER_SERVING,
)
from quantix_api.times import render_time
from quantix_client.api import ApiClient
from quantix_client.errors import NotFound, Unauthorized
from quantix_client.lease import HostLease
from quantix_lab.control_plane import ControlPlane
from quantix_lab.kubeconfig import write_kubeconfig
from quantix_lab.operator_process import OperatorProcess
from quantix_lab.signing_requests import encoded_request, host_subject

_CLIENT = ("digital signature", "client auth")
_SERVING = ("digital signature", "server auth")


@pytest.fixture
async def operator(plane: ControlPlane, tmp_path: Path) -> AsyncIterator[OperatorProcess]:
    with OperatorProcess(tmp_path / "operator", plane.operator_kubeconfig) as operator:
        await asyncio.to_thread(operator.wait_for_log, "leadership acquired")
        yield operator
        assert await asyncio.to_thread(operator.stop) == 0


class Machine:
    """One that wants to be a host: a key, and credentials of whatever kind."""

    def __init__(self, plane: ControlPlane, directory: Path) -> None:
        self.plane = plane
        self.directory = directory
        self.key = ec.generate_private_key(ec.SECP256R1())

    def client(self, **user: str) -> ApiClient:
        """The API as the user with these kubeconfig members."""
        path = self.directory / f"{secrets.token_hex(4)}.kubeconfig"
        write_kubeconfig(path, self.plane.server, ca_pem=self.plane.ca_pem, **user)
        return ApiClient.from_kubeconfig(path, user_agent="test")

    def certified(self, certificate: str) -> ApiClient:
        """The API as the host that the certificate names."""
        key = self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return self.client(
            **{
                "client-certificate-data": base64.b64encode(certificate.encode()).decode(),
                "client-key-data": base64.b64encode(key).decode(),
            }
        )

    async def ask(
        self,
        api: ApiClient,
        host: str,
        *,
        signer: str = SIGNER_CLIENT,
        usages: Sequence[str] = _CLIENT,
        names: Sequence[x509.GeneralName] = (),
    ) -> str:
        """Send a request for `host`; returns its name."""
        body = {
            "metadata": {"name": f"{host}-{secrets.token_hex(4)}"},
            "spec": {
                "request": encoded_request(self.key, host_subject(host), names),
                "signerName": signer,
                "usages": list(usages),
            },
        }
        created = await api.create(CSRS, body)
        return str(created["metadata"]["name"])


async def make_token(admin: ApiClient, host: str) -> tuple[str, str]:
    """(id, bearer token) for one host."""
    identifier, secret = secrets.token_hex(3), secrets.token_hex(8)
    fields = {
        "token-id": identifier,
        "token-secret": secret,
        "expiration": render_time(datetime.now(UTC) + timedelta(minutes=10)),
        "usage-bootstrap-authentication": "true",
        "auth-extra-groups": "system:bootstrappers:quantix",
        "host": host,
    }
    body = {
        "metadata": {"name": f"bootstrap-token-{identifier}", "namespace": "kube-system"},
        "type": "bootstrap.kubernetes.io/token",
        "data": {name: base64.b64encode(value.encode()).decode() for name, value in fields.items()},
    }
    await admin.create(SECRETS, body)
    return identifier, f"{identifier}.{secret}"


async def verdict(admin: ApiClient, name: str) -> dict[str, Any]:
    """The decided request: its condition, or its certificate once there is one."""
    async with asyncio.timeout(15):
        while True:
            live = await admin.get(CSRS, name)
            status = live.get("status") or {}
            conditions = status.get("conditions") or []
            if status.get("certificate") or any(item["type"] == "Denied" for item in conditions):
                return live
            await asyncio.sleep(0.1)


def denial(live: dict[str, Any]) -> tuple[str, str]:
    """(reason, message) of a denied request."""
    (condition,) = live["status"]["conditions"]
    assert condition["type"] == "Denied"
    assert "certificate" not in live["status"]
    return condition["reason"], condition["message"]


def certificate(live: dict[str, Any]) -> str:
    assert [item["type"] for item in live["status"]["conditions"]] == ["Approved"], live["status"]
    return base64.b64decode(live["status"]["certificate"]).decode()


async def gone(admin: ApiClient, token: str) -> None:
    """Wait until the Secret of a token is there no more."""
    async with asyncio.timeout(10):
        while True:
            try:
                await admin.get(SECRETS, token, "kube-system")
            except NotFound:
                return
            await asyncio.sleep(0.1)


async def told(admin: ApiClient, reason: str) -> dict[str, Any]:
    """The first event with this reason."""
    async with asyncio.timeout(10):
        while True:
            for event in (await admin.list(EVENTS, "default")).items:
                if event["reason"] == reason:
                    return event
            await asyncio.sleep(0.1)


async def by_the_published_authority(admin: ApiClient, pem: str) -> x509.Certificate:
    """The certificate, which came with that of the authority that everybody can read."""
    own, issuer = x509.load_pem_x509_certificates(pem.encode())
    published = await admin.get(CONFIG_MAPS, CA_CONFIG_MAP, NAMESPACE_SHARED)
    assert issuer == x509.load_pem_x509_certificate(published["data"]["ca.crt"].encode())
    own.verify_directly_issued_by(issuer)
    return own


def names_of(served: x509.Certificate) -> list[x509.GeneralName]:
    return list(served.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)


async def test_a_host_joins_with_its_token_and_gets_certificates_for_itself_only(
    plane: ControlPlane, admin: ApiClient, operator: OperatorProcess, tmp_path: Path
) -> None:
    machine = Machine(plane, tmp_path)
    identifier, token = await make_token(admin, "h1")
    async with machine.client(token=token) as joining:
        # A stolen token is good for no other host
        reason, message = denial(await verdict(admin, await machine.ask(joining, "h2")))
        assert reason == "WrongName"
        assert "h1" in message
        client_pem = certificate(await verdict(admin, await machine.ask(joining, "h1")))

    async with machine.certified(client_pem) as host:
        await host.create(HOSTS, {"metadata": {"name": "h1"}, "spec": {}})
        secret = f"bootstrap-token-{identifier}"
        assert await admin.get(SECRETS, secret, "kube-system")
        assert await HostLease(host, "h1", "boot-1").renew()
        await gone(admin, secret)

        # No addresses reported yet: the request waits, then goes on by itself
        own = [x509.DNSName("h1"), x509.IPAddress(ip_address("192.0.2.1"))]
        pending = await machine.ask(host, "h1", signer=SIGNER_SERVING, usages=_SERVING, names=own)
        await asyncio.sleep(1)
        assert not (await admin.get(CSRS, pending)).get("status")
        status = {"metadata": {"name": "h1"}, "status": {"addresses": {"api": "192.0.2.1:9443"}}}
        await host.apply(HOSTS, status, manager="quantix-hostd", subresource="status")
        served = await by_the_published_authority(admin, certificate(await verdict(admin, pending)))
        assert names_of(served) == own
        assert served.not_valid_after_utc < datetime.now(UTC) + timedelta(days=91)

        foreign = [x509.IPAddress(ip_address("192.0.2.2"))]
        name = await machine.ask(host, "h1", signer=SIGNER_SERVING, usages=_SERVING, names=foreign)
        assert denial(await verdict(admin, name))[0] == "WrongAddress"

        # Renewal by itself, and not for another
        assert certificate(await verdict(admin, await machine.ask(host, "h1")))
        assert denial(await verdict(admin, await machine.ask(host, "h2")))[0] == "WrongName"

    async with machine.client(token=token) as joining:
        try:
            late = await machine.ask(joining, "h1")
        except Unauthorized:
            pass
        else:
            # The API server remembers a token for some seconds; the operator does not
            assert denial(await verdict(admin, late))[0] == "TokenUnknown"

    denied = await told(admin, "Denied")
    assert denied["reportingController"] == "quantix.io/operator"
    assert denied["regarding"]["kind"] == "CertificateSigningRequest"


async def test_requests_of_people_for_names_that_are_not_ours_are_left_to_people(
    plane: ControlPlane, admin: ApiClient, operator: OperatorProcess, tmp_path: Path
) -> None:
    key = ec.generate_private_key(ec.SECP256R1())

    async def ask(common_name: str) -> str:
        spec = {
            "request": encoded_request(key, [(NameOID.COMMON_NAME, common_name)]),
            "signerName": SIGNER_CLIENT,
            "usages": list(_CLIENT),
        }
        name = f"people-{secrets.token_hex(4)}"
        await admin.create(CSRS, {"metadata": {"name": name}, "spec": spec})
        return name

    alice = await ask("alice")
    impostor = await ask("quantix:host:h1")
    assert denial(await verdict(admin, impostor))[0] == "NotAHost"
    assert not (await admin.get(CSRS, alice)).get("status")
