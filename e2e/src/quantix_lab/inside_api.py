"""Reads objects of a machine's API from outside its network namespace, in milliseconds.

`kubectl get` costs two processes and a mount namespace each time, and tests that wait ask a thousand times.
"""

from __future__ import annotations

import http.client
import json
import warnings
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from quantix_client.kubeconfig import load
from quantix_lab.inside_socket import connect_inside

_TIMEOUT_S = 60.0


class InsideApi:
    """One connection as the administrator, made when it is needed. Not for several threads at once."""

    def __init__(self, namespace: str, admin_kubeconfig: Path) -> None:
        self._namespace = namespace
        self._kubeconfig = admin_kubeconfig
        self._connection: http.client.HTTPConnection | None = None
        self._headers: dict[str, str] = {}

    def get(self, path: str) -> dict[str, Any] | None:
        """The document at this path of the API; None when there is none.

        Raises AssertionError with what the API answered, OSError or HTTPException when it does not answer.
        """
        if self._connection is not None:
            try:
                return self._ask(self._connection, path)
            except (OSError, http.client.HTTPException):
                # the server has ended what was idle, or is another one by now
                self.close()
        self._connection = self._connect()
        return self._ask(self._connection, path)

    def close(self) -> None:
        """End the connection; the next question makes another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _ask(self, connection: http.client.HTTPConnection, path: str) -> dict[str, Any] | None:
        connection.request("GET", path, headers=self._headers)
        response = connection.getresponse()
        text = response.read()
        if response.status == http.client.NOT_FOUND:
            return None
        assert response.status == http.client.OK, f"GET {path}: {response.status} {text[:500]!r}"
        document: dict[str, Any] = json.loads(text)
        return document

    def _connect(self) -> http.client.HTTPConnection:
        access = load(self._kubeconfig)
        address, context = urlsplit(access.server), access.ssl_context()
        assert address.hostname is not None
        assert address.port is not None
        assert context is not None
        self._headers = {"Accept": "application/json", **access.headers}
        plain = connect_inside(self._namespace, address.hostname, address.port, _TIMEOUT_S)
        connection = http.client.HTTPConnection(address.hostname, address.port)
        # once the server has ended it, it would be opened anew outside of the namespace and without TLS
        connection.auto_open = 0
        with warnings.catch_warnings():
            # Python 3.11 leaves its socket to the garbage when the server ends before the handshake (ssl.py)
            warnings.simplefilter("ignore", ResourceWarning)
            connection.sock = context.wrap_socket(plain, server_hostname=address.hostname)
        return connection
