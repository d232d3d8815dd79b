"""Collects what goes into a support bundle. What cannot be had is said in it, and keeps nothing else away."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable
from pathlib import Path

from quantix_api import resources
from quantix_api.errors import QuantixError
from quantix_api.layout import Layout
from quantix_api.resources import QUANTIX_RESOURCES, Resource
from quantix_cli.bundle.archive import MOST_ENTRY_BYTES, Bundle
from quantix_cli.exits import CommandError
from quantix_cli.options import Invocation
from quantix_cli.rendering import one_object
from quantix_cli.session import Session

_COMMAND_S = 10.0
_MOST_LOGS = 60
_JOURNAL_LINES = "5000"
# what a machine says of itself: no command here prints arguments or environments of processes
_FILES = (
    "/etc/os-release",
    "/proc/version",
    "/proc/meminfo",
    "/proc/loadavg",
    "/proc/uptime",
    "/proc/mounts",
)
_COMMANDS = {
    "addresses": ("ip", "-brief", "address"),
    "routes": ("ip", "route", "show", "table", "all"),
    "disks": ("df", "--human-readable", "--print-type"),
    "inodes": ("df", "--inodes"),
    "packages": (
        "dpkg-query",
        "--show",
        "qemu-system-x86",
        "libvirt-daemon",
        "ovn-host",
        "openvswitch-switch",
    ),
    "journal": ("journalctl", "--no-pager", "--unit", "quantix-*", "--lines", _JOURNAL_LINES),
}
_MORE_OBJECTS = (resources.LEASES, resources.EVENTS, resources.NAMESPACES)


def machine(bundle: Bundle, layout: Layout) -> None:
    """What the machine says of itself, and what runs on it of ours."""
    for name in _FILES:
        _add_file(bundle, f"machine/{Path(name).name}.txt", Path(name))
    for name, argv in {**_COMMANDS, **_of_installation(layout)}.items():
        _add_output(bundle, f"machine/{name}.txt", argv)


def _of_installation(layout: Layout) -> dict[str, tuple[str, ...]]:
    switch = layout.openvswitch_run / "db.sock"
    database = switch if switch.exists() else Path("/run/openvswitch/db.sock")
    return {
        "open-vswitch": ("ovs-vsctl", "--timeout=5", f"--db=unix:{database}", "show"),
        "ovn-northbound": ("ovn-nbctl", "--timeout=5", f"--db=unix:{layout.ovn_nb_socket}", "show"),
        "ovn-southbound": ("ovn-sbctl", "--timeout=5", f"--db=unix:{layout.ovn_sb_socket}", "show"),
        "guests": (
            "virsh",
            "--connect",
            f"qemu+unix:///system?socket={layout.libvirt_socket}",
            "list",
            "--all",
        ),
    }


def logs(bundle: Bundle, layout: Layout) -> None:
    """The ends of our logs, and of QEMU's; not of guests' consoles, which are below `vm`."""
    try:
        found = sorted(
            (*layout.log.glob("*.log"), *layout.log.glob("libvirt/**/*.log")), key=_changed, reverse=True
        )
    except OSError as error:
        bundle.left_out[f"logs of {layout.log}"] = str(error)
        return
    if not found:
        bundle.left_out["logs"] = f"there are none in {layout.log} that may be read"
    for path in found[:_MOST_LOGS]:
        _add_file(bundle, f"logs/{'-'.join(path.relative_to(layout.log).parts)}", path)
    for path in found[_MOST_LOGS:]:
        bundle.left_out[f"logs/{path.name}"] = f"only the {_MOST_LOGS} that were written last are here"


def objects(bundle: Bundle, invocation: Invocation) -> None:
    """Every object of our kinds, events, Leases and the API's version. No Secret, no ConfigMap."""

    async def read(session: Session) -> None:
        version = await session.api.request("GET", "/version")
        bundle.add("api/version.txt", one_object(version, "yaml"))
        for resource in (*QUANTIX_RESOURCES, *_MORE_OBJECTS):
            await _add_objects(bundle, session, resource)

    try:
        invocation.run(read)
    except (CommandError, QuantixError) as error:
        bundle.left_out["objects of the API"] = str(error)


async def _add_objects(bundle: Bundle, session: Session, resource: Resource) -> None:
    name = f"api/{resource.plural}.yaml"
    try:
        items = (await session.api.list(resource)).items
    except QuantixError as error:
        bundle.left_out[name] = error.message
        return
    kept = [bundle.redactor.object(item) for item in items]
    bundle.add(name, one_object({"apiVersion": "v1", "kind": "List", "items": kept}, "yaml"))


def _add_file(bundle: Bundle, name: str, path: Path) -> None:
    try:
        with path.open("rb") as file:
            if path.is_file():
                file.seek(max(0, os.fstat(file.fileno()).st_size - MOST_ENTRY_BYTES))
            content = file.read(MOST_ENTRY_BYTES)
    except OSError as error:
        bundle.left_out[name] = error.strerror or str(error)
        return
    bundle.add(name, content.decode("utf-8", errors="backslashreplace"))


def _add_output(bundle: Bundle, name: str, argv: Iterable[str]) -> None:
    words = list(argv)
    try:
        done = subprocess.run(
            words, stdin=subprocess.DEVNULL, capture_output=True, timeout=_COMMAND_S, check=False
        )
    except FileNotFoundError:
        bundle.left_out[name] = f"this machine has no {words[0]}"
        return
    except (OSError, subprocess.TimeoutExpired) as error:
        bundle.left_out[name] = str(error)
        return
    said = (done.stdout + done.stderr)[-MOST_ENTRY_BYTES:].decode("utf-8", errors="backslashreplace")
    bundle.add(name, f"$ {' '.join(words)}\n{said}")


def _changed(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        # it has gone meanwhile
        return 0.0
