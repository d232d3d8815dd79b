"""Reads and writes a kubeconfig: where the API server is, whom to trust, and who we are.

Used by `ApiClient`, by the operator's login for kopf, and by `qx up` and hostd, which write their own. It
tells when the files were rotated (`fingerprint`), runs no credential plugins, and never weakens TLS.
"""

from __future__ import annotations

import base64
import binascii
import os
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from quantix_api.errors import PermanentError

_CLUSTER = "quantix"
_LOOPBACK = {"127.0.0.1", "::1", "localhost"}


@dataclass(frozen=True)
class Access:
    """One way into one API server. PEM data is held in memory; `watched` are the files that it came from."""

    server: str
    ca_pem: str | None = None
    certificate_pem: str | None = field(default=None, repr=False)
    key_pem: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)
    tls_server_name: str | None = None
    namespace: str = "default"
    watched: tuple[Path, ...] = ()

    def ssl_context(self) -> ssl.SSLContext | None:
        """A context that verifies the server and shows our certificate; None for http (loopback only)."""
        if not self.server.startswith("https://"):
            return None
        context = ssl.create_default_context(cadata=self.ca_pem)
        if self.certificate_pem and self.key_pem:
            load_pair(context, self.certificate_pem, self.key_pem)
        return context

    @property
    def headers(self) -> dict[str, str]:
        """The Authorization header, if a token is used."""
        return {"Authorization": f"Bearer {self.token}"} if self.token else {}


def load(path: Path, context: str | None = None) -> Access:
    """The access that `path` describes (its current context, or the one named).

    Raises PermanentError with reason KubeconfigMissing or KubeconfigInvalid.
    """
    document = _document(path)
    chosen = _named(path, document, "contexts", context or document.get("current-context"), "context")
    cluster = _named(path, document, "clusters", chosen.get("cluster"), "cluster")
    user = _named(path, document, "users", chosen.get("user"), "user") if chosen.get("user") else {}
    return _access(path, cluster, user, str(chosen.get("namespace") or "default"))


def render(access: Access, user: str) -> str:
    """A kubeconfig that needs no other file and that `load` reads as this access, in namespace `default`;
    `user` is what it calls who we are.
    """
    cluster = {
        "server": access.server,
        "certificate-authority-data": _data(access.ca_pem),
        "tls-server-name": access.tls_server_name,
    }
    shown = {
        "client-certificate-data": _data(access.certificate_pem),
        "client-key-data": _data(access.key_pem),
        "token": access.token,
    }
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": _CLUSTER, "cluster": _said(cluster)}],
        "users": [{"name": user, "user": _said(shown)}],
        "contexts": [{"name": _CLUSTER, "context": {"cluster": _CLUSTER, "user": user}}],
        "current-context": _CLUSTER,
    }
    return yaml.safe_dump(document, sort_keys=False)


def context_names(path: Path) -> tuple[str, ...]:
    """The contexts of a kubeconfig, in its order. Raises PermanentError as `load` does."""
    contexts = _document(path).get("contexts") or []
    return tuple(str(entry["name"]) for entry in contexts if isinstance(entry, dict) and entry.get("name"))


def _document(path: Path) -> dict[str, Any]:
    try:
        document = yaml.load(path.read_text(), Loader=yaml.CSafeLoader)
    except FileNotFoundError as error:
        raise PermanentError(
            "KubeconfigMissing", f"There is no kubeconfig at {path}", "start the control plane first: qx up"
        ) from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise _invalid(path, f"cannot be read: {error}") from error
    if not isinstance(document, dict):
        raise _invalid(path, "is no kubeconfig")
    return document


def fingerprint(paths: tuple[Path, ...]) -> tuple[tuple[int, int, int] | None, ...]:
    """Changes when any of the files is replaced or rewritten; a missing file counts as None."""
    marks: list[tuple[int, int, int] | None] = []
    for path in paths:
        try:
            status = path.stat()
        except OSError:
            marks.append(None)
        else:
            marks.append((status.st_ino, status.st_mtime_ns, status.st_size))
    return tuple(marks)


def _access(path: Path, cluster: dict[str, Any], user: dict[str, Any], namespace: str) -> Access:
    server = str(cluster.get("server") or "")
    parts = urlsplit(server)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise _invalid(path, f"names the server {server!r}, which is no https address")
    if parts.scheme == "http" and parts.hostname not in _LOOPBACK:
        raise _invalid(path, f"reaches {server} without TLS, which is only allowed on loopback")
    if cluster.get("insecure-skip-tls-verify"):
        raise _invalid(path, "turns off TLS verification; give certificate-authority instead")
    for plugin in ("exec", "auth-provider", "username"):
        if user.get(plugin):
            raise _invalid(path, f"uses {plugin}; give a client certificate or a token instead")
    watched = [path]

    def content(section: dict[str, Any], name: str) -> str | None:
        if data := section.get(f"{name}-data"):
            return _decode(path, name, str(data))
        if not (reference := section.get(name)):
            return None
        file = path.parent / str(reference)
        watched.append(file)
        return _read(path, file)

    ca_pem = content(cluster, "certificate-authority")
    certificate = content(user, "client-certificate")
    key = content(user, "client-key")
    token = str(user["token"]) if user.get("token") else None
    if reference := user.get("tokenFile"):
        file = path.parent / str(reference)
        watched.append(file)
        token = _read(path, file).strip()
    if bool(certificate) != bool(key):
        raise _invalid(path, "has a client certificate or its key, but not both")
    return Access(
        server=server.rstrip("/"),
        ca_pem=ca_pem,
        certificate_pem=certificate,
        key_pem=key,
        token=token,
        tls_server_name=cluster.get("tls-server-name"),
        namespace=namespace,
        watched=tuple(watched),
    )


def _named(path: Path, document: dict[str, Any], section: str, name: object, inner: str) -> dict[str, Any]:
    for entry in document.get(section) or []:
        if isinstance(entry, dict) and entry.get("name") == name and isinstance(entry.get(inner), dict):
            return dict(entry[inner])
    raise _invalid(path, f"has no {inner} named {name!r}")


def _decode(path: Path, name: str, data: str) -> str:
    try:
        return base64.b64decode(data, validate=True).decode("ascii")
    except (binascii.Error, UnicodeDecodeError) as error:
        raise _invalid(path, f"has a {name}-data that is not base64 of PEM") from error


def _data(pem: str | None) -> str | None:
    return base64.b64encode(pem.encode()).decode() if pem else None


def _said(members: dict[str, str | None]) -> dict[str, str]:
    return {name: value for name, value in members.items() if value}


def _read(path: Path, file: Path) -> str:
    try:
        return file.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise _invalid(path, f"names {file}, which cannot be read: {error}") from error


def _invalid(path: Path, what: str) -> PermanentError:
    return PermanentError(
        "KubeconfigInvalid",
        f"The kubeconfig {path} {what}",
        "name another with --kubeconfig or KUBECONFIG; make up writes the one of this machine anew",
    )


def load_pair(context: ssl.SSLContext, certificate_pem: str, key_pem: str) -> None:
    """`ssl` takes files only: an anonymous memory file keeps the key off every disk."""
    descriptor = os.memfd_create("client-pair", os.MFD_CLOEXEC)
    try:
        os.write(descriptor, f"{certificate_pem.rstrip()}\n{key_pem.rstrip()}\n".encode("ascii"))
        context.load_cert_chain(f"/proc/self/fd/{descriptor}")
    finally:
        os.close(descriptor)
