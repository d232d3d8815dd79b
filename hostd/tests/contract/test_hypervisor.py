"""The contract of `Hypervisor`, on the fake and on real QEMU; the scenarios of the unit tests rest on it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from quantix_api.errors import InvariantError, TransientError
from quantix_hostd.clients.hypervisor import Hypervisor
from quantix_hostd.clients.libvirt import LibvirtClient
from quantix_hostd.domainxml.metadata import metadata_of, render_metadata
from quantix_hostd.domainxml.render import render_domain
from quantix_hostd.domainxml.spec import DomainSpec
from quantix_hostd.domainxml.view import view
from quantix_hostd.facts.domain import (
    DomainEvent,
    DomainSnapshot,
    DomainState,
    EventKind,
    ShutdownMode,
    ShutoffReason,
)
from quantix_hostd.virtualmachine.directories import VmDirectories
from quantix_hostd.virtualmachine.guest_watch import GuestAgents
from quantix_lab.domain_samples import fresh, samples
from quantix_lab.fake_hypervisor import FakeHypervisor
from quantix_lab.libvirt_host import LibvirtHost
from quantix_lab.waiting import eventually_async


@dataclass
class Bench:
    """One hypervisor with one domain to play with."""

    hypervisor: Hypervisor
    spec: DomainSpec
    events: list[DomainEvent]
    host: LibvirtHost | None
    agents: GuestAgents

    @property
    def name(self) -> str:
        return self.spec.domain_name

    async def define(self) -> None:
        await self.hypervisor.define(render_domain(self.spec))

    async def start(self) -> None:
        await self.define()
        await self.hypervisor.create_paused(self.name)

    async def look(self) -> DomainSnapshot:
        found = await self.hypervisor.domain(self.name)
        assert found is not None
        return found

    async def event(self, kind: EventKind, detail: str) -> None:
        """Wait until this event was seen."""
        await eventually_async(
            f"{kind} {detail}", lambda: DomainEvent(self.name, kind, detail) in self.events
        )

    def refuse_starts(self) -> None:
        """QEMU finds no directory for its sockets, so that it ends before it is a guest."""
        if isinstance(self.hypervisor, FakeHypervisor):
            self.hypervisor.refusal = TransientError("InternalError", "no directory for the sockets")
        else:
            shutil.rmtree(self.spec.run_dir)

    async def signal_qemu(self, number: signal.Signals) -> None:
        assert self.host is not None
        (pid,) = self.host.qemu_pids(self.name)
        os.kill(pid, number)


@pytest.fixture(params=["fake", "qemu"])
async def bench(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Bench]:
    events: list[DomainEvent] = []
    if request.param == "fake":
        fake = FakeHypervisor(on_event=events.append)
        yield Bench(fake, fresh(samples(tmp_path)["diskless"], tmp_path), events, None, fake)
        return
    host: LibvirtHost = request.getfixturevalue("libvirt_host")
    client = LibvirtClient(host.uri, on_event=events.append)
    running = asyncio.create_task(client.run())
    await connected(client)
    spec = fresh(samples(host.layout.root)["diskless"], host.layout.root)
    VmDirectories(host.layout, host.qemu.sockets).prepare(spec.identity.vm_uid)
    bench = Bench(client, spec, events, host, client.agents)
    yield bench
    await connected(client)
    await client.destroy(bench.name, graceful=False)
    await client.undefine(bench.name)
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running


async def connected(client: LibvirtClient) -> None:
    await eventually_async("the connection", lambda: client.connected)


async def test_a_domain_is_defined_inactive_then_paused_then_runs(bench: Bench) -> None:
    assert await bench.hypervisor.domain(bench.name) is None
    await bench.define()
    assert not (await bench.look()).active
    await bench.hypervisor.create_paused(bench.name)
    assert (await bench.look()).state is DomainState.PAUSED
    await bench.hypervisor.resume(bench.name)
    assert (await bench.look()).state is DomainState.RUNNING
    await bench.event(EventKind.STARTED, "0")
    await bench.hypervisor.suspend(bench.name)
    assert (await bench.look()).state is DomainState.PAUSED


@pytest.mark.parametrize("bench", ["qemu"], indirect=True)
async def test_what_libvirt_could_not_do_without_its_log_daemon_does_not_say_that_libvirt_is_away(
    bench: Bench,
) -> None:
    assert bench.host is not None
    await bench.define()
    bench.host.stop_daemon("virtlogd")
    try:
        with pytest.raises(TransientError, match=r"Said: .*virtlogd-sock") as told:
            await bench.hypervisor.create_paused(bench.name)
    finally:
        bench.host.start_daemon("virtlogd")
    assert told.value.reason == "InternalError"


async def test_an_agent_that_is_not_there_gives_no_answer_and_takes_no_order(bench: Bench) -> None:
    await bench.start()
    await bench.hypervisor.resume(bench.name)
    for call in (
        bench.agents.guest_report(bench.name),
        bench.agents.set_guest_time(bench.name),
        bench.hypervisor.shutdown(bench.name, ShutdownMode.AGENT),
    ):
        with pytest.raises(TransientError):
            await call
    assert (await bench.look()).state is DomainState.RUNNING


async def test_no_agent_of_a_domain_that_is_not_there_is_asked(bench: Bench) -> None:
    for call in (bench.agents.guest_report("somebody"), bench.agents.set_guest_time("somebody")):
        with pytest.raises(TransientError):
            await call


async def test_a_second_start_is_refused(bench: Bench) -> None:
    await bench.start()
    with pytest.raises(TransientError):
        await bench.hypervisor.create_paused(bench.name)


async def test_a_start_that_is_refused_leaves_it_off_and_tells_of_no_start(bench: Bench) -> None:
    await bench.define()
    bench.refuse_starts()
    with pytest.raises(TransientError):
        await bench.hypervisor.create_paused(bench.name)
    found = await bench.look()
    assert (found.active, found.state, found.reason) == (False, DomainState.SHUTOFF, ShutoffReason.FAILED)
    await bench.hypervisor.undefine(bench.name)
    await eventually_async(
        "the last event", lambda: EventKind.UNDEFINED in {event.kind for event in bench.events}
    )
    assert not {EventKind.STARTED, EventKind.STOPPED} & {event.kind for event in bench.events}


async def test_a_destroyed_domain_stays_defined_and_tells_why(bench: Bench) -> None:
    await bench.start()
    await bench.hypervisor.destroy(bench.name, graceful=True)
    await bench.hypervisor.destroy(bench.name, graceful=True)
    found = await bench.look()
    assert (found.active, found.state, found.reason) == (False, DomainState.SHUTOFF, ShutoffReason.DESTROYED)
    await bench.event(EventKind.STOPPED, "DESTROYED")


async def test_an_active_domain_is_never_undefined(bench: Bench) -> None:
    await bench.start()
    with pytest.raises(InvariantError):
        await bench.hypervisor.undefine(bench.name)
    await bench.hypervisor.destroy(bench.name, graceful=False)
    await bench.hypervisor.undefine(bench.name)
    await bench.hypervisor.undefine(bench.name)
    assert await bench.hypervisor.domain(bench.name) is None


async def test_a_redefinition_changes_the_next_start_and_not_the_running_guest(bench: Bench) -> None:
    await bench.start()
    wanted = replace(bench.spec, memory_bytes=192 * 1024**2)
    await bench.hypervisor.define(render_domain(wanted))
    found = await bench.look()
    assert found.live_xml is not None
    assert view(found.inactive_xml).fields["memory_bytes"] == str(192 * 1024**2)
    assert view(found.live_xml).fields["memory_bytes"] == str(128 * 1024**2)


async def test_a_paused_guest_refuses_a_shutdown(bench: Bench) -> None:
    await bench.start()
    with pytest.raises(TransientError):
        await bench.hypervisor.shutdown(bench.name, ShutdownMode.ACPI)


async def test_what_is_not_there_cannot_be_acted_on_but_is_gone_already(bench: Bench) -> None:
    with pytest.raises(TransientError):
        await bench.hypervisor.resume(bench.name)
    await bench.hypervisor.destroy(bench.name, graceful=False)
    await bench.hypervisor.undefine(bench.name)


async def test_the_uuid_of_another_domain_is_refused(bench: Bench) -> None:
    await bench.define()
    other = replace(bench.spec, identity=replace(bench.spec.identity, vm_uid=str(uuid.uuid4())))
    with pytest.raises(InvariantError):
        await bench.hypervisor.define(render_domain(other))


async def test_our_domains_are_listed_with_their_vm(bench: Bench) -> None:
    await bench.define()
    listed = {domain.name: domain.vm_uid for domain in await bench.hypervisor.domains()}
    assert listed[bench.name] == bench.spec.identity.vm_uid


async def test_a_kill_is_told_as_a_failure(bench: Bench) -> None:
    await bench.start()
    await bench.hypervisor.resume(bench.name)
    if isinstance(bench.hypervisor, FakeHypervisor):
        bench.hypervisor.kill(bench.name)
    else:
        await bench.signal_qemu(signal.SIGKILL)
    await bench.event(EventKind.STOPPED, "FAILED")
    assert (await bench.look()).reason == ShutoffReason.CRASHED


async def test_a_sigterm_is_told_as_the_hosts_doing(bench: Bench) -> None:
    await bench.start()
    await bench.hypervisor.resume(bench.name)
    if isinstance(bench.hypervisor, FakeHypervisor):
        bench.hypervisor.terminate(bench.name)
    else:
        await bench.signal_qemu(signal.SIGTERM)
    await bench.event(EventKind.SHUTDOWN, "HOST")
    await bench.event(EventKind.STOPPED, "SHUTDOWN")
    assert (await bench.look()).reason == ShutoffReason.SHUTDOWN


# the fake keeps what was defined: nothing that is tested on it reads metadata again
@pytest.mark.parametrize("bench", ["qemu"], indirect=True)
async def test_metadata_can_be_written_while_it_runs(bench: Bench) -> None:
    await bench.start()
    metadata = replace(metadata_of(bench.spec), epoch=9)
    await bench.hypervisor.set_metadata(bench.name, render_metadata(metadata))
    found = await bench.look()
    assert view(found.live_xml or "").metadata == metadata
    assert view(found.inactive_xml).metadata == metadata


async def test_figures_are_given_for_running_guests(bench: Bench) -> None:
    await bench.start()
    figures = {stats.domain_name: stats.values for stats in await bench.hypervisor.stats()}
    assert figures[bench.name]["cpu.time"] > 0


async def test_a_libvirtd_that_is_killed_loses_no_guest_and_is_found_again(libvirt_host: LibvirtHost) -> None:
    resets: list[None] = []
    client = LibvirtClient(
        libvirt_host.uri, on_event=lambda event: None, on_reset=lambda: resets.append(None)
    )
    running = asyncio.create_task(client.run())
    await connected(client)
    await client.wait_for_answer()
    spec = fresh(samples(libvirt_host.layout.root)["diskless"], libvirt_host.layout.root)
    VmDirectories(libvirt_host.layout, libvirt_host.qemu.sockets).prepare(spec.identity.vm_uid)
    await client.define(render_domain(spec))
    await client.create_paused(spec.domain_name)
    pids = libvirt_host.qemu_pids(spec.domain_name)
    await asyncio.to_thread(libvirt_host.restart_libvirtd)
    await eventually_async("the second reset", lambda: len(resets) == 2)
    await client.wait_for_answer()
    found = await client.domain(spec.domain_name)
    assert found is not None
    assert found.active
    assert libvirt_host.qemu_pids(spec.domain_name) == pids
    await client.destroy(spec.domain_name, graceful=False)
    await client.undefine(spec.domain_name)
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running
