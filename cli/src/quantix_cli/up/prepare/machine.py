"""Is this machine fit? Reads facts about it and judges them, before anything is changed."""

from __future__ import annotations

import os
import shutil
import socket
from dataclasses import dataclass
from pathlib import Path

from quantix_api.errors import PermanentError
from quantix_api.quantities import counted
from quantix_cli.up.run.words import gibibytes
from quantix_cli.up.settings import UpSettings

SUPPORTED = ("12", "13")
FIRST_DISK_BYTES = 15 * 2**30
LATER_DISK_BYTES = 1 * 2**30
# 2 GiB stay with the host (Host.spec.reserved) and 2 GiB are the example's; "5 GiB" shows a little less
MEMORY_BYTES = 4 * 2**30 + 2**29
LISTENING = "0A"


@dataclass(frozen=True)
class MachineFacts:
    """What the check looks at. `port_owner` is None when the API's port is free or ours."""

    system: str
    version: str
    machine: str
    cores: int
    memory_bytes: int
    free_disk_bytes: int
    is_installed: bool
    port_owner: str | None


def read_release(text: str) -> dict[str, str]:
    """The fields of /etc/os-release (os-release(5))."""
    pairs = (line.partition("=") for line in text.splitlines() if "=" in line)
    return {key: value.strip().strip('"') for key, _, value in pairs}


def observe_machine(settings: UpSettings, *, is_installed: bool) -> MachineFacts:
    """Read the facts. Raises nothing."""
    release = Path("/etc/os-release")
    fields = read_release(release.read_text()) if release.exists() else {}
    root = settings.layout.root
    while not root.exists():
        root = root.parent
    return MachineFacts(
        system=fields.get("ID", "unknown"),
        version=fields.get("VERSION_ID", ""),
        machine=os.uname().machine,
        cores=os.cpu_count() or 1,
        memory_bytes=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        free_disk_bytes=shutil.disk_usage(root).free,
        is_installed=is_installed,
        port_owner=None if settings.kubeconfig else foreign_owner(settings),
    )


def judge_machine(facts: MachineFacts, settings: UpSettings) -> str:
    """One line about the machine. Raises PermanentError with one sentence and a way out."""
    if facts.system != "debian" or facts.version not in SUPPORTED:
        name = f"{facts.system.capitalize()} {facts.version}".strip()
        supported = "12 and 13 are" if facts.system == "debian" else "Debian 12 and 13 are"
        raise PermanentError("SystemNotSupported", f"{name} is not supported; {supported}.")
    if facts.machine != "x86_64":
        raise PermanentError("SystemNotSupported", f"{facts.machine} is not supported; x86_64 is.")
    memory = gibibytes(facts.memory_bytes)
    needed = LATER_DISK_BYTES if facts.is_installed else FIRST_DISK_BYTES
    if facts.free_disk_bytes < needed:
        raise PermanentError(
            "DiskFull",
            f"{gibibytes(facts.free_disk_bytes)} of disk are free, {needed // 2**30} GiB are needed.",
            "free some, or set QUANTIX_ROOT to a larger disk",
        )
    if facts.memory_bytes < MEMORY_BYTES:
        raise PermanentError(
            "NotEnoughMemory",
            f"This machine has {memory} of memory, 5 GiB are needed.",
            "a machine with more",
        )
    if facts.port_owner is not None:
        raise PermanentError(
            "PortTaken",
            f"Port {settings.api_port} is taken by {facts.port_owner}.",
            "stop it, use it (QUANTIX_KUBECONFIG=…), or set QUANTIX_API_PORT",
        )
    cores = counted(facts.cores, "core")
    disk = gibibytes(facts.free_disk_bytes)
    return f"Debian {facts.version}, {cores}, {memory} memory, {disk} free disk"


def foreign_owner(settings: UpSettings) -> str | None:
    """Who else listens on the API's port ("k3s-server (pid 812)"), None when nobody or our own does."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", settings.api_port))
        except OSError:
            pid = listener(settings.api_port)
        else:
            return None
    if pid is None:
        return "another process"
    arguments = _read(Path("/proc", str(pid), "cmdline")).split("\0")
    if str(settings.layout.data / "controlplane") in arguments:
        return None
    return f"{_read(Path('/proc', str(pid), 'comm')).strip() or 'a process'} (pid {pid})"


def listener(port: int) -> int | None:
    """The process that listens on a TCP port of this machine (proc(5), /proc/net/tcp)."""
    inodes = set()
    for table in ("tcp", "tcp6"):
        for line in _read(Path("/proc/net", table)).splitlines()[1:]:
            fields = line.split()
            if fields[3] == LISTENING and int(fields[1].rpartition(":")[2], 16) == port:
                inodes.add(f"socket:[{fields[9]}]")
    for process in Path("/proc").iterdir():
        if process.name.isdigit() and inodes & _open_files(process):
            return int(process.name)
    return None


def _open_files(process: Path) -> set[str]:
    found = set()
    try:
        for descriptor in (process / "fd").iterdir():
            found.add(str(descriptor.readlink()))
    except OSError:
        # it has ended meanwhile, or it is not ours to see
        return found
    return found


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
