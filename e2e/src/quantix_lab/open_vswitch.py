"""A real Open vSwitch (userspace datapath) in a network namespace and directory of its own, for contract
tests.

Used by pytest fixtures. Needs root. Everything that it started ends, and the namespace goes, with the
context.
"""

from __future__ import annotations

import os
import secrets
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

_SCHEMA = Path("/usr/share/openvswitch/vswitch.ovsschema")
_START_TIMEOUT_S = 15.0
_STOP_TIMEOUT_S = 5.0
_QUIET = ("-vconsole:info", "-vfile:off", "-vsyslog:off")


@dataclass(frozen=True)
class OpenVSwitch:
    """A running switch: its run directory and its network namespace."""

    directory: Path
    namespace: str

    @property
    def database(self) -> str:
        """As ovs-vsctl names it."""
        return f"unix:{self.directory}/db.sock"

    def vsctl(self, *arguments: str) -> str:
        """The output of ovs-vsctl; raises `subprocess.CalledProcessError` when it is refused."""
        return _output("ovs-vsctl", f"--db={self.database}", "--timeout=10", *arguments)

    def inside(self, *command: str) -> str:
        """The output of a command in the namespace."""
        return _output(*inside(self.namespace, *command))


def inside(namespace: str, *command: str) -> list[str]:
    """The command that runs `command` in a network namespace (ip-netns(8))."""
    return ["ip", "netns", "exec", namespace, *command]


@contextmanager
def network_namespace() -> Iterator[str]:
    """A network namespace with loopback up; its name."""
    name = f"qx{secrets.token_hex(4)}"
    subprocess.run(["ip", "netns", "add", name], check=True)
    try:
        subprocess.run(["ip", "-n", name, "link", "set", "lo", "up"], check=True)
        yield name
    finally:
        subprocess.run(["ip", "netns", "delete", name], check=True)


@contextmanager
def open_vswitch(directory: Path) -> Iterator[OpenVSwitch]:
    """A fresh switch below `directory` (an empty one with a short path: sockets lie in it)."""
    directory.mkdir(parents=True, exist_ok=True)
    database = directory / "conf.db"
    subprocess.run(["ovsdb-tool", "create", str(database), str(_SCHEMA)], check=True)
    with ExitStack() as stack:
        switch = OpenVSwitch(directory, stack.enter_context(network_namespace()))
        server = ["ovsdb-server", f"--remote=punix:{directory}/db.sock", str(database)]
        stack.enter_context(_running(switch, "ovsdb-server", server))
        _wait_for(directory / "db.sock")
        switch.vsctl("--no-wait", "init")
        stack.enter_context(_running(switch, "ovs-vswitchd", ["ovs-vswitchd", switch.database]))
        _wait_for(directory / "ovs-vswitchd.pid")
        yield switch


@contextmanager
def _running(switch: OpenVSwitch, name: str, command: list[str]) -> Iterator[None]:
    run = switch.directory
    files = [f"--unixctl={run}/{name}.ctl", f"--pidfile={run}/{name}.pid", *_QUIET]
    with (run / f"{name}.log").open("ab") as output:
        process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", *inside(switch.namespace, *command, *files)],
            env={**os.environ, "OVS_RUNDIR": str(run), "OVS_DBDIR": str(run)},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_for(path: Path) -> None:
    end = time.monotonic() + _START_TIMEOUT_S
    while not path.exists():
        if time.monotonic() > end:
            raise TimeoutError(f"{path} did not appear within {_START_TIMEOUT_S} s")
        time.sleep(0.02)


def _output(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout
