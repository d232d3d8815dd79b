"""The kernel's huge pages, by their size as the API writes it. Used by the host part.

Source: the kernel's Documentation/admin-guide/mm/hugetlbpage.rst. What the kernel does not find in one
piece it does not set aside: after a long uptime that may be all of the 1 GiB pages.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import structlog

from quantix_hostd.facts.pages import PagePool

log = structlog.get_logger(__name__)

_POOLS = {"2Mi": "hugepages-2048kB", "1Gi": "hugepages-1048576kB"}


class HugePages:
    """Those below `root`/sys (a test makes its own)."""

    def __init__(self, root: Path = Path("/")) -> None:
        self._pools = root / "sys/kernel/mm/hugepages"
        self._nodes = root / "sys/devices/system/node"

    def there(self) -> Mapping[str, int]:
        """How many there are now of each size that this kernel has."""
        return {size: pool.total for size, pool in self.pools().items()}

    def pools(self) -> Mapping[str, PagePool]:
        """What there is now of each size that this kernel has."""
        pools = {}
        for size in _POOLS:
            try:
                total, free, promised = (
                    int(self._file(size, f"{kind}_hugepages").read_text()) for kind in ("nr", "free", "resv")
                )
                pools[size] = PagePool(total, max(free - promised, 0))
            except (OSError, ValueError) as error:
                log.debug("huge pages are not to be had", size=size, error=str(error))
        return pools

    def set_aside(self, size: str, count: int) -> None:
        """Let the kernel find so many, or as many as it can; blocks meanwhile."""
        path = self._file(size, "nr_hugepages")
        try:
            before = path.read_text().strip()
            path.write_text(str(count))
            there = path.read_text().strip()
            if there != before:
                log.info("huge pages set aside", size=size, wanted=count, before=before, there=there)
        except OSError as error:
            log.debug("huge pages cannot be set aside", size=size, error=str(error))

    def _file(self, size: str, name: str) -> Path:
        return self._pools / _POOLS[size] / name

    def by_node(self) -> Mapping[int, Mapping[str, int]]:
        """How many there are in each NUMA node; nodes and sizes without any are left out."""
        found: dict[int, dict[str, int]] = {}
        for size, name in _POOLS.items():
            for path in sorted(self._nodes.glob(f"node[0-9]*/hugepages/{name}/nr_hugepages")):
                if count := int(path.read_text()):
                    found.setdefault(int(path.parents[2].name.removeprefix("node")), {})[size] = count
        return found
