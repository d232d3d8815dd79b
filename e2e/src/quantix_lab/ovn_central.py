"""A real OVN central (both databases and northd) in a directory of its own, for contract tests.

Used by pytest fixtures, and the written record of the command lines that a supervisor has to run. All run
in the foreground, as any user, with `OVN_RUNDIR=RUN OVS_RUNDIR=RUN` in the environment (control sockets and
pid files go there), once the databases exist (ovsdb-tool is atomic; an existing file is kept):

    ovsdb-tool create DATA/ovnnb_db.db /usr/share/ovn/ovn-nb.ovsschema        # once each; later versions:
    ovsdb-tool create DATA/ovnsb_db.db /usr/share/ovn/ovn-sb.ovsschema        # ovsdb-tool convert DB SCHEMA
    ovsdb-server --remote=punix:RUN/ovnnb_db.sock --unixctl=RUN/ovnnb_db.ctl --pidfile=RUN/ovnnb_db.pid \
        -vconsole:info -vfile:off -vsyslog:off DATA/ovnnb_db.db
    ovsdb-server --remote=punix:RUN/ovnsb_db.sock --unixctl=RUN/ovnsb_db.ctl --pidfile=RUN/ovnsb_db.pid \
        -vconsole:info -vfile:off -vsyslog:off DATA/ovnsb_db.db
    ovn-northd --ovnnb-db=unix:RUN/ovnnb_db.sock --ovnsb-db=unix:RUN/ovnsb_db.sock \
        --unixctl=RUN/ovn-northd.ctl --pidfile=RUN/ovn-northd.pid -vconsole:info -vfile:off -vsyslog:off
    ovn-nbctl --db=unix:RUN/ovnnb_db.sock --no-leader-only init               # makes the one row NB_Global
    ovn-sbctl --db=unix:RUN/ovnsb_db.sock --no-leader-only init               # and SB_Global; repeatable

Order: the databases, then init, then northd; each waits and reconnects when another is away. The databases
end on SIGTERM in order. Nothing here knows Quantix' paths (quantix_api.layout does).
"""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

SCHEMA_DIRECTORY = Path("/usr/share/ovn")
START_TIMEOUT_S = 15.0
STOP_TIMEOUT_S = 5.0
QUIET = ("-vconsole:info", "-vfile:off", "-vsyslog:off")


@dataclass(frozen=True)
class TlsListener:
    """Where else the southbound database listens, as its table Connection says, and what it shows there."""

    namespace: str
    key: Path
    certificate: Path
    authority: Path

    @property
    def options(self) -> tuple[str, ...]:
        """For ovsdb-server(1)."""
        files = (f"--private-key={self.key}", f"--certificate={self.certificate}")
        return ("--remote=db:OVN_Southbound,SB_Global,connections", *files, f"--ca-cert={self.authority}")


@dataclass(frozen=True)
class OvnCentral:
    """A running central: where it listens and how to ask it."""

    directory: Path

    @property
    def northbound(self) -> str:
        """The northbound database as OVSDB clients name it."""
        return f"unix:{self.directory}/ovnnb_db.sock"

    @property
    def southbound(self) -> str:
        """The southbound database as OVSDB clients name it."""
        return f"unix:{self.directory}/ovnsb_db.sock"

    def nbctl(self, *arguments: str) -> str:
        """The output of ovn-nbctl; raises `subprocess.CalledProcessError` when it is refused."""
        return self._run("ovn-nbctl", f"--db={self.northbound}", "--no-leader-only", *arguments)

    def sbctl(self, *arguments: str) -> str:
        """The output of ovn-sbctl; raises `subprocess.CalledProcessError` when it is refused."""
        return self._run("ovn-sbctl", f"--db={self.southbound}", "--no-leader-only", *arguments)

    def trace(self, datapath: str, microflow: str) -> str:
        """What ovn-trace says about the first packet of a connection that enters the switch `datapath`."""
        new_everywhere = ("--ct=new",) * 8
        arguments = (f"--db={self.southbound}", "--no-friendly-names", *new_everywhere, datapath, microflow)
        return self._run("ovn-trace", *arguments)

    def complaints(self, datapath: str) -> list[str]:
        """What every ovn-controller would say about matches and actions of the flows that it cannot parse.

        ovn-trace parses all flows before it traces the packet, which does not matter here.
        """
        command = ("ovn-trace", f"--db={self.southbound}", datapath, 'inport == "none"')
        done = subprocess.run(
            command, env=_environment(self.directory), capture_output=True, text=True, check=False, timeout=30
        )
        return [line for line in done.stderr.splitlines() if "pars" in line or "expression" in line]

    def sync(self) -> None:
        """Wait until northd has brought every northbound change into the southbound database."""
        self.nbctl("--timeout=10", "--wait=sb", "sync")

    def _run(self, *command: str) -> str:
        done = subprocess.run(
            command, env=_environment(self.directory), capture_output=True, text=True, check=False, timeout=30
        )
        if done.returncode != 0:
            raise subprocess.CalledProcessError(done.returncode, command, done.stdout, done.stderr)
        return done.stdout


@contextmanager
def running_northbound(directory: Path) -> Iterator[OvnCentral]:
    """Run only the northbound database below `directory`; it and its process are gone afterwards."""
    with ExitStack() as stack:
        stack.enter_context(database(directory, "nb"))
        central = OvnCentral(directory)
        central.nbctl("init")
        yield central


@contextmanager
def running_central(directory: Path, tls: TlsListener | None = None) -> Iterator[OvnCentral]:
    """Run both databases and northd below `directory` (a short path: sockets have at most 107 bytes)."""
    with ExitStack() as stack:
        stack.enter_context(database(directory, "nb"))
        stack.enter_context(database(directory, "sb", tls))
        central = OvnCentral(directory)
        central.nbctl("init")
        central.sbctl("init")
        northd = (
            "ovn-northd",
            f"--ovnnb-db={central.northbound}",
            f"--ovnsb-db={central.southbound}",
            f"--unixctl={directory}/ovn-northd.ctl",
            *QUIET,
        )
        stack.enter_context(_process(directory, "ovn-northd", northd))
        central.sync()
        yield central


@contextmanager
def database(directory: Path, name: str, tls: TlsListener | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """Run the database `nb` or `sb`; an existing file is used again, so a test can stop and restart it."""
    directory.mkdir(parents=True, exist_ok=True)
    store = directory / f"ovn{name}_db.db"
    if not store.exists():
        subprocess.run(
            ("ovsdb-tool", "create", str(store), str(SCHEMA_DIRECTORY / f"ovn-{name}.ovsschema")), check=True
        )
    door = directory / f"ovn{name}_db.sock"
    command = (
        "ovsdb-server",
        f"--remote=punix:{door}",
        f"--unixctl={directory}/ovn{name}_db.ctl",
        f"--pidfile={directory}/ovn{name}_db.pid",
        *QUIET,
        *(tls.options if tls is not None else ()),
        str(store),
    )
    if tls is not None:
        command = ("ip", "netns", "exec", tls.namespace, *command)
    with _process(directory, f"ovn{name}_db", command) as process:
        _wait_for_socket(door, process)
        yield process


@contextmanager
def _process(directory: Path, name: str, command: tuple[str, ...]) -> Iterator[subprocess.Popen[bytes]]:
    with (directory / f"{name}.log").open("ab") as log:
        process = subprocess.Popen(
            command, env=_environment(directory), stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _environment(directory: Path) -> dict[str, str]:
    return {**os.environ, "OVN_RUNDIR": str(directory), "OVS_RUNDIR": str(directory)}


def _wait_for_socket(path: Path, process: subprocess.Popen[bytes]) -> None:
    """Until somebody listens: its file is there before, and stays of one that was killed."""
    deadline = time.monotonic() + START_TIMEOUT_S
    while not _listens(path):
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"ovsdb-server did not open {path}: see {path.with_suffix('.log')}")
        time.sleep(0.01)


def _listens(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as way:
        return way.connect_ex(str(path)) == 0
