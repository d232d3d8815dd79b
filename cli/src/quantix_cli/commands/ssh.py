"""`qx vm ssh`: this machine's ssh, told where the guest is, who logs in and which host key belongs to it."""

from __future__ import annotations

import contextlib
import getopt
import os
import re
import shutil
import signal
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from ipaddress import ip_address
from pathlib import Path

import click

from quantix_api.references import bare_name, resolve_key
from quantix_cli import fetch
from quantix_cli.exits import CommandError, Exit
from quantix_cli.helping import Verb
from quantix_cli.naming import Name, parse_name
from quantix_cli.nouns import NOUNS, Manifest, look
from quantix_cli.options import Invocation, common_options
from quantix_cli.session import Session
from quantix_cli.terminal import Terminal
from quantix_cli.ways_in import Gate, Obstacle, no_key, not_up, own_keys, read_gate, shut, source_towards
from quantix_client.errors import Forbidden

# as quantix_api.image.USER_PATTERN, whose module takes long to load; a test compares the two
USER = re.compile(r"[A-Za-z_][A-Za-z0-9._-]{0,31}")
_UID = re.compile(r"[0-9a-f-]{36}")
_KNOWN_HOSTS = "known_hosts.quantix"
_PORT = 22
# options without and with a value, as ssh.c of OpenSSH 9.2 reads them
_OPTIONS_OF_SSH = "1246afgkntqsvxACGKMNPTVXYyb:c:e:i:l:m:o:p:B:D:E:F:I:J:L:O:Q:R:S:w:W:"
# an emulated guest on a busy machine takes its time to greet
_CONNECT_S = 20
_PROBE_S = 3.0
_SLOW_S = 1.5
# what ssh itself ends with when it cannot log in (ssh(1), EXIT STATUS)
_SSH_ERROR = 255
_BY_SIGNAL = 128


@dataclass(frozen=True)
class Guest:
    """Where to log in. All of it comes from outside and is checked: it becomes arguments of ssh."""

    name: str
    uid: str
    address: str
    user: str
    host: str
    gate: Gate = Gate()  # noqa: RUF009 - it is frozen


def ssh_command(_: str) -> click.Command:
    """The command `qx vm ssh NAME`."""

    @click.command(
        "ssh",
        cls=Verb,
        short_help="log in to the guest with this machine's ssh",
        examples=(
            "qx vm ssh web-1",
            "qx vm ssh web-1 -- uname -a",
            "qx vm ssh web-1 -- -L 8080:localhost:80",
        ),
    )
    @click.argument("name")
    @click.argument("rest", nargs=-1, type=click.UNPROCESSED, metavar="[-- COMMAND or OPTIONS of ssh]")
    @click.option("--user", default="", metavar="USER", help="Who logs in; default: the image's loginUser.")
    @common_options
    def command(invocation: Invocation, name: str, rest: tuple[str, ...], user: str) -> int:
        """Log in to the guest with this machine's ssh; what stands after -- is handed on to it.

        It ends with the exit code of what ran in the guest, or with 255 where ssh could not log in.

        The guest's host key is remembered by the UID of the VM, in ~/.ssh/known_hosts.quantix: a new VM of an
        old name raises no alarm, and another machine at the VM's address does.
        """
        settings = invocation.settings
        program = shutil.which("ssh", path=settings.search_path)
        if program is None:
            raise CommandError(Exit.FAILED, "This machine has no ssh.", "install openssh-client")

        async def find(session: Session) -> Guest:
            return await _guest(session, parse_name(name, "vm"), user)

        guest = invocation.run(find)
        known_hosts = _known_hosts(settings.home or Path("/root"))
        detour, port = is_detour(rest), port_of(rest)
        tell_beforehand(settings.terminal, guest, port, detour=detour)
        slow = contextlib.nullcontext() if detour else told_when_slow(settings.terminal, guest.address, port)
        with slow:
            code = run_here(program, ssh_words(guest, known_hosts, rest))
        if code == _SSH_ERROR and detour:
            _tell_shut(settings.terminal, guest, port)
        elif code == _SSH_ERROR:
            _tell_failure(settings.terminal, guest, port, own_keys(known_hosts.parent.parent))
        return code

    return command


def _known_hosts(home: Path) -> Path:
    """Where host keys are kept. Raises CommandError where they cannot be."""
    path = home / ".ssh" / _KNOWN_HOSTS
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        said = f"Host keys cannot be kept in {path.parent}: {error.strerror}."
        raise CommandError(Exit.FAILED, said, "set HOME to a directory of yours") from error
    return path


def run_here(program: str, words: Sequence[str]) -> int:
    """The exit code of a program that has this terminal meanwhile, as a shell tells it."""
    with _keys_for_another():
        code = os.spawnv(os.P_WAIT, program, list(words))
    return code if code >= 0 else _BY_SIGNAL - code


@contextlib.contextmanager
def _keys_for_another() -> Iterator[None]:
    """Ctrl-C and Ctrl-\\ are for the program that runs here, which inherits SIG_IGN, but no handler."""
    keys = (signal.SIGINT, signal.SIGQUIT)
    before = [signal.signal(key, lambda *_: None) for key in keys]
    try:
        yield
    finally:
        for key, handler in zip(keys, before, strict=True):
            signal.signal(key, handler)


@contextlib.contextmanager
def told_when_slow(terminal: Terminal, address: str, port: int, after_s: float = _SLOW_S) -> Iterator[None]:
    """Say once that a guest's port does not answer yet, where it does not within `after_s` seconds: ssh tries
    in silence.
    """
    over, begun_s = threading.Event(), time.monotonic()

    def look() -> None:
        # without a route it is known at once, and ssh ends by itself
        if not answers(address, port, after_s) and not over.wait(begun_s + after_s - time.monotonic()):
            told = f"Port {port} of {address} does not answer yet; ssh tries for {_CONNECT_S} s.\r"
            terminal.note(told)

    threading.Thread(target=look, name="slow", daemon=True).start()
    try:
        yield
    finally:
        over.set()


def answers(address: str, port: int, within_s: float = _PROBE_S) -> bool:
    """Whether something at a guest's port says yes or no to this machine."""
    return _knock(address, port, within_s) is not None


def _knock(address: str, port: int, within_s: float) -> bool | None:
    """Whether a port is open to this machine; None: nothing says yes or no."""
    try:
        socket.create_connection((address, port), within_s).close()
    except ConnectionRefusedError:
        return False
    except OSError:
        return None
    return True


def port_of(rest: Sequence[str]) -> int:
    """The port that ssh goes to with these words after the address: of several it takes the first. Pure."""
    try:
        options, _ = getopt.getopt(list(rest), _OPTIONS_OF_SSH)
    except getopt.GetoptError:
        # ssh itself refuses them
        return _PORT
    for option, value in options:
        key, _, said = value.replace("=", " ", 1).strip().partition(" ")
        port = value if option == "-p" else said.strip() if option == "-o" and key.lower() == "port" else ""
        if port.isdecimal():
            return int(port)
    return _PORT


def is_detour(rest: Sequence[str]) -> bool:
    """Whether these words have ssh go by another way than from this machine to the guest. Pure."""
    return any(word.startswith("-J") or "proxy" in word.lower() for word in rest)


def tell_beforehand(terminal: Terminal, guest: Guest, port: int, *, detour: bool = False) -> None:
    """Say what the API knows to stand in the way. Raises CommandError (6) where no rule lets anybody in, but
    on a detour, which may lead anywhere.
    """
    closed = shut(guest.gate, port)
    if closed is not None and closed.is_sure and not detour:
        raise CommandError(Exit.REFUSED, closed.said, closed.hint)
    if guest.gate.vm and (said := not_up(guest.gate.vm)):
        terminal.note(terminal.plain(f"{said} ssh tries all the same."))


def _tell_shut(terminal: Terminal, guest: Guest, port: int) -> None:
    """After a detour, whose other end this machine cannot try: only what lets nobody in, from wherever."""
    closed = shut(guest.gate, port)
    if closed is not None and closed.is_sure:
        terminal.error(closed.said, closed.hint)


def _tell_failure(terminal: Terminal, guest: Guest, port: int, keys: Sequence[str]) -> None:
    """Say what may be why ssh could not log in, or was cut off: it ends with one code for all. Of a port that
    is refused ssh itself says so.
    """
    is_open = _knock(guest.address, port, _PROBE_S)
    if is_open is None:
        closed = shut(guest.gate, port, source_towards(guest.address))
        silent = f"Nothing answers on port {port} of {guest.address} from this machine."
        said = silent if closed is None else f"{silent} {closed.said}"
        terminal.error(said, _way_in(guest, port, closed))
    elif is_open and guest.gate.vm and (locked := no_key(guest.gate.vm, keys)):
        terminal.error(locked.said, locked.hint)


def _way_in(guest: Guest, port: int, closed: Obstacle | None) -> str:
    """What helps where the guest's port is not reached: its groups, where they may be why, and where not on
    its host, its host.
    """
    groups = "" if guest.gate.nic else f"let its security groups allow TCP {port}"
    way = f"qx vm ssh {guest.name} -- -J root@{guest.host} goes through its host"
    opens = closed.hint if closed is not None else groups
    return "; ".join(filter(None, (opens, f"on a machine without a route to it, {way}")))


async def _guest(session: Session, name: Name, user: str) -> Guest:
    vm = await fetch.one(session, NOUNS["vm"], name)
    guest = guest_of(vm, user or await _login_user(session, vm))
    return replace(guest, gate=await read_gate(session.api, vm, guest.address))


async def _login_user(session: Session, vm: Manifest) -> str:
    """The loginUser of the image that the VM's first disk is made from; "" where it is not known."""
    image = next((disk["image"] for disk in look(vm, "spec.disks", []) if disk.get("image")), None)
    if image is None:
        return ""
    namespace = resolve_key(vm["metadata"]["namespace"], image).partition("/")[0]
    try:
        found = await fetch.one(session, NOUNS["image"], Name(bare_name(image), namespace))
    except (CommandError, Forbidden):
        return ""
    return str(look(found, "spec.loginUser", ""))


def guest_of(vm: Manifest, user: str) -> Guest:
    """Where to log in. Raises CommandError: the VM is off or has no address (6), nobody is named (2)."""
    name, uid, host = vm["metadata"]["name"], vm["metadata"]["uid"], look(vm, "status.assignment.host")
    if not host:
        raise CommandError(Exit.REFUSED, f"{name} is off.", f"qx vm start {name}")
    addresses = [address for address in look(vm, "status.addresses", []) if _is_address(address)]
    if not addresses:
        raise CommandError(Exit.REFUSED, f"{name} has no address yet.", f"qx vm explain {name}")
    if not user:
        said = f"Who logs in? The image of {name} names no login user."
        raise CommandError(Exit.USAGE, said, f"qx vm ssh {name} --user USER")
    if not USER.fullmatch(user) or not _UID.fullmatch(uid):
        raise CommandError(Exit.REFUSED, f"{user!r} is no name of a user.", f"qx vm ssh {name} --user USER")
    return Guest(name, uid, addresses[0], user, host)


def _is_address(written: object) -> bool:
    try:
        ip_address(str(written))
    except ValueError:
        return False
    return True


def ssh_words(guest: Guest, known_hosts: Path, rest: Sequence[str]) -> list[str]:
    """The command line (ssh(1), ssh_config(5) of OpenSSH 9.2). Pure."""
    file = str(known_hosts).replace("%", "%%")
    options = {
        "HostKeyAlias": f"quantix-{guest.uid}",
        "UserKnownHostsFile": f'"{file}"',
        "StrictHostKeyChecking": "accept-new",
        "CheckHostIP": "no",
        "ConnectTimeout": str(_CONNECT_S),
    }
    words = [word for key, value in options.items() for word in ("-o", f"{key}={value}")]
    return ["ssh", *words, "-l", guest.user, guest.address, *rest]
