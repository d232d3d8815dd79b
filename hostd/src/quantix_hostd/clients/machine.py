"""What this machine is: identity, CPUs, memory, NUMA nodes, and the versions of what runs on it.

Used by the host part. Reads /proc, /sys and /etc below `root` (a test makes its own); needs no permission but
to read them.
"""

from __future__ import annotations

import os
import platform
import re
import uuid
from collections.abc import Mapping
from pathlib import Path

from quantix_api.errors import PermanentError
from quantix_hostd.clients.command import CommandFailed, run
from quantix_hostd.facts.machine import MachineFacts, NumaFacts

# Where our host identities live among all UUIDs
_NAMESPACE = uuid.UUID("5a4a1c1e-3f0f-5d5e-9d2b-0c8d6d1b7a11")
# What firmware says when nobody filled the UUID in
_NO_UUIDS = frozenset({"00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff"})
_MACHINE_TYPE = re.compile(r"^(pc-q35-(\d+)\.(\d+))\s", re.MULTILINE)


class Machine:
    """The machine whose /proc, /sys and /etc lie below `root`."""

    def __init__(self, root: Path = Path("/")) -> None:
        self._root = root

    def read(self) -> MachineFacts:
        """Raises PermanentError (NoMachineID) when the machine has no identity. Blocks briefly."""
        cpuinfo = _fields(self._text("proc/cpuinfo"))
        return MachineFacts(
            host_uid=self._host_uid(),
            boot_id=self._text("proc/sys/kernel/random/boot_id").strip(),
            cpus=_count_cpus(self._text("sys/devices/system/cpu/online")),
            memory_bytes=_kib(_fields(self._text("proc/meminfo")).get("MemTotal", "")) * 1024,
            arch=platform.machine(),
            cpu_model=cpuinfo.get("model name", ""),
            cpu_vendor=cpuinfo.get("vendor_id", ""),
            numa=self._numa(),
            cpu_controller=self._has_cpu_controller(),
            address_bits=_address_bits(cpuinfo.get("address sizes", "")),
        )

    def _has_cpu_controller(self) -> bool:
        """Whether control groups rule over CPU time, of version 2 or 1 (kernel, admin-guide/cgroup-v2)."""
        groups = self._root / "sys/fs/cgroup"
        unified = groups / "cgroup.controllers"
        if unified.is_file():
            return "cpu" in unified.read_text().split()
        return (groups / "cpu/cpu.shares").is_file()

    def _host_uid(self) -> str:
        """Of the board's UUID, where it has one, and of the installation's."""
        machine_id = self._text("etc/machine-id").strip()
        if not re.fullmatch(r"[0-9a-f]{32}", machine_id):
            raise PermanentError(
                "NoMachineID", "This machine has no /etc/machine-id", "systemd-machine-id-setup, or reboot"
            )
        board = self._text("sys/class/dmi/id/product_uuid").strip().lower()
        known = "" if board in _NO_UUIDS else board
        return str(uuid.uuid5(_NAMESPACE, f"{known}/{machine_id}"))

    def _numa(self) -> tuple[NumaFacts, ...]:
        nodes = self._root / "sys/devices/system/node"
        found = []
        for node in nodes.glob("node[0-9]*") if nodes.is_dir() else ():
            memory = re.search(r"MemTotal:\s+(\d+) kB", (node / "meminfo").read_text())
            found.append(
                NumaFacts(
                    id=int(node.name.removeprefix("node")),
                    cpus=(node / "cpulist").read_text().strip(),
                    memory_bytes=int(memory[1]) * 1024 if memory else 0,
                )
            )
        return tuple(sorted(found, key=lambda node: node.id))

    def _text(self, path: str) -> str:
        try:
            return (self._root / path).read_text()
        except OSError:
            return ""


async def read_versions() -> Mapping[str, str]:
    """The versions that do not change while hostd runs, by the names of `Host.status.versions`.

    `machineType` is the newest versioned q35 that QEMU has; the scheduler takes the oldest over all hosts.
    """
    versions = {"kernel": os.uname().release}
    for name, argv in {
        "qemu": ("qemu-system-x86_64", "--version"),
        "ovn": ("ovn-controller", "--version"),
    }.items():
        if found := await _version(*argv):
            versions[name] = found
    machines = await run("qemu-system-x86_64", "-machine", "help")
    if newest := newest_machine_type(machines.stdout):
        versions["machineType"] = newest
    return versions


def newest_machine_type(listing: str) -> str:
    """The newest `pc-q35-X.Y` in what `qemu -machine help` prints, "" when there is none."""
    found = [(int(match[2]), int(match[3]), match[1]) for match in _MACHINE_TYPE.finditer(listing)]
    return max(found)[2] if found else ""


async def _version(*argv: str) -> str:
    try:
        result = await run(*argv)
    except (CommandFailed, PermanentError):
        return ""
    match = re.search(r"\d+\.\d+[\w.+~-]*", result.stdout)
    return match[0] if match else ""


def _fields(text: str) -> dict[str, str]:
    """`name : value` lines; the first of each name."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        name, separator, value = line.partition(":")
        if separator:
            found.setdefault(name.strip(), value.strip())
    return found


def _address_bits(text: str) -> int | None:
    """Of `46 bits physical, 48 bits virtual`."""
    match = re.match(r"(\d+) bits physical", text)
    return int(match[1]) if match else None


def _kib(text: str) -> int:
    number = text.split(" ")[0]
    return int(number) if number.isdigit() else 0


def _count_cpus(ranges: str) -> int:
    """How many numbers `0-3,8` names."""
    total = 0
    for part in filter(None, ranges.strip().split(",")):
        first, _, last = part.partition("-")
        total += int(last or first) - int(first) + 1
    return total
