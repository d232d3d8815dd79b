"""A certificate authority for tests of TLS, and an API that signs with it, as the operator does.

Used by tests of hostd. Times are given, so that a test can let years go by.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from quantix_api.resources import CSRS, Resource
from quantix_client.errors import AlreadyExists, NotFound

_USAGES = {"server auth": ExtendedKeyUsageOID.SERVER_AUTH, "client auth": ExtendedKeyUsageOID.CLIENT_AUTH}


class SmallAuthority:
    """One key under one name."""

    def __init__(self, begins: datetime, name: str = "quantix-ca test", days: int = 3650) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self._certificate = self._own(begins, days)

    @property
    def pem(self) -> str:
        return _pem(self._certificate)

    def renew(self, begins: datetime, days: int = 3650) -> None:
        """Have a later end, with the same key and name."""
        self._certificate = self._own(begins, days)

    def sign(
        self,
        request_pem: str,
        begins: datetime,
        life: timedelta = timedelta(days=90),
        usages: tuple[str, ...] = ("client auth", "server auth"),
    ) -> str:
        """The certificate for a request, followed by the authority's."""
        request = x509.load_pem_x509_csr(request_pem.encode())
        builder = _builder(request.subject, self._name, request.public_key(), begins, life)
        builder = builder.add_extension(x509.ExtendedKeyUsage([_USAGES[usage] for usage in usages]), False)
        for extension in request.extensions:
            builder = builder.add_extension(extension.value, extension.critical)
        return _pem(builder.sign(self._key, hashes.SHA256())) + self.pem

    def _own(self, begins: datetime, days: int) -> x509.Certificate:
        builder = _builder(self._name, self._name, self._key.public_key(), begins, timedelta(days=days))
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        return builder.sign(self._key, hashes.SHA256())


class SigningApi:
    """Takes signing requests and answers by `authority` with certificates that begin at `now()`.

    `denied` and `waiting` are what is done with requests that come, `life` is what certificates have;
    `objects` are what else can be read.
    """

    def __init__(self, authority: SmallAuthority, now: Callable[[], datetime]) -> None:
        self.authority = authority
        self.requests: dict[str, dict[str, Any]] = {}
        self.objects: dict[tuple[str, str], dict[str, Any]] = {}
        self.denied = False
        self.waiting = False
        self.life = timedelta(days=90)
        self._now = now

    async def create(self, resource: Resource, obj: dict[str, Any]) -> dict[str, Any]:
        assert resource is CSRS
        name = obj["metadata"]["name"]
        if name in self.requests:
            raise AlreadyExists(f"{name} is there already")
        self.requests[name] = obj
        return obj

    async def get(self, resource: Resource, name: str, namespace: str | None = None) -> dict[str, Any]:
        if resource is not CSRS:
            if (resource.plural, name) not in self.objects:
                raise NotFound(f"There is no {resource.kind} {name}.")
            return self.objects[resource.plural, name]
        if name not in self.requests:
            raise NotFound(f"There is no request {name}.")
        return {**self.requests[name], "status": self._status(self.requests[name])}

    def _status(self, request: dict[str, Any]) -> dict[str, Any]:
        if self.denied:
            return {"conditions": [{"type": "Denied", "message": "It is for somebody else."}]}
        if self.waiting:
            return {}
        spec = request["spec"]
        usages = tuple(usage for usage in spec["usages"] if usage in _USAGES)
        request_pem = base64.b64decode(spec["request"]).decode()
        pem = self.authority.sign(request_pem, self._now(), self.life, usages)
        return {"certificate": base64.b64encode(pem.encode()).decode()}


def _builder(
    subject: x509.Name, issuer: x509.Name, key: Any, begins: datetime, life: timedelta
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(begins + life)
    )


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()
