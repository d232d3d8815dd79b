"""hostd's VM part on the real libvirt and QEMU of a `LibvirtHost`, for contract tests of guests."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator
from typing import Any

from quantix_hostd.clients.libvirt import LibvirtClient
from quantix_hostd.clients.process import ProcessTable
from quantix_hostd.facts.domain import DomainEvent
from quantix_lab.libvirt_host import LibvirtHost
from quantix_lab.vm_world import VmWorld
from quantix_lab.waiting import eventually_async


@contextlib.asynccontextmanager
async def libvirt_world(host: LibvirtHost, **parts: Any) -> AsyncIterator[tuple[VmWorld, LibvirtClient]]:
    """A world whose guests are real, and the client that it reaches them by; they are gone afterwards.
    `parts` are further ones of the world.
    """
    world: VmWorld | None = None

    def on_event(event: DomainEvent) -> None:
        if world is not None:
            world.reconciler.on_libvirt_event(event)

    client = LibvirtClient(host.uri, on_event=on_event)
    running = asyncio.create_task(client.run())
    try:
        await eventually_async("the connection", lambda: client.connected)
        owner = host.qemu.sockets
        # snapshots that an earlier test left: a world that takes up what is left would wait for their pools
        shutil.rmtree(host.layout.data / "snapshots", ignore_errors=True)
        world = VmWorld(host.layout, client, ProcessTable(), owner, agents=client.agents, **parts)
        yield world, client
        for domain in await client.domains():
            await client.destroy(domain.name, graceful=False)
            await client.undefine(domain.name)
        await world.consoles.close()
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running
