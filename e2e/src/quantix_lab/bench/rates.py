"""How fast a guest reads, writes and sends, asked by its shell. Rates are in MB (10^6 bytes) a second."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Sequence
from typing import Protocol

DISK_MIB = 256
_PART_MIB = 16
SENT_MIB = 64
PORT = 5001
_DEVICE = "/dev/vdb"
_TIMEOUT_S = 120.0
# busybox' dd tells no time, its shell's `time` does: "real 1m 2.34s"
_REAL = re.compile(r"^real\s+(\d+)m\s*([\d.]+)s", re.MULTILINE)
# from the first byte to the end of the stream
_RECEIVE = """
import socket, sys, time
with socket.create_server((sys.argv[1], int(sys.argv[2]))) as door:
    print("listening", flush=True)
    door.settimeout(60)
    peer, _ = door.accept()
    with peer:
        peer.settimeout(60)
        began, count = time.monotonic(), 0
        while chunk := peer.recv(1 << 20):
            count += len(chunk)
        print(count, time.monotonic() - began, flush=True)
"""


class GuestShell(Protocol):
    """A shell on a guest's serial port."""

    def run(self, command: str, *, until: str, timeout_s: float = 40.0) -> str:
        """Type a command, wait for `until`; what was printed since."""
        ...


def write_rate(shell: GuestShell) -> float:
    """Random bytes, flushed at the end: zeros would only be noted as such."""
    part = f"[ -e /run/part ] || dd if=/dev/urandom of=/run/part bs=1M count={_PART_MIB}"
    many = f"for n in $(seq {DISK_MIB // _PART_MIB}); do cat /run/part; done"
    _ask(shell, part)
    return _rate(shell, f"{many} | dd of={_DEVICE} bs=1M conv=fsync")


def read_rate(shell: GuestShell) -> float:
    """What was written, with nothing of it in the guest's memory."""
    forget = "echo 3 > /proc/sys/vm/drop_caches"
    _ask(shell, forget)
    return _rate(shell, f"dd if={_DEVICE} of=/dev/null bs=1M count={DISK_MIB}")


def receive_rate(enter: Callable[[Sequence[str]], list[str]], address: str, shell: GuestShell) -> float:
    """What a listener at `address` gets; `enter` makes the command that runs where the address is."""
    command = enter(["python3", "-c", _RECEIVE, address, str(PORT)])
    listener = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    try:
        assert listener.stdout is not None
        assert listener.stdout.readline() == "listening\n", f"nobody listens at {address}"
        _ask(shell, f"dd if=/dev/zero bs=64k count={SENT_MIB * 16} | nc {address} {PORT}")
        said = listener.stdout.readline()
        assert said, f"nothing came to {address}"
        count, seconds = said.split()
    finally:
        listener.kill()
        listener.communicate()
    return int(count) / float(seconds) / 1e6


def _rate(shell: GuestShell, command: str) -> float:
    """Of a command that moves `DISK_MIB`, by the guest's clock."""
    said = _ask(shell, f"time sh -c '{command}'")
    return rate_of(said, DISK_MIB * 1024 * 1024)


def rate_of(said: str, count_bytes: int) -> float:
    """By the last time that is told. Raises RuntimeError where none is."""
    told = _REAL.findall(said.replace("\r", ""))
    if not told:
        raise RuntimeError(f"the guest did not say how fast it was: {said[-500:]}")
    minutes, seconds = told[-1]
    return count_bytes / (int(minutes) * 60 + float(seconds)) / 1e6


def _ask(shell: GuestShell, command: str) -> str:
    # the shell echoes what is typed, so the word that is waited for is not typed
    return shell.run(f"{command}; echo done-$((40+2))", until="done-42", timeout_s=_TIMEOUT_S)
