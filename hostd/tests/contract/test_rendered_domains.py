"""What is rendered is what libvirt keeps, QEMU runs and another host takes: every sample on real QEMU."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from quantix_hostd.clients import command
from quantix_hostd.clients.libvirt import LibvirtClient
from quantix_hostd.domainxml.render import render_domain
from quantix_hostd.domainxml.view import differences, view
from quantix_hostd.migration.sent_domain import Awaited, why_not
from quantix_hostd.migration.target_xml import target_xml
from quantix_hostd.virtualmachine.directories import VmDirectories
from quantix_lab.domain_samples import fresh, samples
from quantix_lab.libvirt_host import LibvirtHost
from quantix_lab.vm_world import CLUSTER


@pytest.mark.parametrize("name", sorted(samples(Path("/q"))))
async def test_rendered_inactive_and_live_mean_the_same_and_may_be_sent(
    name: str, libvirt_host: LibvirtHost
) -> None:
    root = libvirt_host.layout.root
    spec = fresh(samples(root)[name], root)
    VmDirectories(libvirt_host.layout, libvirt_host.qemu.sockets).prepare(spec.identity.vm_uid)
    disks = []
    for disk in spec.disks:
        path = root / f"{spec.identity.vm_uid}-{disk.name}"
        await command.run("qemu-img", "create", "-q", "-f", "qcow2", str(path), "16M")
        path.chmod(0o666)
        disks.append(replace(disk, path=str(path)))
    medium = root / f"{spec.identity.vm_uid}.iso"
    medium.write_bytes(bytes(65536))
    cdroms = [replace(cdrom, path=cdrom.path and str(medium)) for cdrom in spec.cdroms]
    spec = replace(spec, disks=tuple(disks), cdroms=tuple(cdroms))
    client = LibvirtClient(libvirt_host.uri, on_event=lambda event: None)
    await client.connect()
    await client.define(render_domain(spec))
    try:
        await client.create_paused(spec.domain_name)
        found = await client.domain(spec.domain_name)
        assert found is not None
        rendered = view(render_domain(spec))
        assert differences(rendered, view(found.inactive_xml)) == ()
        assert differences(rendered, view(found.live_xml or "")) == ()
        assert view(found.live_xml or "").unrendered == ()
        sent = target_xml(await client.migratable_xml(spec.domain_name), 4, ())
        guest = Awaited(spec.identity.vm_uid, CLUSTER, (root,), "qx-int")
        assert why_not(guest, ElementTree.fromstring(sent)) == ""
    finally:
        await client.destroy(spec.domain_name, graceful=False)
        await client.undefine(spec.domain_name)
        await client.close()
