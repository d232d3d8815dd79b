"""A pool whose disk hangs keeps the workers of its VMs for a while, not for good: with all eight of them kept
the lease falls silent, and the guests in all other pools count as lost.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Iterator

import pytest

from quantix_api.errors import QuantixError
from quantix_api.resources import VIRTUAL_MACHINES
from quantix_hostd import dispatch
from quantix_hostd.claims import Claim, VolumePlace
from quantix_hostd.clients.claim_store import LocalClaimStore
from quantix_hostd.dispatch import Dispatcher
from quantix_lab.vm_world import VmHandle


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Set once the disk answers again: until then no claim is read to its end."""
    answered, read = threading.Event(), LocalClaimStore.read

    def waits(self: LocalClaimStore, place: VolumePlace) -> Claim | None:
        answered.wait(20)
        return read(self, place)

    monkeypatch.setattr(LocalClaimStore, "read", waits)
    yield answered
    answered.set()


async def test_vms_in_a_pool_that_hangs_do_not_silence_the_lease(
    running: VmHandle, answers: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatch, "HANG_S", 2.0)
    running.world.pools.threads._patience_s = 0.5
    dispatcher = Dispatcher("h1", dict)

    async def look(_: str) -> float | None:
        with contextlib.suppress(QuantixError):
            await running.world.reconciler.reconcile(running.uid)
        return 60.0

    # one worker stands for the eight that there are
    dispatcher.register(VIRTUAL_MACHINES, look, concurrency=1, guarded=True)
    dispatcher.add(VIRTUAL_MACHINES, running.uid)
    working = asyncio.create_task(dispatcher.run(lambda _kind: lambda *_: None))
    until_s = time.monotonic() + 4
    try:
        while time.monotonic() < until_s:
            assert not dispatcher.hanging()
            await asyncio.sleep(0.1)
    finally:
        answers.set()
        working.cancel()
        await asyncio.wait({working})
