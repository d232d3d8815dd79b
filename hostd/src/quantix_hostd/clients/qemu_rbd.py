"""Copies disks into Ceph, out of it and within it, with qemu-img.

Used by `rbd_import` and the makers of disks. The keys go by files in memory, never by an argument
(qemu-img(1), `--object secret`). No timeouts of Ceph: a copy waits for as long as the cluster is away, and
only its own end bounds it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from quantix_api.errors import TransientError
from quantix_api.messages import as_error
from quantix_hostd.clients.ceph_connection import CephAccess
from quantix_hostd.clients.command import CommandFailed, run
from quantix_hostd.clients.passphrase import in_memory
from quantix_hostd.clients.qemu_img import IN_THE_BACKGROUND

_PORT = "6789"
# requests under way; onto one OSD ten times as fast as one after the other
_AT_ONCE = "16"
_NO_SPACE = ("No space left on device", "Disk quota exceeded")


@dataclass(frozen=True)
class RbdImage:
    """An image in Ceph, or a snapshot of it. What is in it is raw."""

    access: CephAccess
    name: str
    snapshot: str = ""


@dataclass(frozen=True)
class DiskFileEnd:
    """A file of this host in a format that is known, not found out; `driver` is qcow2 or raw."""

    path: Path
    driver: str


End = RbdImage | DiskFileEnd


async def convert(source: End, target: End, timeout_s: float, account: Sequence[str] = ()) -> None:
    """Write all that `source` shows into `target`, which is there, as large, and blank; holes stay holes.
    `account`: the words that run a program as somebody (setpriv(1)).

    Raises CommandFailed, CommandTimedOut, and TransientError (PoolFull).
    """
    keys = {f"key{n}": end.access.key for n, end in enumerate((source, target)) if isinstance(end, RbdImage)}
    with in_memory(keys) as descriptors:
        secrets = [word for name, number in descriptors.items() for word in _secret(name, number)]
        ends = [_options(end, f"key{number}") for number, end in enumerate((source, target))]
        blank = ("-n", "-W", "-m", _AT_ONCE, "--target-is-zero")
        words = ("qemu-img", "convert", "-q", *secrets, *blank, "--image-opts", "--target-image-opts", *ends)
        numbers = tuple(descriptors.values())
        try:
            argv = (*IN_THE_BACKGROUND, *account, *words)
            await run(*argv, what="qemu-img convert", timeout_s=timeout_s, pass_fds=numbers)
        except CommandFailed as error:
            if any(text in error.result.stderr for text in _NO_SPACE):
                raise as_error(TransientError, "PoolFull", what="this disk", said=_NO_SPACE[0]) from error
            raise


def monitor_addresses(monitors: Sequence[str]) -> list[tuple[str, str]]:
    """Host and port of each, as QEMU and libvirt take them: `10.1.0.1`, `10.1.0.1:6789`, `[fd00::1]:6789`."""
    return [_address(monitor) for monitor in monitors]


def _address(monitor: str) -> tuple[str, str]:
    host, _, port = monitor.rpartition(":")
    if not port.isdigit() or (":" in host and not host.endswith("]")):
        host, port = monitor, _PORT
    return host.strip("[]"), port


def _secret(name: str, descriptor: int) -> tuple[str, str]:
    return "--object", f"secret,id={name},format=base64,file=/dev/fd/{descriptor}"


def _options(end: End, key: str) -> str:
    found = _rbd_options(end, key) if isinstance(end, RbdImage) else _file_options(end)
    # a comma in a value is doubled
    return ",".join(f"{name}={value.replace(',', ',,')}" for name, value in found)


def _file_options(end: DiskFileEnd) -> Iterator[tuple[str, str]]:
    yield "driver", end.driver
    yield "file.driver", "file"
    yield "file.filename", str(end.path)


def _rbd_options(end: RbdImage, key: str) -> Iterator[tuple[str, str]]:
    """QEMU 7.2, BlockdevOptionsRbd."""
    access = end.access
    yield "driver", "raw"
    yield "file.driver", "rbd"
    yield "file.pool", access.pool
    yield "file.image", end.name
    if end.snapshot:
        yield "file.snapshot", end.snapshot
    yield "file.user", access.user
    yield "file.key-secret", key
    for number, (host, port) in enumerate(monitor_addresses(access.monitors)):
        yield f"file.server.{number}.host", host
        yield f"file.server.{number}.port", port
