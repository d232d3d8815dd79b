"""Is this machine fit? Reads facts about it and judges them, before anything is changed."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from quantix_api.errors import PermanentError
from quantix_api.quantities import counted
from quantix_cli.supervision.table import HOSTD_PORT, METRICS_PORT
from quantix_cli.up import neighbours
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
    """What the check looks at. `taken` has the ports that Quantix needs and that others listen on, with their
    names.
    """

    system: str
    version: str
    machine: str
    cores: int
    memory_bytes: int
    free_disk_bytes: int
    is_installed: bool
    taken: Mapping[int, str] = field(default_factory=dict)


def read_release(text: str) -> dict[str, str]:
    """The fields of /etc/os-release (os-release(5))."""
    pairs = (line.partition("=") for line in text.splitlines() if "=" in line)
    return {key: value.strip().strip('"') for key, _, value in pairs}


def ports_needed(settings: UpSettings, *, for_tests: bool, for_member: bool = False) -> tuple[int, ...]:
    """The TCP ports that services listen on. Tests run them in network namespaces."""
    if for_member:
        return (HOSTD_PORT,)
    api = () if settings.kubeconfig else (settings.api_port,)
    return api if for_tests else (*api, METRICS_PORT, HOSTD_PORT)


def observe_machine(settings: UpSettings, ports: Collection[int], *, is_installed: bool) -> MachineFacts:
    """Read the facts; `ports` are those that have to be free or ours. Raises nothing."""
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
        taken=foreign_owners(ports, settings.layout.root),
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
    for port, owner in facts.taken.items():
        raise PermanentError(
            "PortTaken",
            f"Port {port} is taken by {owner}.",
            "stop it, use it (QUANTIX_KUBECONFIG=…), or set QUANTIX_API_PORT"
            if port == settings.api_port
            else "stop it, or give it another port: that of Quantix is fixed",
        )
    cores = counted(facts.cores, "core")
    disk = gibibytes(facts.free_disk_bytes)
    return f"Debian {facts.version}, {cores}, {memory} memory, {disk} free disk"


def foreign_owners(ports: Collection[int], root: Path) -> dict[int, str]:
    """Port → who else listens on it ("k3s-server (pid 812)"); without those that are free, or on which the
    installation at `root` listens.
    """
    busy = [port for port in ports if not _is_free(port)]
    pids = listeners(busy) if busy else {}
    return {port: _name(pids.get(port)) for port in busy if not _is_ours(pids.get(port), root)}


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _is_ours(pid: int | None, root: Path) -> bool:
    return pid is not None and neighbours.is_of(Path("/proc", str(pid)), root)


def _name(pid: int | None) -> str:
    if pid is None:
        return "another process"
    return f"{_read(Path('/proc', str(pid), 'comm')).strip() or 'a process'} (pid {pid})"


def listeners(ports: Collection[int]) -> dict[int, int]:
    """Port → the process that listens on that TCP port of this machine (proc(5), /proc/net/tcp)."""
    sockets: dict[str, int] = {}
    for table in ("tcp", "tcp6"):
        for line in _read(Path("/proc/net", table)).splitlines()[1:]:
            fields = line.split()
            port = int(fields[1].rpartition(":")[2], 16)
            if fields[3] == LISTENING and port in ports:
                sockets[f"socket:[{fields[9]}]"] = port
    found: dict[int, int] = {}
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            for opened in _open_files(process) & sockets.keys():
                found.setdefault(sockets[opened], int(process.name))
    return found


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
