"""A guest whose QEMU answers nothing: its figures cannot be had, nothing is done to it, and that is all."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from quantix_api.errors import TransientError
from quantix_hostd.clients.libvirt import LibvirtClient
from quantix_hostd.domainxml.render import render_domain
from quantix_hostd.virtualmachine.directories import VmDirectories
from quantix_lab.domain_samples import fresh, samples
from quantix_lab.libvirt_host import LibvirtHost


@dataclass(frozen=True)
class Hanging:
    """A domain whose QEMU is stopped, and two clients, of which one is `impatient`."""

    name: str
    client: LibvirtClient
    impatient: LibvirtClient


@pytest.fixture
async def hanging(libvirt_host: LibvirtHost) -> AsyncIterator[Hanging]:
    root = libvirt_host.layout.root
    spec = fresh(samples(root)["diskless"], root)
    VmDirectories(libvirt_host.layout, libvirt_host.qemu.sockets).prepare(spec.identity.vm_uid)
    client = LibvirtClient(libvirt_host.uri, on_event=lambda event: None)
    impatient = LibvirtClient(libvirt_host.uri, on_event=lambda event: None, deadline_s=1.0)
    await client.connect()
    await impatient.connect()
    await client.define(render_domain(spec))
    await client.create_paused(spec.domain_name)
    (pid,) = libvirt_host.qemu_pids(spec.domain_name)
    os.kill(pid, signal.SIGSTOP)
    yield Hanging(spec.domain_name, client, impatient)
    if libvirt_host.qemu_pids(spec.domain_name):
        os.kill(pid, signal.SIGCONT)
    await client.destroy(spec.domain_name, graceful=False)
    await client.undefine(spec.domain_name)
    await impatient.close()
    await client.close()


async def test_figures_that_do_not_come_leave_the_connection_to_everything_else(hanging: Hanging) -> None:
    with pytest.raises(TransientError, match="no answer"):
        await hanging.impatient.stats()
    assert hanging.impatient.connected
    # the guest is busy with that question, so the next one is answered with what is known without it
    for client in (hanging.client, hanging.impatient):
        (told,) = [stats for stats in await client.stats() if stats.domain_name == hanging.name]
        assert "state.state" in told.values
        assert "balloon.rss" not in told.values


async def test_others_are_looked_at_as_fast_as_ever_while_it_keeps_a_call(hanging: Hanging) -> None:
    with pytest.raises(TransientError, match="not about this guest"):
        await hanging.impatient.resume(hanging.name)
    for _ in range(12):
        # each would wait for the next sign of life of the connection, where they share it
        assert await hanging.impatient.domain(hanging.name) is not None
        await hanging.impatient.wait_for_answer()
    assert hanging.impatient.connected


async def test_what_cannot_be_done_to_it_is_told_of_it_alone_and_it_can_be_ended(hanging: Hanging) -> None:
    with pytest.raises(TransientError, match="not about this guest") as told:
        await hanging.impatient.resume(hanging.name)
    assert told.value.reason == "QEMUHangs"
    assert hanging.impatient.connected
    found = await hanging.impatient.domain(hanging.name)
    assert found is not None
    assert found.active
    await hanging.client.destroy(hanging.name, graceful=False)
    ended = await hanging.impatient.domain(hanging.name)
    assert ended is not None
    assert not ended.active
