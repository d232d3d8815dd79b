"""OVN's southbound database behind TLS: who is let in, as whom, and with a certificate that hostd renews."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

import pytest

from quantix_api.layout import Layout
from quantix_client.api import ApiClient
from quantix_client.clock import SystemClock
from quantix_hostd.clients.ovs import OvsClient
from quantix_hostd.facts.switch import TlsFiles
from quantix_hostd.join.ovn import Chassis, OvnTrust
from quantix_hostd.join.requests import OVN, SERVING, Wanted, as_host, new_key, render_request
from quantix_lab.open_vswitch import OpenVSwitch
from quantix_lab.ovn_central import OvnCentral, TlsListener, running_central
from quantix_lab.ovn_chassis import running_chassis
from quantix_lab.small_authority import SigningApi, SmallAuthority
from quantix_lab.waiting import eventually, eventually_async

_SERVER, _HOST, _OTHER = (f"{digit * 8}-1111-4111-8111-111111111111" for digit in "abc")
_REMOTE = "ssl:127.0.0.1:6642"
_LISTEN = ("role=ovn-controller", "pssl:6642:127.0.0.1")


@dataclass(frozen=True)
class World:
    """A central that listens with TLS where the switch is, and the authority that all trust."""

    switch: OpenVSwitch
    central: OvnCentral
    signer: SigningApi
    layout: Layout

    def chassis(self) -> list[str]:
        listed = self.central.sbctl("--bare", "--columns=name", "list", "Chassis")
        return listed.split()

    def said(self) -> str:
        return self.central.sbctl("--bare", "--columns=other_config", "list", "Chassis").strip()

    def connect_anew(self) -> None:
        """End all connections by TLS and take new ones."""
        self.central.sbctl("del-connection")
        self.central.sbctl("set-connection", *_LISTEN)

    def asked_with(self, directory: Path) -> bool:
        """Whether somebody with these files may ask the database."""
        files = ("-p", f"{directory}/key", "-c", f"{directory}/crt", "-C", f"{directory}/ca")
        command = ("ovsdb-client", "--timeout=5", *files, "list-dbs", _REMOTE)
        try:
            return "OVN_Southbound" in self.switch.inside(*command)
        except subprocess.CalledProcessError:
            return False

    @contextlib.asynccontextmanager
    async def trust(self, uid: str) -> AsyncIterator[None]:
        """hostd's part, for a Host with this UID, from when Open vSwitch was told."""
        ovs = OvsClient(self.switch.database)
        trust = OvnTrust(self.layout, Chassis("h1", lambda: uid), ovs, SystemClock(), lambda: None)
        task = asyncio.create_task(trust.run(cast(ApiClient, self.signer)))
        try:
            await eventually_async("a certificate", lambda: trust.problem() is None)
            yield
        finally:
            task.cancel()


def _now() -> datetime:
    return datetime.now(UTC)


def files(directory: Path, wanted: Wanted, authority: SmallAuthority, trusts: SmallAuthority) -> Path:
    """Key, certificate and whom to trust, as files of a new directory."""
    directory.mkdir(parents=True)
    key = new_key()
    pem = authority.sign(render_request(wanted, key), _now(), usages=wanted.purpose.usages[1:])
    for name, content in (("key", key), ("crt", pem), ("ca", trusts.pem)):
        (directory / name).write_text(content)
    return directory


@pytest.fixture
def world(switch: OpenVSwitch, tmp_path: Path) -> Iterator[World]:
    signer = SigningApi(SmallAuthority(_now() - timedelta(minutes=5)), _now)
    signer.objects["configmaps", "quantix-ca"] = {"data": {"ca.crt": signer.authority.pem}}
    server = Wanted(OVN, "h0", _SERVER)
    shown = files(tmp_path / "server", server, signer.authority, signer.authority)
    listener = TlsListener(switch.namespace, shown / "key", shown / "crt", shown / "ca")
    with ExitStack() as stack:
        # a short path: sockets lie in it
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="qx")))
        central = stack.enter_context(running_central(directory / "c", listener))
        central.sbctl("set-connection", *_LISTEN)
        yield World(switch, central, signer, Layout(tmp_path / "root"))


def test_only_certificates_of_the_clusters_authority_for_clients_are_let_in(
    world: World, tmp_path: Path
) -> None:
    ours, theirs = world.signer.authority, SmallAuthority(_now(), "quantix-ca other")
    own = Wanted(OVN, "h1", _HOST)
    eventually("its port", lambda: world.asked_with(files(tmp_path / f"{_now()}", own, ours, ours)))
    assert not world.asked_with(files(tmp_path / "theirs", own, theirs, ours))
    assert not world.asked_with(files(tmp_path / "server-only", as_host(SERVING, "h1"), ours, ours))
    assert not world.asked_with(files(tmp_path / "trusts-others", own, ours, theirs))


async def test_a_chassis_registers_by_the_name_in_its_certificate(world: World) -> None:
    async with world.trust(_HOST):
        with running_chassis(world.switch, world.central, _HOST, _REMOTE):
            await eventually_async("the chassis", lambda: world.chassis() == [_HOST], interval_s=0.1)


async def test_a_chassis_by_another_name_is_refused(world: World) -> None:
    async with world.trust(_OTHER):
        with running_chassis(world.switch, world.central, _HOST, _REMOTE):
            log = world.switch.directory / "ovn-controller.log"
            await eventually_async("a refusal", lambda: "permission error" in log.read_text())
            assert world.chassis() == []


async def test_ovn_controller_connects_again_with_the_renewed_certificate(world: World) -> None:
    world.signer.life = timedelta(seconds=9)
    async with world.trust(_HOST):
        ends = _now() + world.signer.life
        first = world.layout.ovn_certificate.read_text()
        world.signer.life = timedelta(days=1)
        with running_chassis(world.switch, world.central, _HOST, _REMOTE):
            await eventually_async("the chassis", lambda: world.chassis() == [_HOST], interval_s=0.1)
            await eventually_async("a renewal", lambda: world.layout.ovn_certificate.read_text() != first)
            await asyncio.sleep(max(0.0, (ends - _now()).total_seconds()) + 1)
            world.connect_anew()
            world.switch.vsctl("set", "Open_vSwitch", ".", "external_ids:ovn-bridge-mappings=later:qx-ex")
            await eventually_async("what it says now", lambda: "later:qx-ex" in world.said(), 30, 0.1)


async def test_ovn_controller_takes_a_pair_of_which_it_has_seen_the_key_alone(
    world: World, tmp_path: Path
) -> None:
    """As when it looks while hostd has written one file of two (`KeptCertificate`)."""
    ours = world.signer.authority
    shown = files(tmp_path / "shown", Wanted(OVN, "h1", _OTHER), ours, ours)
    next_one = files(tmp_path / "next", Wanted(OVN, "h1", _HOST), ours, ours)
    paths = TlsFiles(f"{shown}/key", f"{shown}/crt", f"{shown}/ca")
    await OvsClient(world.switch.database).set_ssl(paths, {})
    with running_chassis(world.switch, world.central, _HOST, _REMOTE):
        log = world.switch.directory / "ovn-controller.log"
        await eventually_async("a refusal", lambda: "permission error" in log.read_text())
        for name in ("key", "crt"):
            (shown / name).write_text((next_one / name).read_text())
            world.switch.vsctl("set", "Open_vSwitch", ".", f"external_ids:seen={name}")
            await asyncio.sleep(1)
        os.utime(shown / "key")
        world.switch.vsctl("set", "Open_vSwitch", ".", "external_ids:seen=both")
        await asyncio.sleep(1)
        world.connect_anew()
        await eventually_async("the chassis", lambda: world.chassis() == [_HOST], interval_s=0.1)
