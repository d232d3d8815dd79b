"""Listens on a wire of a lab for words: whether they go over it readably, and in which VLANs (packet(7))."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

_LISTEN = """
import json, signal, socket, struct, sys
device, word = sys.argv[1], bytes.fromhex(sys.argv[2])
tap = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
tap.setsockopt(socket.SOL_SOCKET, 33, 256 << 20)  # SO_RCVBUFFORCE
tap.setsockopt(263, 8, 1)  # PACKET_AUXDATA: the kernel takes a frame's tag off, and says there which it was
tap.bind((device, 0))
tap.settimeout(0.2)
ending = []
signal.signal(signal.SIGTERM, lambda *_: (ending.append(True), tap.settimeout(0)))
print("listens", flush=True)
total = clear = 0
tags = set()
while True:
    try:
        packet, said, _, _ = tap.recvmsg(1 << 17, 64, socket.MSG_DONTWAIT if ending else 0)
    except TimeoutError:
        continue
    except BlockingIOError:
        break
    total += len(packet)
    if word in packet:
        clear += packet.count(word)
        status, _, _, _, _, tag, _ = struct.unpack("IIIHHHH", said[0][2])
        tags.add(tag & 0xFFF if status & 16 else 0)
print(json.dumps({"total_bytes": total, "in_clear": clear, "vlans": sorted(tags)}))
"""


@dataclass
class Heard:
    """What went over a wire, once it is no longer listened to."""

    total_bytes: int = 0
    in_clear: int = 0
    """How often the word could be read."""
    vlans: tuple[int, ...] = ()
    """Those of the frames that had the word in them; 0 for frames without a tag."""


@contextmanager
def heard(namespace: str, device: str, word: bytes) -> Iterator[Heard]:
    """What goes over `device` within the block, which is told after it."""
    command = ["ip", "netns", "exec", namespace, sys.executable, "-c", _LISTEN, device, word.hex()]
    tap = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    found = Heard()
    try:
        assert tap.stdout is not None
        assert tap.stdout.readline() == "listens\n"
        yield found
    finally:
        tap.terminate()
        said, _ = tap.communicate(timeout=20)
    told = json.loads(said)
    found.total_bytes, found.in_clear = told["total_bytes"], told["in_clear"]
    found.vlans = tuple(told["vlans"])
