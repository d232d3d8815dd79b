"""Certificates on a host's disk stay good: renewed in time, and for whom they are wanted."""

from __future__ import annotations

import asyncio
import contextlib
import stat
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

import pytest

from quantix_api.errors import PermanentError, QuantixError, TransientError
from quantix_api.layout import Layout
from quantix_client.api import ApiClient
from quantix_hostd.clients.ovs import OvsClient
from quantix_hostd.facts.switch import OWNER_KEY, TlsFacts, TlsFiles
from quantix_hostd.join.kept import KeptCertificate
from quantix_hostd.join.ovn import Chassis, OvnTrust
from quantix_hostd.join.requests import (
    OVN,
    SERVING,
    Wanted,
    as_host,
    common_name,
    issued_by,
    matches,
    new_key,
)
from quantix_lab.clocks import ManualClock
from quantix_lab.small_authority import SigningApi, SmallAuthority
from quantix_lab.waiting import eventually_async

_START = datetime(2026, 1, 1, tzinfo=UTC)
_UID = "11111111-1111-4111-8111-111111111111"
_OWN = as_host(SERVING, "h1", ["h1", "10.0.0.1"])


class Calendar:
    """What day it is, as the test says."""

    def __init__(self) -> None:
        self.day = 0.0

    def now(self) -> datetime:
        return _START + timedelta(days=self.day)


class World:
    """One host and the API that signs for it."""

    def __init__(self, root: Path) -> None:
        self.calendar = Calendar()
        self.signer = SigningApi(SmallAuthority(_START), self.calendar.now)
        self.api = cast(ApiClient, self.signer)
        self.clock = ManualClock()
        self.layout = Layout(root)
        self.kept = KeptCertificate(root / "pki/a.crt", root / "pki/a.key", self.clock, self.calendar.now)
        self.used: list[str] = []

    async def ensure(self, wanted: Wanted = _OWN, authority: str = "") -> float:
        return await self.kept.ensure(self.api, wanted, self._use, authority)

    async def _use(self) -> None:
        certificate = self.kept.certificate.read_text()
        assert matches(certificate, self.kept.key.read_text())
        self.used.append(certificate)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


async def test_the_first_one_is_asked_for_and_then_kept(world: World) -> None:
    due_s = await world.ensure()
    assert due_s == 60 * 86400
    assert await world.ensure() == due_s
    assert len(world.signer.requests) == 1
    assert len(set(world.used)) == 1
    assert stat.S_IMODE(world.kept.key.stat().st_mode) == 0o600
    assert [path.name for path in world.kept.key.parent.iterdir() if "new" in path.name] == []


async def test_the_next_one_has_a_new_key_and_the_old_one_is_used_until_it_is_there(world: World) -> None:
    await world.ensure()
    world.calendar.day, key = 61, world.kept.key.read_text()
    await world.ensure()
    assert world.kept.key.read_text() != key
    assert world.used[1] == world.used[0] != world.used[2]


async def test_a_key_is_newer_than_its_certificate_for_who_looks_at_the_key_alone(world: World) -> None:
    await world.ensure()
    assert world.kept.key.stat().st_mtime_ns >= world.kept.certificate.stat().st_mtime_ns


@pytest.mark.parametrize(
    "wanted", [as_host(SERVING, "h1", ["h1", "10.0.0.2"]), Wanted(OVN, "h1", _UID), as_host(SERVING, "h2")]
)
async def test_one_for_another_name_is_replaced_at_once(world: World, wanted: Wanted) -> None:
    await world.ensure()
    await world.ensure(wanted)
    assert common_name(world.kept.certificate.read_text()) == wanted.common_name
    assert len(world.used) == 2, "the wrong one is not used again"


@pytest.mark.parametrize("file", ["a.crt", "a.key"])
@pytest.mark.parametrize("content", ["", "nonsense", None])
async def test_a_damaged_file_is_replaced(world: World, file: str, content: str | None) -> None:
    await world.ensure()
    path = world.kept.key.with_name(file)
    path.write_text(new_key() if content is None else content)
    await world.ensure()
    assert len(world.signer.requests) == 2


async def test_one_of_another_authority_is_replaced(world: World) -> None:
    await world.ensure(authority=world.signer.authority.pem)
    world.signer.authority.renew(_START + timedelta(days=1))
    await world.ensure(authority=world.signer.authority.pem)
    assert len(world.signer.requests) == 1
    world.signer.authority = SmallAuthority(_START)
    await world.ensure(authority=world.signer.authority.pem)
    assert issued_by(world.kept.certificate.read_text(), world.signer.authority.pem)


async def test_who_starts_anew_finds_the_request_that_was_sent(world: World) -> None:
    world.signer.waiting = True
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(world.ensure(), 0.2)
    world.signer.waiting = False
    await world.ensure()
    assert len(world.signer.requests) == 1


async def test_after_a_denial_another_request_is_sent(world: World) -> None:
    world.signer.denied = True
    with pytest.raises(PermanentError) as caught:
        await world.ensure()
    assert caught.value.reason == "JoinDenied"
    world.signer.denied = False
    await world.ensure()
    assert len(world.signer.requests) == 2


async def test_failures_are_told_and_it_is_tried_again(world: World) -> None:
    failures: list[QuantixError] = []
    world.signer.denied = True
    keeping = asyncio.create_task(world.kept.keep(world.ensure, failures.append))
    await until(lambda: len(failures) == 1)
    world.signer.denied = False
    await comes(world, 31, lambda: bool(world.used))
    keeping.cancel()


class Switch:
    """An Open vSwitch that is told how to speak TLS."""

    def __init__(self) -> None:
        self.row: TlsFacts | None = None
        self.writes = 0
        self.dead = False

    async def tls(self) -> TlsFacts | None:
        if self.dead:
            raise TransientError("NetworkDown", "Open vSwitch does not answer.")
        return self.row

    async def set_ssl(self, files: TlsFiles, external_ids: dict[str, str]) -> None:
        self.row, self.writes = TlsFacts(files, external_ids), self.writes + 1


async def until(reached: Callable[[], bool]) -> None:
    await eventually_async("what the test waits for", reached)


async def comes(world: World, seconds: float, reached: Callable[[], bool]) -> None:
    """Let time pass, again and again: who is still at work as it does goes to sleep only then."""

    async def later() -> bool:
        await world.clock.advance(seconds)
        return reached()

    await eventually_async("what the test waits for", later)


class OvnWorld(World):
    """`uid` is that of the Host, `changes` what it was told of `problem`."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.uid, self.switch, self.changes = _UID, Switch(), 0
        self.publish()
        switch = cast(OvsClient, self.switch)
        chassis = Chassis("h1", lambda: self.uid)
        self.trust = OvnTrust(self.layout, chassis, switch, self.clock, self.told, self.calendar.now)

    def publish(self) -> None:
        self.signer.objects["configmaps", "quantix-ca"] = {"data": {"ca.crt": self.signer.authority.pem}}

    def told(self) -> None:
        self.changes += 1

    def reason(self) -> str:
        problem = self.trust.problem()
        return "" if problem is None else problem[0]

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.trust.run(self.api))
        try:
            yield
        finally:
            task.cancel()


@pytest.fixture
def ovn(tmp_path: Path) -> OvnWorld:
    return OvnWorld(tmp_path)


async def test_ovn_is_told_of_a_certificate_by_the_hosts_uid(ovn: OvnWorld) -> None:
    assert ovn.reason() == "SouthboundUnreachable"
    async with ovn.running():
        await until(lambda: ovn.reason() == "")
    layout = ovn.layout
    files = TlsFiles(str(layout.ovn_key), str(layout.ovn_certificate), str(layout.ovn_authority))
    assert ovn.switch.row == TlsFacts(files, {OWNER_KEY: _UID})
    assert common_name(layout.ovn_certificate.read_text()) == _UID
    assert layout.ovn_authority.read_text() == ovn.signer.authority.pem
    assert (stat.S_IMODE(layout.ovn_key.stat().st_mode), ovn.changes) == (0o600, 1)


async def test_it_follows_the_authority_that_is_published(ovn: OvnWorld) -> None:
    async with ovn.running():
        await until(lambda: ovn.reason() == "")
        ovn.signer.authority.renew(_START + timedelta(days=1))
        ovn.publish()
        await comes(ovn, 301, lambda: ovn.layout.ovn_authority.read_text() == ovn.signer.authority.pem)
        await until(lambda: len(ovn.signer.requests) == 1)
        ovn.signer.authority = SmallAuthority(_START)
        ovn.publish()
        await comes(
            ovn, 301, lambda: issued_by(ovn.layout.ovn_certificate.read_text(), ovn.signer.authority.pem)
        )
    assert ovn.switch.writes == 1, "the paths are the same"


async def test_a_renewal_that_does_not_work_is_no_problem_before_the_end(ovn: OvnWorld) -> None:
    async with ovn.running():
        await until(lambda: ovn.reason() == "")
        ovn.signer.denied, ovn.calendar.day = True, 61
        await comes(ovn, 301, lambda: len(ovn.signer.requests) == 2)
        assert ovn.reason() == ""
        ovn.calendar.day = 91
        await comes(ovn, 301, lambda: "somebody else" in (ovn.trust.problem() or ("", ""))[1])
        assert ovn.reason() == "SouthboundUnreachable"
        ovn.signer.denied = False
        await comes(ovn, 31, lambda: ovn.reason() == "")


async def test_a_host_that_was_made_anew_gets_one_for_its_new_uid(ovn: OvnWorld) -> None:
    ovn.uid = ""
    async with ovn.running():
        await ovn.clock.advance(5)
        assert ovn.signer.requests == {}
        ovn.uid = _UID
        await comes(ovn, 5, lambda: ovn.reason() == "")
        ovn.uid = _UID.replace("1", "2")
        await comes(ovn, 301, lambda: common_name(ovn.layout.ovn_certificate.read_text()) == ovn.uid)


async def test_without_an_authority_or_a_switch_it_says_what_is_missing(ovn: OvnWorld) -> None:
    ovn.signer.objects.clear()
    async with ovn.running():
        await until(lambda: "no authority of hosts" in (ovn.trust.problem() or ("", ""))[1])
        ovn.publish()
        ovn.switch.dead = True
        await comes(ovn, 31, lambda: "Open vSwitch" in (ovn.trust.problem() or ("", ""))[1])
        ovn.switch.dead = False
        await comes(ovn, 31, lambda: ovn.reason() == "")


async def test_a_switch_that_speaks_tls_for_others_is_left_alone(ovn: OvnWorld) -> None:
    theirs = TlsFacts(TlsFiles("/k", "/c", "/a"), {})
    ovn.switch.row = theirs
    async with ovn.running():
        await until(lambda: ovn.reason() == "OVNAlreadyConfigured")
    assert ovn.switch.row is theirs


async def test_where_no_tls_is_spoken_the_files_are_kept_and_nothing_is_a_problem(tmp_path: Path) -> None:
    world = OvnWorld(tmp_path)
    trust = OvnTrust(
        world.layout, Chassis("h1", lambda: _UID), None, world.clock, world.told, world.calendar.now
    )
    assert trust.problem() is None
    task = asyncio.create_task(trust.run(world.api))
    await until(world.layout.ovn_certificate.exists)
    task.cancel()
    assert world.switch.writes == 0
