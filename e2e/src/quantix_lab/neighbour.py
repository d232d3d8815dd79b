"""Somebody behind a machine's bridge to the outside, `qx-ex`: a network namespace on that wire.

Used by end-to-end tests of what guests look like from there, before the machine gives them its own address.
"""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

from quantix_lab.machine_view import MachineView

_BRIDGE = "qx-ex"
# of each that comes: OVN's routers go on sending to the one that they learned for an address
_MAC = "0a:00:00:00:00:fe"
_ANSWERS = """
import socket
with socket.create_connection((ADDRESS, PORT), timeout=3) as door:
    door.sendall(b"GET / HTTP/1.0\\r\\n\\r\\n")
    print(b"".join(iter(lambda: door.recv(4096), b"")).decode(errors="replace"))
"""
_HEARS = """
import socket
door = socket.create_server((ADDRESS, PORT))
door.settimeout(60)
print("listening", flush=True)
while True:
    caller, (address, _) = door.accept()
    caller.close()
    print(address, flush=True)
"""


@dataclass(frozen=True)
class Neighbour:
    """The namespace, and the address that it has on the wire."""

    namespace: str
    address: str

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """A command that runs there."""
        return subprocess.run(
            ["ip", "netns", "exec", self.namespace, *command],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )

    def answer(self, address: str, port: int = 80) -> str:
        """What a port of a guest answers, "" for nothing."""
        script = f"ADDRESS, PORT = {address!r}, {port}{_ANSWERS}"
        return self.run("python3", "-c", script).stdout

    def pings(self, address: str) -> bool:
        """Whether every one of three pings is answered."""
        return " 0% packet loss" in self.run("ping", "-c", "3", "-i", "0.2", "-W", "3", address).stdout

    @contextlib.contextmanager
    def listening(self, port: int) -> Iterator[subprocess.Popen[str]]:
        """A listener there, which prints the address of each caller on a line of its own; it ends when none
        has called for a minute.
        """
        script = f"ADDRESS, PORT = {self.address!r}, {port}{_HEARS}"
        server = subprocess.Popen(
            ["ip", "netns", "exec", self.namespace, "python3", "-c", script],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert server.stdout is not None
        try:
            assert server.stdout.readline() == "listening\n", "the neighbour does not listen"
            yield server
        finally:
            server.kill()
            server.communicate(timeout=10)


@contextlib.contextmanager
def neighbour(view: MachineView, address: str) -> Iterator[Neighbour]:
    """Somebody with this address (in CIDR form) on the wire, while inside."""
    name = f"{view.machine.network_namespace}n"
    _ip("netns", "add", name)
    try:
        _ip(
            "link",
            "add",
            "aside",
            "netns",
            view.machine.network_namespace,
            "type",
            "veth",
            "peer",
            "eth0",
            "address",
            _MAC,
            "netns",
            name,
        )
        for namespace, device in ((view.machine.network_namespace, "aside"), (name, "eth0")):
            _ip("-n", namespace, "link", "set", device, "up")
            # Open vSwitch opens it by AF_PACKET, past which nobody fills in checksums
            subprocess.run(
                ["ip", "netns", "exec", namespace, "ethtool", "-K", device, "tx", "off"],
                check=True,
                capture_output=True,
            )
        _ip("-n", name, "addr", "add", address, "dev", "eth0")
        view.vsctl("add-port", _BRIDGE, "aside")
        yield Neighbour(name, address.partition("/")[0])
    finally:
        view.vsctl("--if-exists", "del-port", _BRIDGE, "aside")
        subprocess.run(["ip", "netns", "del", name], check=False)


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True)
