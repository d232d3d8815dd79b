"""Writes a cpio archive ("newc") byte for byte the same from the same input.

Used by the guest image builder for the initramfs. Pure: no files are read. Format: Linux kernel,
Documentation/driver-api/early-userspace/buffer-format.rst.
"""

from __future__ import annotations

import gzip
import stat
from dataclasses import dataclass


@dataclass(frozen=True)
class Entry:
    """One member: `mode` with its file type; `data` is the content, or the target of a symbolic link."""

    path: str
    mode: int
    data: bytes = b""
    device: tuple[int, int] = (0, 0)


def directory(path: str) -> Entry:
    """A directory, 0755."""
    return Entry(path, stat.S_IFDIR | 0o755)


def regular(path: str, data: bytes, permissions: int = 0o644) -> Entry:
    """A file with `data`."""
    return Entry(path, stat.S_IFREG | permissions, data)


def symlink(path: str, target: str) -> Entry:
    """A symbolic link to `target`."""
    return Entry(path, stat.S_IFLNK | 0o777, target.encode())


def character_device(path: str, major: int, minor: int) -> Entry:
    """A character device node, 0600."""
    return Entry(path, stat.S_IFCHR | 0o600, device=(major, minor))


def _pad(length: int) -> bytes:
    return b"\0" * (-length % 4)


def _member(number: int, entry: Entry) -> bytes:
    name = entry.path.encode() + b"\0"
    links = 2 if stat.S_ISDIR(entry.mode) else 1
    fields = (number, entry.mode, 0, 0, links, 0, len(entry.data), 0, 0, *entry.device, len(name), 0)
    header = b"070701" + b"".join(b"%08X" % field for field in fields)
    return header + name + _pad(len(header) + len(name)) + entry.data + _pad(len(entry.data))


def render_archive(entries: list[Entry]) -> bytes:
    """The gzip-compressed archive of `entries` in their order (parents first), with all times zero."""
    members = [_member(number, entry) for number, entry in enumerate(entries, start=1)]
    members.append(_member(0, Entry("TRAILER!!!", 0)))
    return gzip.compress(b"".join(members), compresslevel=9, mtime=0)
