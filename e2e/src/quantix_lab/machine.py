"""A whole machine for tests: a network namespace with a root of its own, and another that plays the world.

Used by end-to-end tests: `qx up` runs inside as on a machine fresh from the shop, and nothing of the real
machine's network, /run or Quantix is touched. Guests are real QEMU processes; `close` ends what was started:
all that lives in its network namespace.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from quantix_api.layout import Layout
from quantix_cli.guestimage.build import ensure_image
from quantix_cli.up.stop.guests import guest_processes
from quantix_lab.control_plane import build_control_plane
from quantix_lab.inside_api import InsideApi
from quantix_lab.inside_socket import connect_inside

CACHE = Path(os.environ.get("QUANTIX_CACHE", "/var/cache/quantix"))
QX = Path(sys.executable).parent / "qx"
UPLINK = ("192.0.2.2/24", "192.0.2.1/24")
INTERNET = "198.51.100.1"
"""An address that only the world has: guests that reach it have a way out."""
UP_TIMEOUT_S = 600.0
# ip-netns(8) mounts a new /sys, which has none of the control groups of version 1 or 2
CONTROL_GROUPS = """
if grep -q "^cpu[[:space:]]*0[[:space:]]" /proc/cgroups; then
    mount -t cgroup2 cgroup2 /sys/fs/cgroup
else
    mount -t tmpfs tmpfs /sys/fs/cgroup
    for controller in $(awk '!/^#/ && $2 > 0 { print $1 }' /proc/cgroups); do
        mkdir "/sys/fs/cgroup/$controller"
        mount -t cgroup -o "$controller" cgroup "/sys/fs/cgroup/$controller"
    done
fi
"""
_INSIDE = f"""
mount -t tmpfs -o mode=0755 tmpfs /run
{CONTROL_GROUPS}
exec "$@"
"""


class Machine:
    """One machine. `kubectl` and `qx` run inside it; the API listens on its own loopback."""

    def __init__(self, name: str = "box", root: Path | None = None) -> None:
        self.name = name
        # short, and open to libvirt-qemu: see quantix_api.layout.MAX_ROOT_LENGTH
        self.root = root or Path(tempfile.mkdtemp(prefix="qxm"))
        self.root.chmod(0o755)
        self.layout = Layout(self.root)
        suffix = self.root.name.removeprefix("qxm")
        self.network_namespace, self._world = f"qxm-{suffix}", f"qxw-{suffix}"
        """The network namespace that the machine is, and that of the world outside."""
        self.api = InsideApi(self.network_namespace, self.layout.admin_kubeconfig)
        self._made: list[str] = []

    def __enter__(self) -> Self:
        # the machine has no way to mirrors: what is built from downloads is there before it starts
        ensure_image(CACHE)
        build_control_plane()
        try:
            self._make_network()
        except subprocess.CalledProcessError:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def environment(self) -> dict[str, str]:
        """What `make up` is told inside."""
        own = {"QUANTIX_ROOT": str(self.root), "QUANTIX_CACHE": str(CACHE), "QUANTIX_HOST_NAME": self.name}
        return {**os.environ, **own, "KUBECONFIG": str(self.layout.admin_kubeconfig)}

    def argv(self, command: Sequence[str]) -> list[str]:
        """`command` as it runs inside: in the network namespace, with an empty /run and control groups."""
        return [
            "ip",
            "netns",
            "exec",
            self.network_namespace,
            "unshare",
            "--mount",
            "sh",
            "-ec",
            _INSIDE,
            "sh",
            *command,
        ]

    def run(
        self,
        *command: str,
        timeout_s: float = 60.0,
        check: bool = True,
        stdin: str | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command inside. Raises CalledProcessError, with what it said in the message."""
        done = subprocess.run(
            self.argv(command),
            env={**self.environment, **(environment or {})},
            input=stdin or "",
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
        if check and done.returncode != 0:
            said = f"{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
            raise AssertionError(f"{' '.join(command)} ended with {done.returncode}: {said}")
        return done

    def start(self, *command: str) -> subprocess.Popen[str]:
        """Start a command inside, with pipes; the caller ends it."""
        pipes = subprocess.PIPE
        return subprocess.Popen(
            self.argv(command), env=self.environment, stdin=pipes, stdout=pipes, stderr=pipes, text=True
        )

    def qx(
        self, *arguments: str, timeout_s: float = 60.0, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Run `qx` inside."""
        return self.run(str(QX), *arguments, timeout_s=timeout_s, check=check)

    def start_qx(self, *arguments: str) -> subprocess.Popen[str]:
        """Start `qx` inside, with pipes; the caller ends it."""
        return self.start(str(QX), *arguments)

    def up(self) -> str:
        """`qx up`; what it printed."""
        return self.qx("up", timeout_s=UP_TIMEOUT_S).stdout

    def down(self) -> str:
        """`qx down`; what it printed."""
        return self.qx("down", timeout_s=300).stdout

    def control_plane_binary(self) -> Path:
        """The control plane's program, which is kubectl when it is called so."""
        program = self.layout.etc / "supervisor/programs/controlplane.conf"
        line = next(line for line in program.read_text().splitlines() if line.startswith("command"))
        words = map(Path, shlex.split(line.partition("=")[2]))
        return next(word for word in words if word.name == "quantix-controlplane")

    def kubectl(
        self, *arguments: str, stdin: str | None = None, check: bool = True, timeout_s: float = 60.0
    ) -> subprocess.CompletedProcess[str]:
        """The kubectl of the control plane."""
        return self.run(*self.kubectl_argv(*arguments), stdin=stdin, check=check, timeout_s=timeout_s)

    def kubectl_argv(self, *arguments: str) -> list[str]:
        """The command itself, for what is timed from its own start."""
        return [str(self.control_plane_binary()), "kubectl", *arguments]

    def world(self, *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a command in the world outside the machine."""
        argv = self.argv_in_world(command)
        return subprocess.run(argv, capture_output=True, text=True, timeout=60, check=check)

    def argv_in_world(self, command: Sequence[str]) -> list[str]:
        """`command` as it runs in the world."""
        return ["ip", "netns", "exec", self._world, *command]

    def clean(self, *, check: bool = True) -> str:
        """What `make clean` runs; what it printed."""
        return self.run(sys.executable, "-m", "quantix_cli.up.stop.clean", timeout_s=300, check=check).stdout

    def guests(self) -> list[int]:
        """The processes of guests that run on this machine."""
        return guest_processes(self.layout)

    @contextlib.contextmanager
    def serving(self, directory: Path, port: int = 8000) -> Iterator[str]:
        """A web server of the world, see `quantix_lab.web_server`; its address as http://…"""
        command = [sys.executable, "-m", "quantix_lab.web_server", str(directory), INTERNET, str(port)]
        server = subprocess.Popen(
            ["ip", "netns", "exec", self._world, *command], stdout=subprocess.PIPE, text=True
        )
        assert server.stdout is not None
        try:
            assert server.stdout.readline() == "listening\n", "the web server of the world did not start"
            yield f"http://{INTERNET}:{port}"
        finally:
            server.terminate()
            server.wait(10)
            server.stdout.close()

    @contextlib.contextmanager
    def listening(self, port: int) -> Iterator[None]:
        """A listener of the machine itself, on all its addresses."""
        script = (
            "import socket\n"
            f"door = socket.create_server(('::', {port}), family=socket.AF_INET6, dualstack_ipv6=True)\n"
            "print('listening', flush=True)\n"
            "while True: door.accept()[0].close()\n"
        )
        server = self.start("python3", "-c", script)
        assert server.stdout is not None
        try:
            assert server.stdout.readline() == "listening\n", "the listener of the machine did not start"
            yield
        finally:
            server.kill()
            server.communicate(timeout=10)

    def knocks(self, address: str, port: int) -> bool:
        """Whether a connection from the world comes about."""
        script = f"import socket; socket.create_connection(({address!r}, {port}), timeout=3)"
        return self.world("python3", "-c", script, check=False).returncode == 0

    def connect(self, address: str, port: int, timeout_s: float) -> socket.socket:
        """A TCP connection of the machine itself. Raises OSError."""
        return connect_inside(self.network_namespace, address, port, timeout_s)

    def close(self) -> None:
        """End everything and remove it."""
        self.api.close()
        if self.layout.etc.exists():
            self.clean(check=False)
        self._end_leftovers()
        for namespace in reversed(self._made):
            subprocess.run(["ip", "netns", "del", namespace], check=False)
        shutil.rmtree(self.root, ignore_errors=True)

    def _make_network(self) -> None:
        inside, world = self.network_namespace, self._world
        for namespace in (inside, world):
            _ip("netns", "add", namespace)
            self._made.append(namespace)
            _ip("-n", namespace, "link", "set", "lo", "up")
        _ip(
            "link",
            "add",
            "uplink",
            "netns",
            inside,
            "type",
            "veth",
            "peer",
            "name",
            "machine",
            "netns",
            world,
        )
        _ip("-n", inside, "addr", "add", UPLINK[0], "dev", "uplink")
        _ip("-n", world, "addr", "add", UPLINK[1], "dev", "machine")
        _ip("-n", world, "addr", "add", f"{INTERNET}/32", "dev", "lo")
        for namespace, device in ((inside, "uplink"), (world, "machine")):
            _ip("-n", namespace, "link", "set", device, "up")
        _ip("-n", inside, "route", "add", "default", "via", UPLINK[1].partition("/")[0])

    def _end_leftovers(self) -> None:
        """End the processes whose network namespace is this machine's: QEMU and what else was left."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            pids = self.processes()
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)
            deadline = time.monotonic() + 5
            while pids and self.processes() and time.monotonic() < deadline:
                time.sleep(0.05)

    def processes(self) -> list[int]:
        """Everything that runs in this machine's network namespace."""
        if self.network_namespace not in self._made:
            return []
        done = subprocess.run(
            ["ip", "netns", "pids", self.network_namespace], capture_output=True, text=True, check=False
        )
        return [int(pid) for pid in done.stdout.split()]


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True)
