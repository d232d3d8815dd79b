"""Talks to the hostd of this machine over its unix socket, as root. Used by `qx up`, `qx down` and
`qx host end-orphan`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp

from quantix_api.errors import PermanentError, TransientError

UPLOAD_TIMEOUT_S = 600.0
ORPHANS_TIMEOUT_S = 20.0
GUESTS_TIMEOUT_S = 5.0
HOSTD_SILENT = "HostdSilent"
"""The reason of errors where nobody answers."""


@dataclass(frozen=True)
class Orphan:
    """A guest whose VM the API no longer has, as hostd tells it; `vm` is NAMESPACE/NAME, or ""."""

    uid: str
    domain: str
    vm: str
    running: bool
    pids: tuple[int, ...]
    started_at: str
    volumes: tuple[str, ...]
    ports: tuple[str, ...]

    @classmethod
    def parse(cls, said: dict[str, Any]) -> Orphan:
        """From hostd's answer."""
        known = {field.name: said[field.name] for field in fields(cls)}
        lists = {name: tuple(known[name]) for name in ("pids", "volumes", "ports")}
        return cls(**{**known, **lists})

    @property
    def shown(self) -> str:
        """`domain qx-… (it was default/web-1)`."""
        return f"domain {self.domain}" + (f" (it was {self.vm})" if self.vm else "")


class HostdDoor:
    """`socket` is that of `Layout.hostd_socket`."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket

    async def upload_image(self, namespace: str, name: str, file: Path) -> None:
        """Send the content of an Image. Raises TransientError when hostd is away, PermanentError when it
        refuses the file.
        """
        headers = {"Content-Length": str(file.stat().st_size)}
        with file.open("rb") as body:
            path = f"/v1/images/{namespace}/{name}/upload"
            async with self._ask("PUT", path, UPLOAD_TIMEOUT_S, data=body, headers=headers) as answer:
                await answer.read()

    async def last_console_lines(self, namespace: str, name: str, lines: int) -> list[str]:
        """The end of what a guest printed on its serial port; [] when that cannot be had."""
        path = f"/v1/virtualmachines/{namespace}/{name}/log?lines={lines}"
        try:
            async with self._ask("GET", path, 5.0) as answer:
                return (await answer.text(errors="replace")).splitlines()
        except (TransientError, PermanentError):
            return []

    async def orphans(self) -> list[Orphan]:
        """The guests of this host whose VM the API no longer has. Raises TransientError when hostd is away or
        cannot ask the API or libvirt.
        """
        async with self._ask("GET", "/v1/host/orphans", ORPHANS_TIMEOUT_S) as answer:
            said: dict[str, Any] = await answer.json()
        return [Orphan.parse(item) for item in said.get("orphans") or []]

    async def end_orphan(self, uid: str) -> None:
        """Begin to end one of them. Raises TransientError as `orphans`, and when there is no such one."""
        async with self._ask("POST", f"/v1/host/orphans/{quote(uid, safe='')}/end", ORPHANS_TIMEOUT_S):
            return

    async def guests(self) -> dict[str, int]:
        """NAMESPACE/NAME of the guests on this host, and the seconds that each may take to shut down.
        Raises TransientError when hostd is away or cannot tell.
        """
        async with self._ask("GET", "/v1/host/guests", GUESTS_TIMEOUT_S) as answer:
            said: dict[str, Any] = await answer.json()
        return {str(item["name"]): int(item["graceSeconds"]) for item in said.get("guests") or []}

    async def shut_guests_down(self, timeout_s: float) -> list[str]:
        """Have every guest of this host shut down and released; NAMESPACE/NAME of those that start again with
        Quantix: not of VMs that are being deleted.

        Raises TransientError when hostd is away or guests are left after `timeout_s`.
        """
        async with self._ask("POST", "/v1/host/shutdown", timeout_s) as answer:
            said: dict[str, Any] = await answer.json()
        return [str(name) for name in said.get("virtualMachines") or []]

    @asynccontextmanager
    async def _ask(
        self, method: str, path: str, timeout_s: float, **content: Any
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        timeout = aiohttp.ClientTimeout(total=timeout_s)
        connector = aiohttp.UnixConnector(str(self._socket))
        try:
            async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
                async with session.request(method, f"http://hostd{path}", **content) as answer:
                    if answer.status >= 400:
                        raise _refusal(answer.status, (await answer.text(errors="replace")).strip())
                    yield answer
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise TransientError(
                HOSTD_SILENT, f"hostd of this machine does not answer: {error or type(error).__name__}."
            ) from error


def _refusal(status: int, text: str) -> PermanentError | TransientError:
    message = f"hostd says {status}: {text[:300].rstrip('.') or 'no reason given'}."
    hint = "the same command again; if it stays so, qx vm list shows what runs"
    if status >= 500 or status in (404, 409, 425, 429):
        return TransientError("HostdBusy", message, hint)
    return PermanentError("HostdRefused", message, hint)
