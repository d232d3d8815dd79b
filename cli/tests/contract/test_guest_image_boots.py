"""The guest image in a real QEMU: it boots in 128 MiB, has an address, answers, and powers off on ACPI."""

import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from quantix_cli.guestimage.build import ensure_image
from quantix_lab.vm_manifests import READY

BOOT_TIMEOUT_S = 90.0
# QEMU's router announces it; it has no DHCPv6 server that gives addresses
PREFIX = "fd00:9::"
GREETING = f"{READY}: hostname=web-9 address=10.0.2.15".encode()
GUEST_ADDRESS = b"fd00:9::5054:ff:fe12:3456"
CACHE = Path(os.environ.get("QUANTIX_CACHE", "/var/cache/quantix"))


@dataclass
class Guest:
    """A running guest, its serial line, and the ports of 127.0.0.1 that lead to its 22 and 80."""

    process: subprocess.Popen[bytes]
    serial: socket.socket
    monitor: socket.socket
    ports: dict[int, int]
    unread: bytes = b""

    def read_until(self, text: bytes) -> str:
        """What the console says up to the next `text`."""
        deadline = time.monotonic() + BOOT_TIMEOUT_S
        while text not in self.unread:
            assert time.monotonic() < deadline, f"{text!r} never came; it says {self.unread[-400:]!r}"
            self.unread += self.serial.recv(4096)
        before, _, self.unread = self.unread.partition(text)
        return (before + text).decode(errors="replace")

    def fetch(self, port: int) -> bytes:
        with socket.create_connection(("127.0.0.1", self.ports[port]), timeout=20) as connection:
            connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
            answer = b""
            while chunk := connection.recv(4096):
                answer += chunk
            return answer

    def command(self, name: str) -> None:
        self.monitor.sendall(json.dumps({"execute": name}).encode() + b"\n")
        self.monitor.recv(4096)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def connect(path: Path) -> socket.socket:
    deadline = time.monotonic() + 20
    while True:
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.connect(str(path))
        except OSError:
            connection.close()
            assert time.monotonic() < deadline, f"QEMU made no {path.name}"
            time.sleep(0.05)
        else:
            connection.settimeout(BOOT_TIMEOUT_S)
            return connection


@pytest.fixture
def guest(tmp_path: Path) -> Iterator[Guest]:
    overlay = tmp_path / "disk.qcow2"
    image = ensure_image(CACHE)
    subprocess.run(
        ["qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", image, overlay], check=True
    )
    ports = {22: free_port(), 80: free_port()}
    forwards = ",".join(f"hostfwd=tcp:127.0.0.1:{outside}-:{inside}" for inside, outside in ports.items())
    argv = [
        "qemu-system-x86_64",
        "-accel",
        "tcg",
        "-M",
        "q35",
        "-m",
        "128",
        "-nodefaults",
        "-display",
        "none",
    ]
    argv += ["-drive", f"if=none,id=disk,format=qcow2,file={overlay}", "-device", "virtio-blk-pci,drive=disk"]
    argv += ["-netdev", f"user,id=net,hostname=web-9,ipv6-prefix={PREFIX},{forwards}"]
    argv += ["-device", "virtio-net-pci,netdev=net"]
    argv += ["-serial", f"unix:{tmp_path}/serial,server=on,wait=off"]
    argv += ["-qmp", f"unix:{tmp_path}/monitor,server=on,wait=off"]
    with subprocess.Popen(argv) as process:
        try:
            with connect(tmp_path / "serial") as serial, connect(tmp_path / "monitor") as monitor:
                monitor.recv(4096)
                running = Guest(process, serial, monitor, ports)
                running.command("qmp_capabilities")
                yield running
        finally:
            process.kill()


def test_it_boots_answers_and_powers_off(guest: Guest) -> None:
    ready, second = GREETING, b" address6=" + GUEST_ADDRESS
    assert "could not be loaded" not in guest.read_until(ready)
    guest.read_until(second)
    assert ready + second in guest.fetch(80)
    assert ready + second in guest.fetch(22)
    guest.serial.sendall(b"cat /sys/block/vda/size\n")
    guest.read_until(str(40 * 1024 * 1024 // 512).encode())
    guest.command("system_powerdown")
    assert guest.process.wait(timeout=60) == 0


@pytest.mark.soak
def test_it_reboots_when_told(guest: Guest) -> None:
    guest.read_until(READY.encode())
    guest.serial.sendall(b"reboot\n")
    guest.read_until(GREETING)
    assert guest.process.poll() is None
