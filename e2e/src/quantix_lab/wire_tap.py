"""Listens on a wire of a lab for words that are to go over it in no readable form (packet(7))."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_LISTEN = """
import signal, socket, sys
device, word = sys.argv[1], bytes.fromhex(sys.argv[2])
tap = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
tap.setsockopt(socket.SOL_SOCKET, 33, 256 << 20)  # SO_RCVBUFFORCE
tap.bind((device, 0))
tap.settimeout(0.2)
ending = []
signal.signal(signal.SIGTERM, lambda *_: (ending.append(True), tap.settimeout(0)))
print("listens", flush=True)
total = clear = 0
while True:
    try:
        packet = tap.recv(1 << 17, socket.MSG_DONTWAIT if ending else 0)
    except TimeoutError:
        continue
    except BlockingIOError:
        break
    total += len(packet)
    clear += packet.count(word)
print(total, clear)
"""


@contextmanager
def heard(namespace: str, device: str, word: bytes) -> Iterator[dict[str, int]]:
    """What goes over `device` within the block: afterwards how many bytes, and how often the word was among
    them in clear.
    """
    command = ["ip", "netns", "exec", namespace, sys.executable, "-c", _LISTEN, device, word.hex()]
    tap = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    found: dict[str, int] = {}
    try:
        assert tap.stdout is not None
        assert tap.stdout.readline() == "listens\n"
        yield found
    finally:
        tap.terminate()
        said, _ = tap.communicate(timeout=20)
    total, clear = said.split()
    found.update({"bytes": int(total), "in clear": int(clear)})
