"""What names no pool is refused at once where none is the default, and what names one that no host takes; who
takes the mark away is told.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from quantix_api.resources import STORAGE_POOLS, VIRTUAL_MACHINES, VOLUMES, Resource
from quantix_cli import uploading
from quantix_cli.commands import making, pools
from quantix_cli.destinations import of_disks, refuse_placeless
from quantix_cli.exits import CommandError, Exit
from quantix_cli.session import Session
from quantix_cli.settings import read_settings
from quantix_client.api import ListResult
from quantix_client.errors import Forbidden, NotFound
from quantix_lab.qx_session import qx_session, typed

Manifest = dict[str, Any]
VM: Manifest = {
    "metadata": {"name": "web-1", "namespace": "default", "generation": 1, "resourceVersion": "7"},
    "spec": {"disks": [{"name": "root", "image": "shared/tiny"}]},
}
CREATE = "vm create web-1 --image shared/tiny --cpu 1 --memory 1GiB --network none --no-wait"
PLACES = "--pool POOL, and of further disks --disk SIZE,pool=POOL"


def pool(name: str, *, default: bool = False, going: bool = False) -> Manifest:
    metadata = {"name": name} | ({"deletionTimestamp": "2026-11-29T10:00:00Z"} if going else {})
    return {"metadata": metadata, "spec": {"default": default}}


def volume(name: str) -> Manifest:
    made_from = {"source": {"image": "shared/tiny"}}
    return {"metadata": {"name": name, "namespace": "default"}, "spec": made_from}


class Api:
    """Has these pools and volumes, and whatever is asked for by name; `written` counts what came to it."""

    def __init__(self, *pools: Manifest, volumes: tuple[Manifest, ...] = (), forbids: bool = False) -> None:
        self.pools, self.volumes, self.forbids, self.written = pools, volumes, forbids, 0

    async def get(self, resource: Resource, name: str, namespace: str | None = None) -> Manifest:
        if resource is VIRTUAL_MACHINES:
            return VM
        if namespace == "default":
            raise NotFound(f"there is no {name}")
        return {"metadata": {"name": name}}

    async def list(self, resource: Resource, namespace: str | None = None, **_: Any) -> ListResult:
        if self.forbids:
            raise Forbidden("may not look")
        found = {STORAGE_POOLS: self.pools, VOLUMES: self.volumes}.get(resource, ())
        return ListResult(list(found), "1")

    async def create(self, *_: Any, **__: Any) -> Manifest:
        self.written += 1
        return VM

    patch = create


async def create_vm(session: Session) -> None:
    await typed(session, f"{CREATE} --disk 1GiB --disk 1GiB,pool=a")


async def attach_disk(session: Session) -> None:
    await typed(session, "vm attach web-1 --disk 1GiB,name=data --no-wait")


async def send_image(session: Session) -> None:
    await uploading._declare(session, uploading.IMAGE, "own", {"upload": {}})


async def send_volume(session: Session) -> None:
    await uploading._declare(session, uploading.VOLUME, "own", {"source": {"upload": {}}})


async def make_volume(session: Session) -> None:
    await typed(session, "volume create files --size 1GiB --no-wait")


@pytest.mark.parametrize(
    ("act", "hint"),
    [
        (create_vm, f"{PLACES}, or qx pool set POOL --default"),
        (attach_disk, "--pool POOL, or qx pool set POOL --default"),
        (make_volume, "--pool POOL, or qx pool set POOL --default"),
        (send_image, "qx pool set POOL --default"),
        (send_volume, "--pool POOL, or qx pool set POOL --default"),
    ],
)
async def test_what_names_no_pool_is_refused_where_none_is_the_default(
    act: Callable[[Session], Awaitable[None]], hint: str
) -> None:
    api = Api(pool("a"), pool("b"), pool("old", default=True, going=True))
    with pytest.raises(CommandError) as refused:
        await act(qx_session(api))
    assert (refused.value.exit_code, api.written) == (Exit.REFUSED, 0)
    assert "none of a, b, old is the default (PoolNotFound)." in refused.value.message
    assert refused.value.hint == hint


async def test_where_there_is_no_pool_at_all_one_is_to_be_made() -> None:
    with pytest.raises(CommandError, match="web-1 needs a pool, and there is none yet") as refused:
        await create_vm(qx_session(Api()))
    assert refused.value.hint == "qx pool create fast --path /srv/fast --default"


@pytest.mark.parametrize(
    ("api", "disks"),
    [
        (Api(pool("a", default=True)), [{"name": "root"}]),
        (Api(pool("a")), [{"name": "root", "pool": "a"}, {"name": "data", "volume": "files"}]),
        (Api(pool("a")), []),
        (Api(pool("a"), volumes=(volume("web-1-root"),)), [{"name": "root"}]),
        (Api(forbids=True), [{"name": "root"}]),
    ],
    ids=["a default", "all are named", "no disk", "left by an earlier VM", "not shown"],
)
async def test_what_has_a_place_is_sent(api: Api, disks: list[Manifest]) -> None:
    await refuse_placeless(qx_session(api), of_disks(VM, disks))


MISSING = "box does not use pool bad: there is no directory /srv/bad. Try: mkdir -p /srv/bad on box."
AWAY = "No host reaches it. Said: box: server away. Try: bring it back."


def unreached(name: str, *, stalled: bool = True, hosts: int = 0, default: bool = False) -> Manifest:
    """A pool of which the operator says that no host has it, or only that another one is the default."""
    message = MISSING if stalled else AWAY
    said = {"status": "False", "reason": "DirectoryMissing" if stalled else "Unreachable", "message": message}
    conditions = [{"type": "Ready", **said}]
    conditions += [{**said, "type": "Stalled", "status": "True"}] if stalled else []
    return {**pool(name, default=default), "status": {"hosts": hosts, "conditions": conditions}}


async def make_volume_there(session: Session) -> None:
    await typed(session, "volume create files --size 1GiB --pool bad --no-wait")


async def create_vm_there(session: Session) -> None:
    await typed(session, f"{CREATE} --pool bad")


async def attach_disk_there(session: Session) -> None:
    await typed(session, "vm attach web-1 --disk 1GiB,name=data,pool=bad --no-wait")


@pytest.mark.parametrize(
    ("act", "default"),
    [
        *((act, False) for act in (create_vm_there, attach_disk_there, make_volume_there)),
        *((act, True) for act in (create_vm, attach_disk, send_image, send_volume)),
    ],
)
async def test_a_pool_that_every_host_refuses_takes_nothing_new(
    act: Callable[[Session], Awaitable[None]], default: bool
) -> None:
    api = Api(pool("a", default=not default), unreached("bad", default=default))
    with pytest.raises(CommandError) as refused:
        await act(qx_session(api))
    assert (refused.value.exit_code, api.written) == (Exit.REFUSED, 0)
    said = "Nothing can go to pool bad: box does not use pool bad: there is no directory /srv/bad."
    assert (refused.value.message, refused.value.hint) == (said, "mkdir -p /srv/bad on box")


async def test_a_pool_that_hosts_may_reach_again_is_told_of_and_asked(
    capsys: pytest.CaptureFixture[str],
) -> None:
    api = Api(unreached("bad", stalled=False))
    await create_vm_there(qx_session(api))
    assert api.written == 1
    assert f"Pool bad: {AWAY}" in capsys.readouterr().err


@pytest.mark.parametrize(
    "api",
    [
        Api(unreached("bad", hosts=1)),
        Api(unreached("bad"), volumes=(volume("web-1-root"),)),
        Api(unreached("bad"), forbids=True),
    ],
    ids=["another host takes it", "an earlier VM has left it there", "pools are not shown"],
)
async def test_what_may_have_a_place_in_a_pool_is_sent(api: Api, capsys: pytest.CaptureFixture[str]) -> None:
    await create_vm_there(replace(qx_session(api), assume_yes=True))
    assert (api.written, "Pool bad" in capsys.readouterr().err) == (1, False)


@pytest.mark.parametrize(("others", "told"), [((), True), ((pool("b", default=True),), False)])
async def test_who_takes_the_last_mark_away_is_told(
    others: tuple[Manifest, ...], told: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    await pools.tell_no_default(qx_session(Api(pool("a"), *others)))
    said = capsys.readouterr()
    assert (said.out + said.err).startswith("No pool is the default now: name one by --pool POOL") is told
    await pools.tell_no_default(qx_session(Api(forbids=True)))


@pytest.mark.parametrize(
    ("typed", "path"),
    [("/srv/fast/", "/srv/fast"), ("/srv/fast//", "/srv/fast"), ("/srv/fast", "/srv/fast"), ("/", "/")],
)
def test_the_slash_that_a_shell_completes_is_not_part_of_the_path_of_a_pool(
    typed: str, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Manifest] = []
    monkeypatch.setattr(making, "make", lambda *given, **_: made.append(given[3]))
    settings = read_settings({})
    pools.create_command("pool").main(["fast", "--path", typed], obj=settings, standalone_mode=False)
    assert [spec["dir"]["path"] for spec in made] == [path]
