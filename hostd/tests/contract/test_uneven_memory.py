"""An emulated guest arrives with all that it wrote (docs/adr/0057): two real QEMUs, one of which sends to the
other what `domainxml.memory` makes of a guest's memory.
"""

from __future__ import annotations

import json
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from quantix_hostd.domainxml.memory import configure_uneven_memory
from quantix_lab.boot_sectors import assemble
from quantix_lab.domain_samples import samples
from quantix_lab.waiting import eventually

# 6.4 KB in each tenth of a second: both pages take longer than a busy machine keeps the guest from writing
SLOWLY = {"max-bandwidth": 1 << 16, "downtime-limit": 1}
AT_ONCE = {"max-bandwidth": 1 << 30, "downtime-limit": 1000}
# QEMU looks as it begins, after its first pass, and twice at its end: no more where it finds nothing written
FOUND_NOTHING = 4
TRIES = 3


class Qemu:
    """One with a guest that counts, or that waits to be filled. Its files are `name` in `room`."""

    def __init__(self, room: Path, name: str, *options: str) -> None:
        spec = replace(samples(room)["minimal"], memory_bytes=16 << 20)
        (line,) = configure_uneven_memory(spec)
        disk, control, self._console = room / "disk", room / f"{name}.qmp", room / f"{name}.console"
        disk.write_bytes(assemble("pair").ljust(1 << 20, b"\0"))
        memory = f'{{"qom-type":"memory-backend-ram","id":"pc.ram","size":{spec.memory_bytes}}}'
        argv = [spec.emulator, "-accel", "tcg", "-M", "q35,memory-backend=pc.ram", "-nodefaults"]
        argv += ["-m", f"{spec.memory_bytes >> 20}", "-object", memory, "-display", "none"]
        argv += ["-drive", f"file={disk},format=raw,if=none,id=d,snapshot=on"]
        argv += ["-device", "virtio-blk-pci,drive=d,bootindex=1", "-serial", f"file:{self._console}"]
        argv += ["-qmp", f"unix:{control},server=on,wait=off", *(word.attrib["value"] for word in line)]
        self._process = subprocess.Popen([*argv, *options], stdin=subprocess.DEVNULL)
        self._socket = socket.socket(socket.AF_UNIX)
        # its file is there some moments before anybody listens
        eventually("its QMP", lambda: self._socket.connect_ex(str(control)) == 0, 30)
        self._lines = self._socket.makefile("r")
        self._lines.readline()
        self.ask("qmp_capabilities")

    def ask(self, command: str, **arguments: object) -> Any:
        """Its answer, between which it may tell of events."""
        self._socket.sendall(json.dumps({"execute": command, "arguments": arguments}).encode())
        while True:
            answer = json.loads(self._lines.readline())
            if "event" not in answer:
                return answer["return"]

    def said(self) -> str:
        return self._console.read_text() if self._console.exists() else ""

    def close(self) -> None:
        self._lines.close()
        self._socket.close()
        self._process.kill()
        self._process.wait(10)


@pytest.fixture
def both(tmp_path: Path) -> Iterator[tuple[Qemu, Qemu]]:
    with ExitStack() as running:
        source = Qemu(tmp_path, "source")
        running.callback(source.close)
        target = Qemu(tmp_path, "target", "-incoming", f"unix:{tmp_path / 'way'}")
        running.callback(target.close)
        yield source, target


@pytest.mark.parametrize("_again", range(TRIES))
def test_what_it_writes_while_it_is_sent_arrives(
    both: tuple[Qemu, Qemu], tmp_path: Path, _again: int
) -> None:
    source, target = both
    eventually("the guest to count", lambda: "." in source.said(), 60)
    source.ask("migrate-set-parameters", **SLOWLY)
    source.ask("migrate", uri=f"unix:{tmp_path / 'way'}")

    def looks() -> int:
        found = source.ask("query-migrate")
        looked = int(found.get("ram", {}).get("dirty-sync-count", 0))
        assert found.get("status") != "completed" or looked > FOUND_NOTHING, "it saw no write"
        return looked

    eventually("QEMU to find again and again what was written", lambda: looks() > FOUND_NOTHING, 60)
    source.ask("migrate-set-parameters", **AT_ONCE)
    eventually("its end", lambda: source.ask("query-migrate")["status"] == "completed", 60)
    eventually("it to count on", lambda: bool(target.said()), 60)
    time.sleep(0.5)
    assert "E" not in target.said()
