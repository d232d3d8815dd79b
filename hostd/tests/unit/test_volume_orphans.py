"""Data of which the API has no Volume is told and stays. Pools and claims are real files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import pytest

from quantix_api.layout import Layout
from quantix_client.api import ApiClient, ListResult
from quantix_hostd.claims import VolumePlace, new_claim
from quantix_hostd.clients.claim_store import LocalClaimStore
from quantix_hostd.clients.files import FileOwner
from quantix_hostd.pools import HostPools
from quantix_hostd.volume.orphans import OrphanTools, VolumeOrphans
from quantix_lab.clocks import ManualClock


def volume(uid: str, handle: str | None = None) -> dict[str, Any]:
    return {"metadata": {"name": uid, "namespace": "default", "uid": uid}, "status": {"handle": handle}}


class OnePool:
    """A host with one pool; `listed` is what the API has, `asked` how often it was asked."""

    def __init__(self, root: Path) -> None:
        self.volumes = root / "pool" / "volumes"
        self.volumes.mkdir(parents=True)
        self.known: dict[str, dict[str, Any]] = {}
        self.listed: list[dict[str, Any]] = []
        self.asked = 0
        self.clock = ManualClock()
        pool = {"metadata": {"name": "local"}, "spec": {"dir": {"path": str(root / "pool")}}}
        pools = HostPools({"local": pool}, {}, "h1", Layout(root), FileOwner.current())
        tools = OrphanTools(cast(ApiClient, self), self.known, pools, LocalClaimStore(), "cluster-1")
        self.orphans = VolumeOrphans(tools, self.clock)

    async def list(self, _resource: object) -> ListResult:
        self.asked += 1
        return ListResult(self.listed, "1")

    def make(self, handle: str, cluster_uid: str = "cluster-1") -> Path:
        directory = self.volumes / handle
        directory.mkdir()
        LocalClaimStore().create(VolumePlace(self.volumes.parent, handle), new_claim(cluster_uid))
        return directory

    async def found(self) -> Sequence[str]:
        return [Path(orphan.path).name for orphan in await self.orphans.find()]


@pytest.fixture
def host(tmp_path: Path) -> OnePool:
    return OnePool(tmp_path)


async def test_data_of_no_volume_is_told_and_stays_until_somebody_removes_it(host: OnePool) -> None:
    data = host.make("gone")
    assert await host.found() == ["gone"]
    assert data.exists()
    (data / "claim").unlink()
    data.rmdir()
    assert await host.found() == []


async def test_what_the_host_knows_by_uid_or_handle_is_asked_of_nobody(host: OnePool) -> None:
    host.make("u1")
    host.make("adopted")
    host.known |= {"default/a": volume("u1"), "default/b": volume("u2", "adopted")}
    assert (await host.found(), host.asked) == ([], 0)


async def test_data_of_another_hosts_volume_in_a_shared_pool_is_its_own(host: OnePool) -> None:
    host.make("u1")
    host.listed = [volume("u1")]
    assert await host.found() == []


async def test_drafts_links_and_what_is_no_volume_of_this_cluster_are_not_told(host: OnePool) -> None:
    (host.volumes / ".u1.h1.new").mkdir()
    (host.volumes / "lost+found").mkdir()
    (host.volumes / "notes.txt").write_text("")
    (host.volumes / "link").symlink_to(host.make("theirs", cluster_uid="cluster-2"))
    assert await host.found() == []


async def test_data_with_a_damaged_claim_is_told(host: OnePool) -> None:
    (host.make("u1") / "claim").write_text("{}")
    assert await host.found() == ["u1"]


async def test_the_api_is_asked_for_all_volumes_once_in_five_minutes(host: OnePool) -> None:
    host.make("u1")
    await host.found()
    host.make("u2")
    assert (await host.found(), host.asked) == (["u1"], 1)
    await host.clock.advance(301.0)
    assert (await host.found(), host.asked) == (["u1", "u2"], 2)


async def test_what_lies_in_a_pool_that_is_away_stays_known(host: OnePool) -> None:
    host.make("gone")
    assert await host.found() == ["gone"]
    aside = host.volumes.rename(host.volumes.with_name("aside"))
    assert await host.found() == ["gone"]
    await host.clock.advance(301.0)
    assert await host.found() == ["gone"]
    aside.rename(host.volumes)
    (host.volumes / "gone" / "claim").unlink()
    assert await host.found() == []
