"""How often the API is asked what is still to be made from a volume that is deleted."""

from __future__ import annotations

from typing import Any, cast

import pytest

from quantix_api import Volume
from quantix_api.messages import render
from quantix_client.api import ApiClient
from quantix_hostd.volume.unmade import UnmadeCopies
from quantix_lab.clocks import HastyClock
from quantix_lab.fake_status_api import FakeStatusApi

SOURCE: dict[str, Any] = {
    "metadata": {
        "name": "source",
        "namespace": "default",
        "uid": "uid-source",
        "creationTimestamp": "2026-01-01T00:00:00Z",
        "deletionTimestamp": "2026-01-02T00:00:00Z",
    },
    "spec": {"size": "1Mi"},
    "status": {"host": "h1", "data": "Present"},
}


def put(api: FakeStatusApi, name: str) -> None:
    metadata = {"name": name, "namespace": "default", "uid": f"uid-{name}"}
    api.put({"metadata": metadata, "spec": {"source": {"volume": "source"}}, "status": {}})


async def test_the_longer_copies_wait_the_less_often_the_api_is_asked() -> None:
    api, clock, source = FakeStatusApi(), HastyClock(), Volume.model_validate(SOURCE)
    unmade = UnmadeCopies(cast(ApiClient, api), {}, clock)
    put(api, "a")

    async def looks(until_s: float) -> list[float]:
        waits, ends_s = [], clock.monotonic() + until_s
        while clock.monotonic() < ends_s:
            waits.append((await unmade.of(source)).again_s)
            await clock.sleep(waits[-1])
        return waits

    assert await looks(700) == pytest.approx([15, 15, 30, 60, 120, 240, 240])
    assert len(await looks(24 * 3600)) == 24 * 15
    # what the VM that waits for it says of this
    assert "within 4 min" in render("VolumeInUse", going="source", copy="a").hint
    put(api, "b")
    assert await looks(100) == pytest.approx([15, 15, 30, 60]), "a copy came or went"
    for uid in ("uid-a", "uid-b"):
        del api.objects[uid]
    assert (await unmade.of(source)).names == ()
