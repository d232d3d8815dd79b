"""libvirt's test driver can play the hypervisor: benchmarks of many VMs run hostd on it."""

from __future__ import annotations

from pathlib import Path

from quantix_hostd.clients.libvirt import LibvirtClient
from quantix_hostd.domainxml.render import render_domain
from quantix_hostd.facts.domain import DomainState
from quantix_lab.domain_samples import samples


async def test_a_domain_starts_paused_and_runs_on_the_test_driver(tmp_path: Path) -> None:
    spec = next(iter(samples(tmp_path).values()))
    client = LibvirtClient("test:///default", on_event=lambda event: None)
    await client.connect()
    try:
        await client.define(render_domain(spec))
        await client.create_paused(spec.domain_name)
        paused = await client.domain(spec.domain_name)
        await client.resume(spec.domain_name)
        running = await client.domain(spec.domain_name)
        await client.destroy(spec.domain_name, graceful=True)
    finally:
        await client.close()
    assert paused is not None
    assert running is not None
    assert (paused.state, running.state) == (DomainState.PAUSED, DomainState.RUNNING)
