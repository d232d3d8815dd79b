"""What a process of hostd gives its parts."""

from __future__ import annotations

import asyncio
import threading
from unittest.mock import patch

from quantix_hostd import service
from quantix_hostd.settings import Settings, parse


async def test_many_wait_for_disks_at_once_whatever_the_number_of_cpus() -> None:
    together = threading.Barrier(32)

    async def serve(settings: Settings) -> None:
        await asyncio.gather(*(asyncio.to_thread(together.wait, 5) for _ in range(32)))

    with patch.object(service, "serve", serve):
        assert await service.run_until_stopped(parse([])) == 1, "it ended by itself"
    assert not together.broken
