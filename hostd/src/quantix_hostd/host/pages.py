"""Sets the host's huge pages aside and gives them back. Called by the host controller at each of its looks.

What there was before is kept in a file, so that it is known also to a later hostd of the same boot; a reboot
undoes what hostd set aside.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import structlog

from quantix_api import VirtualMachine
from quantix_api.host_spec import Reserved
from quantix_hostd.clients.files import write_atomically
from quantix_hostd.clients.huge_pages import HugePages
from quantix_hostd.clients.machine_load import read_machine_load
from quantix_hostd.host.pages_plan import MemoryRoom, guests_memory_bytes, plan_pages

log = structlog.get_logger(__name__)


class PagesRecord:
    """How many pages of each size there were before hostd changed any, in this boot. Blocks."""

    def __init__(self, path: Path, boot_id: str) -> None:
        self._path = path
        self._boot_id = boot_id

    def read(self) -> Mapping[str, int]:
        """Nothing where hostd changed none since the boot. Raises OSError."""
        try:
            found = json.loads(self._path.read_bytes())
            if found["boot"] == self._boot_id:
                return {str(size): int(count) for size, count in found["before"].items()}
        except FileNotFoundError:
            pass
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            log.warning("the record of huge pages is damaged", path=str(self._path), error=str(error))
        return {}

    def write(self, before: Mapping[str, int]) -> None:
        """Raises OSError."""
        content = json.dumps({"boot": self._boot_id, "before": dict(before)})
        write_atomically(self._path, content.encode())


class HostPages:
    """`guests`: the VMs that this host has; None while they are not known. `root`: as for `HugePages`."""

    def __init__(
        self,
        pages: HugePages,
        record: Path,
        guests: Callable[[], Iterable[VirtualMachine] | None],
        root: Path = Path("/"),
    ) -> None:
        self._pages = pages
        self._record = record
        self._guests = guests
        self._root = root

    async def ensure(self, reserved: Reserved, boot_id: str) -> None:
        """As many as `reserved` asks for and the host can spare; the kernel may find fewer.

        Where the record cannot be kept nothing changes: what was there before would be forgotten.
        """
        guests = self._guests()
        guests_bytes = None if guests is None else guests_memory_bytes(guests)
        record = PagesRecord(self._record, boot_id)
        try:
            await asyncio.to_thread(self._ensure, reserved, record, guests_bytes)
        except OSError as error:
            log.warning("huge pages not looked after", path=str(self._record), error=str(error))

    def _ensure(self, reserved: Reserved, record: PagesRecord, guests_bytes: int | None) -> None:
        before = record.read()
        plan = plan_pages(reserved, self._pages.pools(), before, self._room(guests_bytes))
        if plan.before != before:
            record.write(plan.before)
        for size, count in plan.counts.items():
            self._pages.set_aside(size, count)

    def _room(self, guests_bytes: int | None) -> MemoryRoom | None:
        memory = read_machine_load(self._root).memory_bytes
        total, available = memory.get("MemTotal"), memory.get("MemAvailable")
        if total is None or available is None or guests_bytes is None:
            return None
        return MemoryRoom(total, available, guests_bytes)
