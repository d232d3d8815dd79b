"""A guest whose VM the API no longer has, in `qx host end-orphan` and `qx down`; a hostd on a socket."""

from __future__ import annotations

import asyncio
import io
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from quantix_cli.commands.orphans import _end
from quantix_cli.exits import CommandError, Exit
from quantix_cli.terminal import Terminal
from quantix_cli.up.hostd_door import HostdDoor, Orphan
from quantix_cli.up.stop.stopping import orphan_told, summary

UID = "0a1b2c3d-0000-4000-8000-000000000001"
SAID = {
    "uid": UID,
    "domain": f"qx-{UID}",
    "vm": "default/gone",
    "running": True,
    "pids": [42],
    "started_at": "2026-11-28T03:00:00Z",
    "volumes": ["v1"],
    "ports": ["p1"],
    "ending": False,
}
TERMINAL = Terminal(is_tty=False, colour=False, unicode=True, width=None)


class Hostd:
    """Ends an orphan two looks after it was told to."""

    def __init__(self) -> None:
        self.orphans = [SAID]
        self.ended: list[str] = []
        self._looks_left = 2

    async def list(self, _: web.Request) -> web.Response:
        if self.ended:
            self._looks_left -= 1
        if self._looks_left <= 0:
            self.orphans = []
        return web.json_response({"orphans": self.orphans})

    async def end(self, request: web.Request) -> web.Response:
        self.ended.append(request.match_info["uid"])
        return web.json_response(SAID, status=202)


@pytest.fixture
def hostd() -> Hostd:
    return Hostd()


@pytest.fixture
def socket() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="qx") as folder:
        yield Path(folder) / "hostd.sock"


@asynccontextmanager
async def served(hostd: Hostd, socket: Path) -> AsyncIterator[HostdDoor]:
    app = web.Application()
    app.add_routes([web.get("/v1/host/orphans", hostd.list)])
    app.add_routes([web.post("/v1/host/orphans/{uid}/end", hostd.end)])
    runner = web.AppRunner(app)
    await runner.setup()
    await web.UnixSite(runner, str(socket)).start()
    try:
        yield HostdDoor(socket)
    finally:
        await runner.cleanup()


def end(hostd: Hostd, socket: Path, uid: str, confirmed: str | None) -> Exit:
    async def act() -> Exit:
        async with served(hostd, socket) as door:
            return await _end(door, uid, confirmed, TERMINAL, 20.0)

    return asyncio.run(act())


def test_without_a_uid_they_are_listed(
    hostd: Hostd, socket: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert end(hostd, socket, "", None) == Exit.DONE
    assert capsys.readouterr().out == (
        f"{UID}  domain qx-{UID} (it was default/gone), runs, started 2026-11-28T03:00:00Z, pid 42\n"
    )
    assert hostd.ended == []


def test_what_ends_is_shown_and_nothing_does_without_its_uid_once_more(
    hostd: Hostd, socket: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    for confirmed in (None, "yes", "0a1b"):
        with pytest.raises(CommandError, match=r"[Nn]othing was changed"):
            end(hostd, socket, UID, confirmed)
    assert hostd.ended == []
    shown = capsys.readouterr().err
    for part in ("default/gone", "pid 42", "v1", "p1", "by force after 60 s"):
        assert part in shown


def test_a_confirmed_one_is_ended_and_its_end_waited_for(
    hostd: Hostd, socket: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert end(hostd, socket, UID, UID) == Exit.DONE
    assert hostd.ended == [UID]
    assert hostd.orphans == []
    assert f"qx-{UID} is gone; its volumes keep their data." in capsys.readouterr().err


def test_a_uid_that_is_no_orphans_is_refused_with_those_that_are(hostd: Hostd, socket: Path) -> None:
    with pytest.raises(CommandError, match=f"There are: {UID}") as refused:
        end(hostd, socket, "0a1b", "0a1b")
    assert refused.value.exit_code == Exit.NOT_FOUND
    assert hostd.ended == []


@pytest.mark.parametrize(
    ("guests", "said"),
    [
        ([], "Stopped in 4.0 s. 1 guest without a VM in the API was ended. Data kept."),
        (
            ["default/web-1"],
            "Stopped in 4.0 s. 1 VM was shut down (web-1); make up starts it again. "
            "1 guest without a VM in the API was ended. Data kept.",
        ),
    ],
)
def test_down_tells_of_it_and_does_not_promise_to_start_it_again(guests: list[str], said: str) -> None:
    orphan: dict[str, Any] = SAID
    assert orphan_told(Orphan.parse(orphan)) == (
        f"Domain qx-{UID} (it was default/gone) has no VM in the API any more; "
        "it is shut down with the others, and its volumes stay."
    )
    assert summary(guests, orphans=1, was_running=True, took_s=4.0) == said
