"""A QEMU as somebody would start it without libvirt: the measure for what a guest of Quantix can do.

It runs inside the lab's machine with the binary, machine, accelerator and CPU of a guest of Quantix, the same
image and a blank disk of the same kind, and a tap that no switch has. Ended, with all that was made for it.
"""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from quantix_cli.guestimage.build import ensure_image
from quantix_lab.bench.rates import GuestShell
from quantix_lab.machine import CACHE
from quantix_lab.machine_view import MachineView
from quantix_lab.vm_manifests import READY
from quantix_lab.waiting import wait_for

TAP = "byhand"
"""No name of ours: hostd lets nothing from a device called qx… reach the host, as it is a guest's tap."""
HOST_ADDRESS, GUEST_ADDRESS = "203.0.113.1", "203.0.113.2"
_DISK = "if=none,format=qcow2,cache=none,aio=native,discard=unmap,detect-zeroes=unmap"
_UP_S = 120.0


@dataclass(frozen=True)
class HandQemu:
    """`address`: this side of its tap."""

    shell: GuestShell
    address: str


class SocketShell:
    """The shell of a guest whose serial port is a unix socket."""

    def __init__(self, path: Path) -> None:
        self._line = socket.socket(socket.AF_UNIX)
        self._line.connect(str(path))
        self._line.settimeout(0.5)

    def run(self, command: str, *, until: str, timeout_s: float = 40.0) -> str:
        """As `GuestShell.run`; AssertionError when the guest does not say it."""
        self._line.sendall(f"{command}\r".encode())
        return self.wait(until, timeout_s=timeout_s)

    def wait(self, until: str, *, timeout_s: float) -> str:
        """What is printed from now on, once `until` is part of it."""
        said, deadline_s = "", time.monotonic() + timeout_s
        while until not in said:
            assert time.monotonic() < deadline_s, (
                f"waited {timeout_s:.0f} s in vain for {until}: {said[-500:]}"
            )
            with contextlib.suppress(TimeoutError):
                said += self._line.recv(65536).decode(errors="replace")
        return said

    def close(self) -> None:
        self._line.close()


@contextlib.contextmanager
def hand_qemu(view: MachineView, like: int, disk_size: str) -> Iterator[HandQemu]:
    """A guest with the hardware of process `like` and a blank disk, up and with an address."""
    folder = view.layout.root / "hand"
    folder.mkdir()
    machine = view.machine
    try:
        machine.run("ip", "tuntap", "add", TAP, "mode", "tap")
        machine.run("ip", "addr", "add", f"{HOST_ADDRESS}/24", "dev", TAP)
        machine.run("ip", "link", "set", TAP, "up")
        for command in disks(folder, ensure_image(CACHE), disk_size):
            machine.run(*command)
        process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", *machine.argv(command_line(arguments_of(like), folder))],
            stdin=subprocess.DEVNULL,
        )
        try:
            yield from _shell(folder)
        finally:
            process.terminate()
            process.wait(20)
    finally:
        machine.run("ip", "link", "del", TAP, check=False)
        shutil.rmtree(folder)


def _shell(folder: Path) -> Iterator[HandQemu]:
    path = folder / "serial.sock"
    wait_for("the serial port of the QEMU by hand", lambda: (path.exists(), ""), 20.0, 0.05)
    shell = SocketShell(path)
    try:
        shell.wait(READY, timeout_s=_UP_S)
        shell.run("", until="# ")
        device = "$(ls /sys/class/net | grep -v lo)"
        shell.run(f"ip addr add {GUEST_ADDRESS}/24 dev {device}; echo has-$((40+2))", until="has-42")
        yield HandQemu(shell, HOST_ADDRESS)
    finally:
        shell.close()


def arguments_of(pid: int) -> list[str]:
    """The command line of a process."""
    return (Path("/proc") / str(pid) / "cmdline").read_text().split("\0")[:-1]


def disks(folder: Path, image: Path, size: str) -> list[list[str]]:
    """How both disks are made."""
    create = ["qemu-img", "create", "-q", "-f", "qcow2"]
    system = [*create, "-F", "qcow2", "-b", str(image), str(folder / "system.qcow2")]
    return [system, [*create, str(folder / "data.qcow2"), size.removesuffix("i")]]


def command_line(like: list[str], folder: Path) -> list[str]:
    """QEMU with the binary, machine, accelerator, CPU and memory of the command line `like`."""
    machine = _value(like, "-machine").split(",")[0]
    return [
        *(like[0], "-machine", machine, "-accel", _value(like, "-accel"), "-cpu", _value(like, "-cpu")),
        *("-m", "128", "-smp", "1", "-nodefaults", "-display", "none"),
        *("-object", "iothread,id=io"),
        *("-drive", f"id=system,file={folder}/system.qcow2,{_DISK}"),
        *("-device", "virtio-blk-pci,drive=system,iothread=io"),
        *("-drive", f"id=data,file={folder}/data.qcow2,{_DISK}"),
        *("-device", "virtio-blk-pci,drive=data,iothread=io"),
        *("-netdev", f"tap,id=net,ifname={TAP},script=no,downscript=no"),
        *("-device", "virtio-net-pci,netdev=net"),
        *("-chardev", f"socket,id=serial,path={folder}/serial.sock,server=on,wait=off"),
        *("-serial", "chardev:serial"),
    ]


def _value(arguments: list[str], option: str) -> str:
    return arguments[arguments.index(option) + 1]
