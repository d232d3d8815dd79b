"""A guest on its way to another host: how it is sent, and how far it has come."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Sending:
    """How libvirt is to send a running guest. `socket` leads to the other host's libvirtd, whose QEMU listens
    at `address`, towards which this host is `sender`, and shows a certificate of `host`. `xml` is the domain
    as it is to be there; `disks` are those (by their `dev`) whose data goes, too. `bytes_per_second` 0: no
    limit. `post_copy`: it may be switched before all memory is there (docs/adr/0052), and then it is not left
    paused by libvirt.
    """

    socket: Path
    host: str
    address: str
    sender: str
    xml: str
    disks: tuple[str, ...] = ()
    auto_converge: bool = True
    bytes_per_second: int = 0
    downtime_ms: int = 300
    post_copy: bool = False


@dataclass(frozen=True)
class SendingProgress:
    """Memory and disks together, in bytes. `passes`: how often memory was gone through as a whole, or what of
    it had changed since.
    """

    done_bytes: int
    total_bytes: int
    bytes_per_second: int
    dirty_bytes_per_second: int
    passes: int = 0

    @property
    def percent(self) -> int:
        """At most 99: all is there when it is said so."""
        return min(self.done_bytes * 100 // self.total_bytes, 99) if self.total_bytes else 0

    @property
    def seconds_left(self) -> int | None:
        """At this speed; None while nothing flows."""
        if not self.bytes_per_second:
            return None
        return max(self.total_bytes - self.done_bytes, 0) // self.bytes_per_second
