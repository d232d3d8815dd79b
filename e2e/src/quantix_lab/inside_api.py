"""Reads and patches objects of a machine's API from outside its network namespace, in milliseconds.

`kubectl` costs two processes and a mount namespace each time, and tests that wait ask a thousand times.
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
_MERGE, _STEPS = "application/merge-patch+json", "application/json-patch+json"


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
        return self._ask("GET", path)

    def patch(self, path: str, patch: dict[str, Any] | list[dict[str, Any]]) -> None:
        """Patch the object at this path, as `kubectl patch` does: merge an object into it, or take the steps
        of a JSON patch. Raises as `get`, also where there is no such object.
        """
        kind = _MERGE if isinstance(patch, dict) else _STEPS
        done = self._ask("PATCH", f"{path}?fieldManager=kubectl-patch", json.dumps(patch), kind)
        assert done is not None, f"there is nothing at {path}"

    def close(self) -> None:
        """End the connection; the next question makes another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _ask(self, method: str, path: str, body: str = "", kind: str = "") -> dict[str, Any] | None:
        """What the API answers; None for 404. What is sent twice does the same as what is sent once."""
        if self._connection is not None:
            try:
                return self._ask_by(self._connection, method, path, body, kind)
            except (OSError, http.client.HTTPException):
                # the server has ended what was idle, or is another one by now
                self.close()
        self._connection = self._connect()
        return self._ask_by(self._connection, method, path, body, kind)

    def _ask_by(
        self, connection: http.client.HTTPConnection, method: str, path: str, body: str, kind: str
    ) -> dict[str, Any] | None:
        about = {"Content-Type": kind} if kind else {}
        connection.request(method, path, body or None, {**self._headers, **about})
        response = connection.getresponse()
        text = response.read()
        if response.status == http.client.NOT_FOUND:
            return None
        assert response.status == http.client.OK, f"{method} {path}: {response.status} {text[:500]!r}"
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
