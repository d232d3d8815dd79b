"""How far the copy of a disk has come, whoever makes it."""

from __future__ import annotations

from dataclasses import dataclass

from quantix_api.errors import QuantixError


@dataclass(frozen=True)
class CopyProgress:
    """How far the copy of a disk has come; of a running guest's as QEMU counts: the end moves away as it
    writes. `total_bytes`: None while it is not known.
    """

    done_bytes: int
    total_bytes: int | None = None

    @property
    def percent(self) -> int | None:
        """At most 99: all is there when it is said so."""
        return min(self.done_bytes * 100 // self.total_bytes, 99) if self.total_bytes else None


@dataclass(frozen=True)
class LiveMove:
    """Of the volume with this `key`. `copying` to `pool`, or about to, with its `progress`; `error` is what
    keeps it from that, until it is tried again. `queued`: nothing but that its turn is not there. `idle`: the
    copy takes nobody's time: it stands still, or is whole.
    """

    key: str
    pool: str
    progress: CopyProgress | None = None
    error: QuantixError | None = None
    copying: bool = False
    queued: bool = False
    idle: bool = False

    @property
    def namespace(self) -> str:
        return self.key.partition("/")[0]


@dataclass(frozen=True)
class OtherCopies:
    """How many disks of running guests are being copied beside one, or are before it: on its host, and in its
    namespace.
    """

    on_host: int = 0
    of_namespace: int = 0
