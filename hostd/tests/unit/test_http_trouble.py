"""What people are told of a server that cannot be fetched from."""

from __future__ import annotations

import errno
import ssl
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest

from quantix_hostd.clients.http_trouble import trouble_of

CERTIFICATE = ssl.SSLCertVerificationError()
CERTIFICATE.verify_message = "self-signed certificate"
KEY: Any = SimpleNamespace(host="a.example", port=443, ssl=True, is_ssl=True)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ConnectionRefusedError(errno.ECONNREFUSED, "x"), "it refuses connections"),
        (aiohttp.ClientConnectorError(KEY, OSError(errno.EHOSTUNREACH, "x")), "no network of the host leads"),
        (aiohttp.ClientConnectorDNSError(KEY, OSError(-2, "x")), "do not know its name"),
        (aiohttp.ClientConnectorCertificateError(KEY, CERTIFICATE), "refused (self-signed certificate)"),
        (aiohttp.ClientConnectorSSLError(KEY, ssl.SSLError(1, "x")), "does not speak TLS"),
        (aiohttp.SocketTimeoutError("x"), "did not answer in time"),
        (TimeoutError(), "did not answer in time"),
        (aiohttp.ServerDisconnectedError(), "was cut off"),
        (aiohttp.ClientOSError(errno.ECONNRESET, "x"), "was cut off"),
        (aiohttp.ClientPayloadError("x"), "was cut off"),
        (ValueError("x"), "the connection failed"),
    ],
)
def test_what_is_wrong_with_a_server_is_said_in_words_of_ours(error: Exception, said: str) -> None:
    told = trouble_of(error)
    assert said in told
    assert "x" not in told.split()
