"""A qemu-img whose copies wait for a test, so that it sees what happens meanwhile."""

from __future__ import annotations

import asyncio

from quantix_hostd.clients.qemu_img import Disk, QemuImg
from quantix_hostd.copy_bounds import CopyBounds
from quantix_lab.open_sandbox import OpenSandbox


class HeldCopies(QemuImg):
    """Copies once it may; `copying` counts the copies that were begun."""

    def __init__(self) -> None:
        super().__init__(OpenSandbox())
        self.copying = 0
        self.may_copy = asyncio.Event()

    async def copy(self, source: Disk, target: Disk, bounds: CopyBounds) -> None:
        self.copying += 1
        await self.may_copy.wait()
        await super().copy(source, target, bounds)
