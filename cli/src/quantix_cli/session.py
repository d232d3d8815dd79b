"""One command's conversation with the API: opens the client, and turns every failure into an exit code."""

from __future__ import annotations

import re
import sys
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from quantix_api.errors import QuantixError
from quantix_api.layout import Layout
from quantix_api.messages import render
from quantix_cli.begun import Begun
from quantix_cli.cluster import Target
from quantix_cli.exits import CommandError, Exit
from quantix_cli.grammar import unknown
from quantix_cli.refusals import is_about_person, told
from quantix_cli.terminal import Terminal
from quantix_cli.writing import Showing, Writer
from quantix_client.errors import (
    AlreadyExists,
    Conflict,
    Forbidden,
    NotFound,
    Unauthorized,
    Unprocessable,
    Unreachable,
)

if TYPE_CHECKING:
    from quantix_client.api import ApiClient
    from quantix_client.clock import Clock

T = TypeVar("T")

# guests take up to a minute to shut down: one after the other would be hours for a hundred
_AT_A_TIME = 32
_NO_NAMESPACE = re.compile(r'namespaces "([^"]+)" not found')

_CODES: tuple[tuple[type[QuantixError], Exit], ...] = (
    (NotFound, Exit.NOT_FOUND),
    (AlreadyExists, Exit.REFUSED),
    (Conflict, Exit.REFUSED),
    (Unauthorized, Exit.NOT_ALLOWED),
    (Unprocessable, Exit.REFUSED),
    (Unreachable, Exit.UNREACHABLE),
)


def _machines_clock() -> Clock:
    from quantix_client.clock import SystemClock  # late: it loads asyncio, which help texts must not pay for

    return SystemClock()


@dataclass(frozen=True)
class Session:
    """What a command works with. `namespace` is None for "all of them" (-A)."""

    api: ApiClient
    terminal: Terminal
    layout: Layout
    target: Target
    namespace: str | None
    assume_yes: bool
    timeout_s: float
    showing: Showing = Showing()  # noqa: RUF009 - it is frozen
    begun: Begun = field(default_factory=Begun)
    clock: Clock = field(default_factory=_machines_clock)

    @property
    def write(self) -> Writer:
        """The way to change anything."""
        return Writer(self.api, self.terminal, self.showing, self.begun)


def run(target: Target, timeout_s: float, command: Callable[[ApiClient], Coroutine[Any, Any, T]]) -> T:
    """Run `command` with a client of `target`. Raises CommandError with the exit code that fits."""

    # late: these take 0.25 s to load, which help texts must not pay
    import asyncio

    from quantix_client.api import ApiClient

    refuse_unknown_context(target)

    async def with_client() -> T:
        async with ApiClient.from_kubeconfig(
            target.kubeconfig, context=target.context, user_agent="qx", timeout_s=timeout_s
        ) as api:
            return await command(api)

    try:
        return asyncio.run(with_client())
    except QuantixError as error:
        raise translated(error, target) from error


def refuse_unknown_context(target: Target) -> None:
    """Raise CommandError (2) with the nearest context, or all of them, when that of `target` is not there."""
    if target.context is None:
        return
    from quantix_client.kubeconfig import context_names  # loads yaml

    known = context_names(target.kubeconfig)
    if target.context not in known:
        raise CommandError(
            Exit.USAGE,
            unknown("context", target.context, dict.fromkeys(known), f"in {target.kubeconfig}"),
            "" if known else "another --kubeconfig",
        )


def translated(error: QuantixError, target: Target) -> CommandError:
    """The command's way to end for an error of the client."""
    if isinstance(error, Unreachable) and target.own is not None and _is_stopped(target.own):
        return CommandError(Exit.UNREACHABLE, "Quantix is stopped on this machine.", "make up")
    if isinstance(error, Unreachable):
        return _unreachable(error, target)
    if isinstance(error, Forbidden):
        # an admission policy's refusal is an answer about the object, as the namespace's end is one
        code = Exit.NOT_ALLOWED if is_about_person(error.message) else Exit.REFUSED
        refusal = told(error.message)
        return CommandError(code, refusal.sentence, error.hint or refusal.hint)
    if isinstance(error, NotFound) and (named := _NO_NAMESPACE.fullmatch(error.message)):
        return no_namespace(named.group(1))
    code = next((code for kind, code in _CODES if isinstance(error, kind)), Exit.FAILED)
    refusal = told(error.message)
    return CommandError(code, refusal.sentence, error.hint or refusal.hint)


def no_namespace(name: str) -> CommandError:
    """What is told of a namespace that is not there."""
    return CommandError(Exit.NOT_FOUND, f"There is no namespace {name}.", "kubectl get namespaces")


def _unreachable(error: Unreachable, target: Target) -> CommandError:
    what = f"does not answer ({error.cause})" if error.cause else "answers with something else"
    address = urlsplit(error.server).netloc or "the address of the kubeconfig"
    message = render("APIUnreachable", address=address, what=what)
    return CommandError(Exit.UNREACHABLE, message.sentence, f"{message.hint}; its log: {_log_of(target.own)}")


def _is_stopped(own: Layout) -> bool:
    """Whether this machine's control plane was stopped by `make down`: its supervisor does not know it."""
    from quantix_cli.supervision.choose import supervisor_of  # what runs well has no need of it
    from quantix_cli.supervision.table import CONTROL_PLANE

    if not own.control_plane_data.is_dir():
        # another cluster's: nothing here starts or stops it
        return False
    return not supervisor_of(own, Path(sys.executable)).is_defined(CONTROL_PLANE)


def _log_of(own: Layout | None) -> str:
    """Where the control plane's log is; both places where the machine is another one."""
    from quantix_cli.supervision.choose import SYSTEMD_MARK

    journal, file = "journalctl -u quantix-controlplane", "controlplane.log in /var/log/quantix"
    if own is None:
        return f"{file}, or {journal}"
    return journal if own.root == Path("/") and SYSTEMD_MARK.is_dir() else f"{own.log}/controlplane.log"


async def each(
    objects: list[dict[str, Any]],
    act: Callable[[dict[str, Any]], Awaitable[None]],
    session: Session,
) -> Exit:
    """Do `act` for every object, some at a time, one line per failure; the gravest exit code."""
    import asyncio  # late, as above

    gate = asyncio.Semaphore(_AT_A_TIME)

    async def one(obj: dict[str, Any]) -> Exit:
        try:
            async with gate:
                await act(obj)
        except (QuantixError, CommandError) as raised:
            error = raised if isinstance(raised, CommandError) else translated(raised, session.target)
            session.terminal.error(error.message, error.hint, obj["metadata"].get("namespace"))
            return error.exit_code
        return Exit.DONE

    return max(await asyncio.gather(*(one(obj) for obj in objects)), default=Exit.DONE)
