"""A guest agent of many words, most of them false. Its text is run inside a guest, beside nothing of ours."""

from __future__ import annotations

import json
import time
from io import FileIO
from pathlib import Path
from typing import Any

PORT = "/dev/virtio-ports/org.qemu.guest_agent.0"


def lies() -> dict[str, Any]:
    """What is answered to each command that is understood."""
    mac = next(Path("/sys/class/net").glob("en*/address")).read_text().strip()
    kinds = {"ip-address-type": "ipv4", "prefix": 24}
    return {
        "guest-get-host-name": {"host-name": "l\x1b[31m" + "i" * 100000},
        "guest-network-get-interfaces": [
            {
                "name": f"en{number}",
                "hardware-address": mac,
                "ip-addresses": [{**kinds, "ip-address": f"10.66.{number}.{last}"} for last in range(20)],
            }
            for number in range(60)
        ],
    }


def answer(line: bytes, told: dict[str, Any]) -> dict[str, Any] | None:
    """The answer to a line of the host, None when it asks nothing."""
    try:
        # what was sent before the mark belongs to somebody else's conversation
        asked = json.loads(line.rpartition(b"\xff")[2])
    except ValueError:
        return None
    if asked["execute"].startswith("guest-sync"):
        return {"return": asked["arguments"]["id"]}
    if asked["execute"] in told:
        return {"return": told[asked["execute"]]}
    return {"error": {"class": "CommandNotFound", "desc": "no"}}


def write_all(door: FileIO, rest: bytes) -> None:
    """The port takes as much as it has room for."""
    while rest:
        rest = rest[door.write(rest) :]


def serve(door: FileIO) -> None:
    """Answer for ever."""
    told = lies()
    while True:
        line = door.readline()
        if not line:
            # nobody listens on the host yet
            time.sleep(0.2)
        elif (said := answer(line, told)) is not None:
            write_all(door, json.dumps(said).encode() + b"\n")


if __name__ == "__main__":
    with Path(PORT).open("r+b", buffering=0) as port:
        serve(port)
