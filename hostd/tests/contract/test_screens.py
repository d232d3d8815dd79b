"""The screen of a guest of real QEMU: its picture, and a viewer that never reads."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from quantix_api.errors import PermanentError
from quantix_hostd.api.pictures import MOST_BYTES, as_png
from quantix_hostd.clients.libvirt import LibvirtClient
from quantix_hostd.domainxml.render import render_domain
from quantix_hostd.domainxml.spec import DomainSpec, DomainUuid
from quantix_hostd.facts.domain import DomainState
from quantix_hostd.virtualmachine.directories import VmDirectories
from quantix_lab.domain_samples import samples
from quantix_lab.libvirt_host import LibvirtHost
from quantix_lab.waiting import eventually_async

# RFC 6143: the version, security type None, a shared session; then the whole screen, again and again
_GREETING = b"RFB 003.008\n" + b"\x01" + b"\x01"
_ALL_OF_IT = b"\x03\x00" + bytes(4) + b"\xff\xff\xff\xff"
_ASKED = 2000


@pytest.fixture
async def guest(libvirt_host: LibvirtHost) -> AsyncIterator[tuple[LibvirtClient, DomainSpec]]:
    """A domain without a disk that is defined, and not started."""
    client = LibvirtClient(libvirt_host.uri, on_event=lambda _: None)
    running = asyncio.create_task(client.run())
    await eventually_async("the connection", lambda: client.connected)
    number, root = str(uuid.uuid4()), libvirt_host.layout
    sample = samples(root.root)["diskless"]
    identity = replace(sample.identity, uuid=DomainUuid(number), vm_uid=number)
    log = root.vm_log(number) / "console.log"
    spec = replace(sample, identity=identity, run_dir=str(root.vm_run(number)), console_log=str(log))
    VmDirectories(root, libvirt_host.qemu.sockets).prepare(number)
    await client.define(render_domain(spec))
    yield client, spec
    await client.destroy(spec.domain_name, graceful=False)
    await client.undefine(spec.domain_name)
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running


async def test_a_guest_that_runs_has_a_picture_and_one_that_is_off_has_none(
    guest: tuple[LibvirtClient, DomainSpec],
) -> None:
    client, spec = guest
    assert await client.screenshot(spec.domain_name, MOST_BYTES) is None
    await client.create_paused(spec.domain_name)
    await client.resume(spec.domain_name)
    picture = await client.screenshot(spec.domain_name, MOST_BYTES)
    assert picture is not None
    png = as_png(picture.data)
    assert png is not None
    assert png.startswith(b"\x89PNG")
    with pytest.raises(PermanentError, match="larger than 100 B") as refused:
        await client.screenshot(spec.domain_name, 100)
    assert refused.value.reason == "ScreenTooLarge"


async def test_a_viewer_that_asks_without_end_and_never_reads_does_not_hold_the_guest_up(
    guest: tuple[LibvirtClient, DomainSpec],
) -> None:
    client, spec = guest
    await client.create_paused(spec.domain_name)
    await client.resume(spec.domain_name)
    _, viewer = await asyncio.open_unix_connection(Path(spec.vnc_socket))
    try:
        viewer.write(_GREETING + _ALL_OF_IT * _ASKED)
        async with asyncio.timeout(30):
            before = await ticks(client, spec.domain_name)
            await asyncio.sleep(0.5)
            assert await ticks(client, spec.domain_name) > before
            assert await client.screenshot(spec.domain_name, MOST_BYTES) is not None
            found = await client.domain(spec.domain_name)
        assert found is not None
        assert found.state is DomainState.RUNNING
    finally:
        viewer.close()


async def ticks(client: LibvirtClient, name: str) -> int:
    """Nanoseconds that the guest has computed."""
    [stats] = [stats for stats in await client.stats() if stats.domain_name == name]
    return stats.values["cpu.time"]
