"""A guest whose QEMU answers nothing: its figures cannot be had, and that is all."""

from __future__ import annotations

import os
import signal

import pytest

from quantix_api.errors import TransientError
from quantix_hostd.clients.libvirt import LibvirtClient
from quantix_hostd.domainxml.render import render_domain
from quantix_hostd.virtualmachine.directories import VmDirectories
from quantix_lab.domain_samples import fresh, samples
from quantix_lab.libvirt_host import LibvirtHost


async def test_figures_that_do_not_come_leave_the_connection_to_everything_else(
    libvirt_host: LibvirtHost,
) -> None:
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
    try:
        with pytest.raises(TransientError, match="no answer"):
            await impatient.stats()
        assert impatient.connected
        # the guest is busy with that question, so the next one is answered with what is known without it
        (told,) = [stats for stats in await client.stats() if stats.domain_name == spec.domain_name]
        assert "state.state" in told.values
        assert "balloon.rss" not in told.values
    finally:
        os.kill(pid, signal.SIGCONT)
        await client.destroy(spec.domain_name, graceful=False)
        await client.undefine(spec.domain_name)
        await impatient.close()
        await client.close()
