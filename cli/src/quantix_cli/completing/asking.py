"""Asks the API for names with the standard library: the client of the other commands takes longer to load
than a person waits for Tab.

HTTP/1.0 (RFC 1945): the answer ends with the connection, and nothing is sent in chunks.
"""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from quantix_api.references import shared_reference
from quantix_api.resources import NAMESPACE_SHARED
from quantix_cli.naming import SHARED_NOUNS
from quantix_cli.nouns import NOUNS
from quantix_client.kubeconfig import Access, load

_ANSWER_S = 0.4
_MOST_BYTES = 4 << 20
_HTTPS_PORT = 443
# a tenth of what the objects' metadata takes, from the server's memory (Kubernetes 1.37, "API concepts")
_TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
_QUERY = "includeObject=None&resourceVersion=0"
# of what a shell would act upon nothing is passed on, whatever a server answers
_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")


def ask(noun: str, kubeconfig: Path, context: str | None, namespace: str | None) -> list[str]:
    """The names. Raises QuantixError, OSError or ValueError when there is no good answer in time."""
    access = load(kubeconfig, context=context)
    resource = NOUNS[noun].resource
    home = namespace or access.namespace or "default"
    names = _names(_get(access, resource.path(home if resource.namespaced else None)))
    if noun in SHARED_NOUNS and home != NAMESPACE_SHARED:
        shared = _names(_get(access, resource.path(NAMESPACE_SHARED)))
        names += [shared_reference(name) for name in shared]
    return names


def _get(access: Access, path: str) -> bytes:
    server = urlsplit(access.server)
    host, port = server.hostname or "", server.port or _HTTPS_PORT
    heads = {**access.headers, "Host": server.netloc, "Accept": _TABLE, "Connection": "close"}
    lines = [f"GET {path}?{_QUERY} HTTP/1.0", *(f"{name}: {value}" for name, value in heads.items())]
    context = access.ssl_context()
    if context is None:
        raise ValueError(f"{access.server} does not speak TLS")
    with (
        socket.create_connection((host, port), timeout=_ANSWER_S) as plain,
        context.wrap_socket(plain, server_hostname=access.tls_server_name or host) as secured,
    ):
        secured.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        answer = bytearray()
        while (chunk := secured.recv(65536)) and len(answer) < _MOST_BYTES:
            answer += chunk
    return bytes(answer)


def _names(answer: bytes) -> list[str]:
    """The names in an answer of HTTP; none where it is a refusal. Pure."""
    head, _, body = answer.partition(b"\r\n\r\n")
    status = head.split(b" ", 2)[1:2]
    return safe_names(json.loads(body)) if status == [b"200"] else []


def safe_names(document: Mapping[str, Any]) -> list[str]:
    """The names in a Table of objects, without any that is no name. Pure."""
    formats = [column.get("format") for column in document["columnDefinitions"]]
    place = formats.index("name")
    names = [str(row["cells"][place]) for row in document.get("rows") or []]
    return [name for name in names if _NAME.fullmatch(name)]
