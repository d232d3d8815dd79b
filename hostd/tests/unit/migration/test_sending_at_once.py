"""As many guests are sent at once as may leave a host: nobody sees a call that waits for a thread."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import libvirt
import pytest

from quantix_api.errors import TransientError
from quantix_api.scheduling_policy import MOST_PER_HOST
from quantix_hostd.clients.libvirt_migration import GuestMoves
from quantix_hostd.facts.migration import Sending


class Moves(GuestMoves):
    """Of a libvirtd that is never reached."""

    uri = "test:///nowhere"

    async def on_own(self, name: str, act: Callable[[Any], object], *, missing_ok: bool = False) -> None:
        """No domain is here."""


@pytest.fixture
def all_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """libvirt answers once as many wait for it as may."""
    meeting = threading.Barrier(MOST_PER_HOST, timeout=20.0)

    def answer(uri: str) -> Any:
        meeting.wait()
        raise libvirt.libvirtError(f"{uri} is away")

    monkeypatch.setattr(libvirt, "open", answer)


async def test_no_guest_waits_for_another_to_be_sent(all_at_once: None, tmp_path: Any) -> None:
    moves = Moves()
    sending = Sending(tmp_path / "sock", "h2", "192.0.2.2", "192.0.2.1", "<domain/>", (), True, 0, 300, False)
    ended = await asyncio.gather(
        *(moves.send_guest(f"qx-{number}", sending) for number in range(MOST_PER_HOST)),
        return_exceptions=True,
    )
    moves.close_movers()
    assert {type(end) for end in ended} == {TransientError}


async def test_no_guest_waits_for_another_to_be_switched(all_at_once: None) -> None:
    moves = Moves()
    ended = await asyncio.gather(
        *(moves.switch_sending(f"qx-{number}") for number in range(MOST_PER_HOST)), return_exceptions=True
    )
    moves.close_movers()
    assert {type(end) for end in ended} == {TransientError}
