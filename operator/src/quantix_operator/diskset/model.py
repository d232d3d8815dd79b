"""A VM's disks as snapshots and restores see them. Frozen values, no I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from quantix_api import Volume
from quantix_operator.volumedata.moving import next_pool


@dataclass(frozen=True)
class VmDisk:
    """A disk of spec. `volume`: None when it is not there; `made`: its data is there, by the word of a host
    that has a right to it; `shared`: every host of its pool reaches that.
    """

    name: str
    volume: Volume | None = None
    made: bool = False
    shared: bool = False

    @property
    def pool(self) -> str:
        """The pool that holds the data, "" while none does."""
        return (self.volume.status.pool or "") if self.volume is not None else ""

    @property
    def moving_to(self) -> str:
        """The pool that its data is on its way to, "" for none."""
        return next_pool(self.volume) if self.volume is not None else ""

    @property
    def keeper(self) -> str:
        """The one host that has the data, "" where several reach it."""
        return "" if self.shared or self.volume is None else self.volume.status.host or ""


@dataclass(frozen=True)
class Reach:
    """Who can act. `by_pool`: the ready hosts that reach each pool; `silent`: hosts that are not heard, or
    are not there; `removed`: those of them that are not there.
    """

    by_pool: Mapping[str, frozenset[str]] = field(default_factory=dict)
    silent: frozenset[str] = frozenset()
    removed: frozenset[str] = frozenset()

    def host_for(self, pools: Iterable[str], preferred: str = "") -> str:
        """A host that reaches all of these pools, "" for none."""
        reaching = [self.by_pool.get(pool, frozenset()) for pool in pools]
        fitting = frozenset.intersection(*reaching) if reaching else frozenset()
        return preferred if preferred in fitting else min(fitting, default="")


def keepers(disks: Sequence[VmDisk]) -> tuple[str, ...]:
    """The hosts that alone have one of the disks."""
    return tuple(sorted({disk.keeper for disk in disks} - {""}))


def chosen_disk(disk: VmDisk) -> dict[str, Any]:
    """A disk that a host is to keep or to set back, for status."""
    assert disk.volume is not None
    metadata = disk.volume.metadata
    return {"name": disk.name, "volume": metadata.name, "volumeUID": metadata.uid, "pool": disk.pool}
