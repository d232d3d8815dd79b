"""`qx volume create --from` of what a running VM may write to says what to stop, and waits for nobody."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, cast

import pytest

from quantix_api.messages import render
from quantix_cli import fetch
from quantix_cli.commands import making
from quantix_cli.nouns import NOUNS
from quantix_cli.options import Invocation
from quantix_cli.session import Session
from quantix_lab.qx_session import Looks, qx_session

Manifest = dict[str, Any]
SOURCE = "web-1-root"
RUNS = render("VolumeInUse", source=SOURCE, user="web-1")


def copy(message: str) -> Manifest:
    ready = {"type": "Ready", "status": "False", "reason": "VolumeInUse", "message": message}
    return {
        "metadata": {"name": "web-1-old", "namespace": "default", "generation": 1},
        "spec": {"source": {"volume": SOURCE}, "copyMode": "Full"},
        "status": {"conditions": [ready | {"observedGeneration": 1}]},
    }


class Api(Looks):
    async def create(self, *_: Any, **__: Any) -> Manifest:
        return await self.get()


class Invoked:
    """What a command is run by, with a session of the test."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def run(self, act: Callable[[Session], Awaitable[None]]) -> None:
        asyncio.run(cast(Any, act(self._session)))


def test_a_copy_of_what_a_vm_runs_from_is_told_and_not_waited_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def all_there(*_: Any, **__: Any) -> None:
        """Nothing that it names is missing."""

    monkeypatch.setattr(fetch, "refuse_missing", all_there)
    stored = copy(RUNS.text)
    invoked = cast(Invocation, Invoked(qx_session(Api(stored))))
    making.make(invoked, "volume", "web-1-old", stored["spec"], labels=(), wait=True)
    assert capsys.readouterr().err == (f"volume web-1-old is there. {RUNS.sentence}\nTry: {RUNS.hint}\n")


@pytest.mark.parametrize("said", [{"source": SOURCE, "pool": "fast"}, {"source": SOURCE, "holder": "box"}])
async def test_what_the_platform_ends_by_itself_is_waited_for(said: dict[str, str]) -> None:
    waits, done = copy(render("VolumeInUse", **said).text), copy("")
    done["status"]["conditions"][0] |= {"status": "True", "reason": "Ready"}
    found = await making._until_ready(qx_session(Looks(waits, done)), NOUNS["volume"], waits)
    assert found is done
