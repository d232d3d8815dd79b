"""Requests to a control plane as somebody else: what admission and roles really let a user do.

Used by contract tests of policies and roles. It impersonates (kube-apiserver's `Impersonate-User` and
`Impersonate-Group` headers, documented under "User impersonation"), so no certificates have to be made.
"""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from quantix_client.kubeconfig import load

MERGE = "application/merge-patch+json"
APPLY = "application/apply-patch+yaml"
_WARM_UP_S = 10.0


@dataclass(frozen=True)
class User:
    """Who asks: a user name and groups, to which Kubernetes adds nothing."""

    name: str
    groups: tuple[str, ...] = ("system:authenticated",)


@dataclass(frozen=True)
class Answer:
    """An HTTP status and the document that came with it."""

    code: int
    body: dict[str, Any]

    @property
    def message(self) -> str:
        """What a refused user reads."""
        return str(self.body.get("message", ""))


class ApiAs:
    """One connection with the administrator's credentials; use it as a context manager."""

    def __init__(self, admin_kubeconfig: Path) -> None:
        access = load(admin_kubeconfig)
        address = urlsplit(access.server)
        assert address.hostname is not None
        self._headers = access.headers
        self._connection = http.client.HTTPSConnection(
            address.hostname, address.port, timeout=30, context=access.ssl_context()
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def call(
        self,
        method: str,
        path: str,
        body: dict[str, Any] | None = None,
        *,
        user: User | None = None,
        content_type: str = "application/json",
    ) -> Answer:
        """One request; as the administrator where no user is named.

        Repeated for at most 10 s while the server says 429: the storage of a new kind warms up first.
        """
        deadline = time.monotonic() + _WARM_UP_S
        while (answer := self._ask(method, path, body, user, content_type)).code == 429:
            if time.monotonic() > deadline:
                break
            time.sleep(0.2)
        return answer

    def _ask(
        self, method: str, path: str, body: dict[str, Any] | None, user: User | None, content_type: str
    ) -> Answer:
        self._connection.putrequest(method, path)
        for name, value in self._heads(user, content_type).items():
            self._connection.putheader(name, value)
        for group in user.groups if user else ():
            self._connection.putheader("Impersonate-Group", group)
        data = b"" if body is None else json.dumps(body).encode()
        self._connection.putheader("Content-Length", str(len(data)))
        self._connection.endheaders(data)
        response = self._connection.getresponse()
        text = response.read()
        return Answer(response.status, json.loads(text) if text else {})

    def create(
        self, path: str, body: dict[str, Any], *, user: User | None = None, parameters: Sequence[str] = ()
    ) -> Answer:
        """POST with strict field validation, as kubectl does."""
        query = "&".join(("fieldValidation=Strict", *parameters))
        return self.call("POST", f"{path}?{query}", body, user=user)

    def merge(self, path: str, patch: dict[str, Any], *, user: User | None = None) -> Answer:
        """A merge patch."""
        return self.call("PATCH", path, patch, user=user, content_type=MERGE)

    def apply(self, path: str, body: dict[str, Any], manager: str, *, user: User | None = None) -> Answer:
        """A forced server-side apply."""
        query = f"fieldManager={manager}&force=true"
        return self.call("PATCH", f"{path}?{query}", body, user=user, content_type=APPLY)

    def _heads(self, user: User | None, content_type: str) -> dict[str, str]:
        heads = {**self._headers, "Content-Type": content_type, "Accept": "application/json"}
        return {**heads, "Impersonate-User": user.name} if user else heads
