"""What is counted of guests that are sent to other hosts."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from quantix_api.errors import TransientError
from quantix_api.layout import Layout
from quantix_hostd.facts.migration import Sending
from quantix_hostd.migration.meter import SendingMetrics
from quantix_hostd.migration.outgoing import OutgoingMoves
from quantix_lab.clocks import ManualClock
from quantix_lab.fake_target import FakeTarget


class Libvirt:
    """Sends a guest of 64 MiB in 20 s, of which it stands still for 0.2 s; or fails with `error` before."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.error: TransientError | None = None
        self.moves: OutgoingMoves | None = None

    async def send_guest(self, _domain: str, _sending: Sending) -> None:
        assert self.moves is not None
        await self.clock.advance(19.8)
        self.moves.note_copied("a", 64 << 20)
        if self.error is not None:
            raise self.error
        self.moves.note_stopped("a")
        await self.clock.advance(0.2)


class Sender:
    def __init__(self, root: Path) -> None:
        self.registry, clock = CollectorRegistry(), ManualClock()
        self.libvirt, self.ended = Libvirt(clock), asyncio.Event()
        libvirt: Any = self.libvirt
        self.moves = OutgoingMoves(
            libvirt, Layout(root), lambda _uid: self.ended.set(), clock, SendingMetrics(self.registry)
        )
        self.libvirt.moves = self.moves

    async def send(self) -> None:
        self.ended.clear()
        socket = self.moves.socket("a")
        sending = Sending(socket=socket, host="h2", address="10.0.0.2", sender="10.0.0.1", xml="", disks=())
        self.moves.begin("a", "qx-a", f"m-{id(socket)}", sending, FakeTarget())
        await asyncio.wait_for(self.ended.wait(), 5.0)
        self.moves.forget("a")

    def value(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(f"quantix_hostd_{name}", labels)


@pytest.fixture
def sender() -> Iterator[Sender]:
    """With a root whose sockets have short enough names."""
    with TemporaryDirectory(prefix="qx-", dir="/tmp") as root:
        yield Sender(Path(root))


async def test_a_guest_that_was_sent_counts_with_its_time_its_bytes_and_how_long_it_stood_still(
    sender: Sender,
) -> None:
    await sender.send()
    assert sender.value("migrations_total", outcome="sent") == 1
    assert sender.value("migration_copied_bytes_total") == 64 << 20
    assert sender.value("migration_duration_seconds_sum") == pytest.approx(20.0)
    assert sender.value("migration_downtime_seconds_sum") == pytest.approx(0.2)


async def test_one_that_was_given_up_counts_by_its_reason_and_not_in_the_times(sender: Sender) -> None:
    sender.libvirt.error = TransientError("TimedOut", "It took too long")
    await sender.send()
    assert sender.value("migrations_total", outcome="TimedOut") == 1
    assert sender.value("migration_copied_bytes_total") == 64 << 20
    assert sender.value("migration_duration_seconds_count") == 0
    assert sender.value("migration_downtime_seconds_count") == 0
