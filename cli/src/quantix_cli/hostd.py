"""The way from `qx` to a host's own API: this host's unix socket for root, else TLS to the Host's address.

Used by console, screen and upload. The only module of `qx` that speaks HTTP to anything but the API server.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp

from quantix_api import resources
from quantix_api.conditions import condition_of
from quantix_api.message_text import hint_of, sentence_of
from quantix_cli import fetch
from quantix_cli.exits import CommandError, Exit
from quantix_cli.naming import Name
from quantix_cli.nouns import NOUNS, Manifest, look
from quantix_cli.session import Session
from quantix_client.errors import Forbidden, NotFound
from quantix_client.kubeconfig import load_pair
from quantix_client.server_names import ServerNames

_CONNECT_S = 5.0


@dataclass(frozen=True)
class HostApi:
    """An open way to one hostd; `base` is the URL before `/v1`."""

    http: aiohttp.ClientSession
    base: str
    host: str

    def url(self, path: str) -> str:
        return f"{self.base}{path}"


@asynccontextmanager
async def reach(session: Session, host: str) -> AsyncIterator[HostApi]:
    """A way to the hostd of `host`. Raises CommandError when it does not answer (7) or refuses us (4)."""
    timeout = aiohttp.ClientTimeout(total=None, connect=_CONNECT_S)
    socket = session.layout.hostd_socket
    if os.access(socket, os.W_OK) and await _is_ours(str(socket), host):
        async with aiohttp.ClientSession(
            connector=aiohttp.UnixConnector(str(socket)), timeout=timeout
        ) as http:
            yield HostApi(http, "http://hostd", host)
        return
    base, context = await _remote(session, host)
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(ssl=context, resolver=ServerNames()),
        timeout=timeout,
        headers=session.api.access.headers,
    ) as http:
        yield HostApi(http, base, host)


async def explain_refusal(response: aiohttp.ClientResponse, host: str) -> CommandError:
    """What hostd's answer means for the command."""
    text = (await response.text())[:500].strip() or response.reason or "no reason given"
    code = {401: Exit.NOT_ALLOWED, 403: Exit.NOT_ALLOWED, 404: Exit.NOT_FOUND, 409: Exit.REFUSED}
    grave = Exit.REFUSED if 400 <= response.status < 500 else Exit.FAILED
    said = f"{host} says: {sentence_of(text)}"
    return CommandError(code.get(response.status, grave), said, hint_of(text))


async def refusal(api: HostApi, path: str) -> CommandError:
    """Why there is no WebSocket: a refused one comes without the words, the same request without it has
    them.
    """
    async with api.http.get(api.url(path)) as response:
        return await explain_refusal(response, api.host)


async def host_of(session: Session, name: str, what: str) -> str:
    """The host that runs the VM; of one that is paused, and so silent, that is said. Raises CommandError (6)
    when it has no `what` (console, screen), since it is off or was made without.
    """
    vm = await fetch.one(session, NOUNS["vm"], Name(name))
    host = look(vm, "status.assignment.host")
    if not host:
        raise CommandError(Exit.REFUSED, f"{name} is off: it has no {what}.", f"qx vm start {name}")
    _refuse_without(vm, name, what)
    if condition_of(vm).get("reason") == "Paused" or look(vm, "status.phase") == "Paused":
        session.terminal.note(
            session.terminal.plain(f"{name} is paused: its {what} stands still.   qx vm resume {name}")
        )
    return str(host)


def _refuse_without(vm: Manifest, name: str, what: str) -> None:
    """Raise CommandError (6) for a guest without a graphics card, or a serial port. A change of either waits
    for the next start: meanwhile the guest has what it had.
    """
    field, lacking, told, instead = {
        "screen": ("spec.console.video", "None", "None", "console"),
        "console": ("spec.console.serial", False, "false", "view"),
    }[what]
    waiting = [change.get("path") for change in look(vm, "status.runtime.pendingChanges", [])]
    if look(vm, field) == lacking and field not in waiting:
        said = f"{name} has no {what}: its {field} is {told}."
        raise CommandError(Exit.REFUSED, said, f"qx vm {instead} {name}")


def unreachable(host: str, error: Exception) -> CommandError:
    return CommandError(
        Exit.UNREACHABLE, f"hostd on {host} does not answer ({error}); its VMs are not affected.", "qx status"
    )


async def _is_ours(socket: str, host: str) -> bool:
    """Whether the hostd behind the local socket is that of `host`."""
    try:
        async with aiohttp.ClientSession(connector=aiohttp.UnixConnector(socket)) as http:
            async with http.get("http://hostd/healthz", timeout=aiohttp.ClientTimeout(total=2)) as response:
                body = await response.json()
    except (TimeoutError, aiohttp.ClientError, ValueError):
        return False
    return bool(body.get("host") == host)


async def _remote(session: Session, host: str) -> tuple[str, ssl.SSLContext]:
    try:
        found = await session.api.get(resources.HOSTS, host)
        authority = await session.api.get(resources.CONFIG_MAPS, "quantix-ca", resources.NAMESPACE_SHARED)
    except (NotFound, Forbidden) as error:
        raise CommandError(Exit.NOT_FOUND, f"The way to host {host} is not known: {error.message}") from error
    address = look(found, "status.addresses.api")
    if not address:
        raise CommandError(Exit.NOT_FOUND, f"Host {host} has not told its address yet.", "qx host list")
    context = ssl.create_default_context(cadata=authority["data"]["ca.crt"])
    access = session.api.access
    if access.certificate_pem and access.key_pem:
        load_pair(context, access.certificate_pem, access.key_pem)
    return f"https://{address}", context
