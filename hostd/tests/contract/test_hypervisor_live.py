"""The contract of `Hypervisor` for what changes a running domain, on the fake and on real QEMU.

No system boots: firmware never hears that it is to let a device go, so that ends with asking on QEMU.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from xml.etree import ElementTree

import libvirt
import pytest

from quantix_api.errors import PermanentError, QuantixError
from quantix_hostd.clients import command
from quantix_hostd.clients.hypervisor import Hypervisor
from quantix_hostd.clients.libvirt import LibvirtClient
from quantix_hostd.domainxml.render import render_copy, render_device, render_domain
from quantix_hostd.domainxml.spec import Bus, Cdrom, Cpu, Disk, DomainSpec, DomainUuid
from quantix_hostd.domainxml.view import DomainView, differences, view
from quantix_hostd.migration.sent_domain import Awaited, why_not
from quantix_hostd.migration.target_xml import target_xml
from quantix_hostd.virtualmachine.directories import VmDirectories
from quantix_lab.domain_samples import samples
from quantix_lab.fake_hypervisor import FakeHypervisor
from quantix_lab.libvirt_host import LibvirtHost
from quantix_lab.vm_world import CLUSTER
from quantix_lab.waiting import eventually_async

_MIB = 1024**2
TARGET = "vda"
UID = "7a1e8a52-3c7d-4f0e-9b1a-2d5c8e7f9a77"


@dataclass
class Bench:
    """One running domain: 2 of 4 cores, 128 of 512 MiB, a disk, an empty drive."""

    hypervisor: Hypervisor
    spec: DomainSpec
    files: Path

    async def disk(self, name: str, port: int, bus: Bus = Bus.VIRTIO) -> Disk:
        """A new disk for the domain."""
        path = self.files / f"{name}.qcow2"
        await command.run("qemu-img", "create", "-q", "-f", "qcow2", str(path), "16M")
        path.chmod(0o666)
        return Disk(name, port, str(path), name.upper(), bus=bus)

    async def plug(self, disk: Disk) -> None:
        spec = replace(self.spec, disks=(*self.spec.disks, disk))
        await self.hypervisor.attach_device(spec.domain_name, render_device(spec, disk.name))

    async def live(self) -> DomainView:
        found = await self.hypervisor.domain(self.spec.domain_name)
        assert found is not None
        assert found.live_xml is not None
        return view(found.live_xml)

    async def expect(self, **changed: object) -> None:
        """The live domain is what would be rendered with these changes, but for spare slots; and another
        host takes it.
        """
        rendered = view(render_domain(replace(self.spec, **changed)))  # type: ignore[arg-type]
        found = differences(rendered, await self.live())
        assert [it for it in found if not it.path.startswith("devices.controller-pci-")] == []
        sent = target_xml(await self.hypervisor.migratable_xml(self.spec.domain_name), 4, ())
        guest = Awaited(UID, CLUSTER, (self.files.parent,), "qx-int")
        assert why_not(guest, ElementTree.fromstring(sent)) == ""


@pytest.fixture(params=["fake", "qemu"])
async def bench(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Bench]:
    async with contextlib.AsyncExitStack() as stack:
        if request.param == "fake":
            hypervisor: Hypervisor = FakeHypervisor()
            root = files = tmp_path
        else:
            host: LibvirtHost = request.getfixturevalue("libvirt_host")
            client = LibvirtClient(host.uri, on_event=lambda event: None)
            await client.connect()
            stack.push_async_callback(client.close)
            hypervisor, root, files = client, host.layout.root, host.layout.root / "live"
            files.mkdir(mode=0o755)
            stack.callback(shutil.rmtree, files)
            VmDirectories(host.layout, host.qemu.sockets).prepare(UID)
        bench = Bench(hypervisor, _spec(root), files)
        bench.spec = replace(bench.spec, disks=(await bench.disk("root", 1),))
        await hypervisor.define(render_domain(bench.spec))
        await hypervisor.create_paused(bench.spec.domain_name)
        yield bench
        await hypervisor.destroy(bench.spec.domain_name, graceful=False)
        await hypervisor.undefine(bench.spec.domain_name)


def _spec(root: Path) -> DomainSpec:
    minimal = samples(root)["minimal"]
    return replace(
        minimal,
        identity=replace(minimal.identity, uuid=DomainUuid(UID), vm_uid=UID),
        run_dir=str(root / "run/quantix/vm" / UID),
        console_log=str(root / "var/log/quantix/vm" / UID / "console.log"),
        cpu=Cpu("qemu64", cores=2, max_cores=4),
        cpu_controller=True,
        max_memory_bytes=512 * _MIB,
        cdroms=(Cdrom("install", 0, None),),
    )


async def test_a_plugged_disk_is_as_one_that_was_there_from_the_start(bench: Bench) -> None:
    disk = replace(await bench.disk("data", 2), iops=100)
    await bench.plug(disk)
    await bench.expect(disks=(*bench.spec.disks, disk))


async def test_a_device_is_not_plugged_twice(bench: Bench) -> None:
    disk = await bench.disk("data", 2)
    await bench.plug(disk)
    with pytest.raises(QuantixError):
        await bench.plug(disk)
    await bench.expect(disks=(*bench.spec.disks, disk))


async def test_asking_again_or_for_what_is_not_there_is_no_error(bench: Bench) -> None:
    if isinstance(bench.hypervisor, FakeHypervisor):
        bench.hypervisor.guest_lets_go = False
    await bench.plug(await bench.disk("data", 2))
    for alias in ("ua-data", "ua-data", "ua-nothing"):
        await bench.hypervisor.detach_device(bench.spec.domain_name, alias)
    assert "ua-data" in (await bench.live()).devices


async def test_the_definition_stays_as_it_was(bench: Bench) -> None:
    await bench.plug(await bench.disk("data", 2))
    await bench.hypervisor.set_cores(bench.spec.domain_name, 3)
    found = await bench.hypervisor.domain(bench.spec.domain_name)
    assert found is not None
    assert differences(view(render_domain(bench.spec)), view(found.inactive_xml)) == ()


async def test_a_slot_that_the_machine_does_not_have_is_refused(bench: Bench) -> None:
    if isinstance(bench.hypervisor, FakeHypervisor):
        bench.hypervisor.refusal = PermanentError("ConfigRefused", "Invalid PCI address")
    with pytest.raises(PermanentError) as refused:
        await bench.plug(await bench.disk("far", 100))
    assert refused.value.reason == "ConfigRefused"


async def test_cores_are_added(bench: Bench) -> None:
    await bench.hypervisor.set_cores(bench.spec.domain_name, 4)
    await bench.hypervisor.set_cpu_tune(bench.spec.domain_name, 400, -1)
    await bench.expect(cpu=replace(bench.spec.cpu, cores=4))


async def test_cpu_time_is_weighed_and_limited_and_not_limited_again(bench: Bench) -> None:
    await bench.hypervisor.set_cpu_tune(bench.spec.domain_name, 600, 150_000)
    await bench.expect(cpu=replace(bench.spec.cpu, weight=300, limit_millis=1500))
    await bench.hypervisor.set_cpu_tune(bench.spec.domain_name, 200, -1)
    await bench.expect()


async def test_disks_are_limited_and_not_limited_again(bench: Bench) -> None:
    root = bench.spec.disks[0]
    await bench.hypervisor.set_disk_limits(bench.spec.domain_name, "vda", 100, 0)
    await bench.expect(disks=(replace(root, iops=100),))
    await bench.hypervisor.set_disk_limits(bench.spec.domain_name, "vda", 0, _MIB)
    await bench.expect(disks=(replace(root, bytes_per_second=_MIB),))
    # the most that libvirt takes
    await bench.hypervisor.set_disk_limits(bench.spec.domain_name, "vda", 10**15, 10**15)
    await bench.expect(disks=(replace(root, iops=10**15, bytes_per_second=10**15),))
    await bench.hypervisor.set_disk_limits(bench.spec.domain_name, "vda", 0, 0)
    await bench.expect()


async def test_a_medium_goes_in_and_out(bench: Bench) -> None:
    iso = bench.files / "tools.iso"
    iso.write_bytes(bytes(65536))
    iso.chmod(0o644)
    for path in (str(iso), None):
        await bench.hypervisor.change_medium(bench.spec.domain_name, "ua-install", path)
        await bench.expect(cdroms=(Cdrom("install", 0, path),))


async def test_memory_is_asked_for_and_counted_as_wanted(bench: Bench) -> None:
    await bench.hypervisor.set_memory(bench.spec.domain_name, 256 * _MIB)
    live = await bench.live()
    assert (live.memory.base, live.memory.room) == (128 * _MIB, 384 * _MIB)
    assert live.memory.requested == 256 * _MIB
    assert live.fields["memory_bytes"] == str(384 * _MIB)
    await bench.hypervisor.set_memory(bench.spec.domain_name, 0)
    await bench.expect()


async def new_copy(bench: Bench) -> Path:
    """A file as large as the root disk."""
    return Path((await bench.disk("copy", 9)).path)


async def device(bench: Bench) -> dict[str, str]:
    return dict((await bench.live()).devices["ua-root"])


async def begin(bench: Bench) -> Path:
    path = await new_copy(bench)
    await bench.hypervisor.copy_disk(bench.spec.domain_name, TARGET, render_copy(str(path)), 64 << 20)
    assert (await device(bench))["copy"] == str(path)
    return path


async def until_whole(bench: Bench) -> None:
    async def whole() -> bool:
        return (await device(bench)).get("copy_ready") == "yes"

    await eventually_async("the copy is whole", whole, timeout_s=10, interval_s=0.1)


async def test_a_domain_goes_on_with_the_copy_of_its_disk(bench: Bench) -> None:
    before = bench.spec.disks[0].path
    await command.run("qemu-img", "info", "-U", "-f", "qcow2", before)
    path = await begin(bench)
    await until_whole(bench)
    progress = await bench.hypervisor.copy_progress(bench.spec.domain_name, TARGET)
    assert progress is not None
    assert progress.done_bytes == progress.total_bytes
    await bench.hypervisor.switch_to_copy(bench.spec.domain_name, TARGET)
    found = await device(bench)
    assert found["path"] == str(path)
    assert "copy" not in found
    assert await bench.hypervisor.copy_progress(bench.spec.domain_name, TARGET) is None
    compared = await command.run("qemu-img", "compare", "-U", "-f", "qcow2", "-F", "qcow2", before, str(path))
    assert "identical" in compared.stdout


@pytest.mark.parametrize("bench", ["qemu"], indirect=True)
async def test_a_copy_is_made_as_fast_as_was_said(bench: Bench, libvirt_host: LibvirtHost) -> None:
    await begin(bench)
    with contextlib.closing(libvirt.open(libvirt_host.uri)) as connection:
        domain = connection.lookupByName(bench.spec.domain_name)
        job = domain.blockJobInfo(TARGET, libvirt.VIR_DOMAIN_BLOCK_JOB_INFO_BANDWIDTH_BYTES)
    assert job["bandwidth"] == 64 << 20


async def test_a_copy_that_is_dropped_leaves_the_disk_as_it_was(bench: Bench) -> None:
    await begin(bench)
    await bench.hypervisor.drop_copy(bench.spec.domain_name, TARGET)
    found = await device(bench)
    assert (found["path"], found.get("copy")) == (bench.spec.disks[0].path, None)
    await bench.hypervisor.drop_copy(bench.spec.domain_name, TARGET)


async def test_a_disk_is_copied_once_at_a_time(bench: Bench) -> None:
    await begin(bench)
    again = render_copy((await bench.disk("second", 10)).path)
    with pytest.raises(QuantixError):
        await bench.hypervisor.copy_disk(bench.spec.domain_name, TARGET, again, 1 << 20)


async def test_there_is_nothing_to_switch_to_without_a_copy(bench: Bench) -> None:
    with pytest.raises(QuantixError):
        await bench.hypervisor.switch_to_copy(bench.spec.domain_name, TARGET)
    assert await bench.hypervisor.copy_progress(bench.spec.domain_name, TARGET) is None
