"""The semantic view: one changed field is one difference; what libvirt adds is none."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import libvirt
import pytest

from quantix_hostd.clients.libvirt_loop import ensure_event_loop
from quantix_hostd.domainxml.ceph import CephSource
from quantix_hostd.domainxml.metadata import metadata_of, parse_metadata, render_metadata
from quantix_hostd.domainxml.render import render_copy, render_domain
from quantix_hostd.domainxml.spec import Bus, DomainSpec, DomainUuid
from quantix_hostd.domainxml.view import differences, view
from quantix_lab.domain_samples import kvm_only, layered, networked, samples

ROOT = Path("/q")
TEST_DRIVER_CANNOT = {"uefi", "windows"}
ALL = {**samples(ROOT), **networked(ROOT), **kvm_only(ROOT)}


@pytest.fixture
def test_driver() -> Iterator[Any]:
    ensure_event_loop()
    connection = libvirt.open("test:///default")
    yield connection
    connection.close()


@pytest.mark.parametrize("name", sorted(set(ALL) - TEST_DRIVER_CANNOT))
def test_libvirts_fill_ins_are_no_difference(name: str, test_driver: Any) -> None:
    number = sorted(ALL).index(name)
    uuid = DomainUuid(f"6f1e8a52-3c7d-4f0e-9b1a-0000000000{number:02}")
    spec = ALL[name]
    # domains of the test driver are shared by the process: each sample gets an identity of its own
    spec = replace(spec, kvm=False, identity=replace(spec.identity, uuid=uuid, vm_uid=str(uuid)))
    xml = render_domain(spec).replace('<domain type="qemu">', '<domain type="test">', 1)
    xml = xml.replace(' type="qemu">', ' type="test">', 1)
    domain = test_driver.defineXML(xml)
    try:
        inactive = view(domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE))
        assert differences(view(xml), inactive) == ()
        assert inactive.unrendered == ()
    finally:
        domain.undefine()


def _disk(**change: Any) -> Callable[[DomainSpec], DomainSpec]:
    return lambda spec: replace(spec, disks=(replace(spec.disks[0], **change), *spec.disks[1:]))


def _nic(**change: Any) -> Callable[[DomainSpec], DomainSpec]:
    return lambda spec: replace(spec, nics=(replace(spec.nics[0], **change), *spec.nics[1:]))


CHANGES: dict[str, Callable[[DomainSpec], DomainSpec]] = {
    "fields.memory_bytes": lambda spec: replace(spec, memory_bytes=256 * 1024**2),
    "fields.machine": lambda spec: replace(spec, machine_type="pc-q35-8.0"),
    "fields.cpu_model": lambda spec: replace(spec, cpu=replace(spec.cpu, model="Nehalem")),
    "fields.sockets": lambda spec: replace(spec, cpu=replace(spec.cpu, sockets=2)),
    "fields.shares": lambda spec: replace(spec, cpu=replace(spec.cpu, weight=50)),
    "fields.quota": lambda spec: replace(spec, cpu=replace(spec.cpu, limit_millis=500)),
    "fields.cpu_features": lambda spec: replace(spec, cpu=replace(spec.cpu, required=("aes",))),
    "devices.ua-root.cache": _disk(cache="writethrough", native_io=False),
    "devices.ua-root.path": _disk(path="/elsewhere"),
    "devices.ua-root.serial": _disk(serial="OTHER"),
    "devices.ua-root.iops": _disk(iops=5),
    "devices.ua-root.read_only": _disk(read_only=True),
    "devices.ua-eth0.mac": _nic(mac="52:54:00:00:00:99"),
    "devices.ua-eth0.mtu": _nic(mtu=1400),
    "devices.ua-eth0.link": _nic(link_up=False),
    "devices.ua-eth0.model": _nic(model="e1000e"),
    "devices.ua-eth0.address": _nic(port=5),
}
ACCOMPANIED = {
    # io=threads goes with a cache, a higher port means more controllers
    "devices.ua-root.cache": {"devices.ua-root.io"},
    "devices.ua-eth0.address": {
        f"devices.controller-pci-{index}.{field}" for index in (19, 20, 21) for field in ("address", "model")
    },
}


@pytest.mark.parametrize("path", sorted(CHANGES))
def test_one_changed_field_is_exactly_one_difference(path: str) -> None:
    before = networked(ROOT)["unplugged-e1000e"]
    before = replace(
        before, cpu_controller=True, nics=(replace(before.nics[0], model="virtio", link_up=True),)
    )
    found = differences(view(render_domain(before)), view(render_domain(CHANGES[path](before))))
    assert {difference.path for difference in found} == {path} | ACCOMPANIED.get(path, set())


def test_a_moved_disk_changes_nothing_of_its_neighbours() -> None:
    spec = samples(ROOT)["buses"]
    without = replace(spec, disks=tuple(disk for disk in spec.disks if disk.name != "logs"))
    found = differences(view(render_domain(spec)), view(render_domain(without)))
    assert {difference.path.split(".")[1] for difference in found} == {"ua-logs", "controller-scsi-0"}
    assert Bus.SCSI in {disk.bus for disk in spec.disks}


def test_a_disk_that_is_copied_is_where_it_was_and_its_copy_is_told_beside_it() -> None:
    ceph = CephSource("slow", "quantix-2/1111", (("10.1.0.1", "6789"),), "other")
    for sample in (ALL["minimal"], layered(ROOT)["in-ceph"]):
        root = ElementTree.fromstring(render_domain(sample))
        before = view(ElementTree.tostring(root, encoding="unicode")).devices["ua-root"]
        disk = root.find("devices/disk[@device='disk']")
        source = ElementTree.fromstring(render_copy("", ceph=ceph)).find("source")
        assert disk is not None
        assert source is not None
        ElementTree.SubElement(disk, "mirror", {"type": "network", "ready": "yes"}).append(source)
        seen = view(ElementTree.tostring(root, encoding="unicode")).devices["ua-root"]
        assert (seen["copy"], seen["copy_ready"]) == ("slow/1111", "yes")
        assert seen["path"] == before["path"]


def test_a_device_that_we_did_not_render_is_named() -> None:
    xml = render_domain(samples(ROOT)["minimal"])
    foreign = xml.replace("</devices>", "<hostdev><alias name='hostdev0'/></hostdev></devices>")
    assert view(foreign).unrendered == ("hostdev hostdev0",)
    assert view(foreign) == view(xml)


def test_metadata_survives_the_way_through_text() -> None:
    spec = kvm_only(ROOT)["kvm"]
    metadata = metadata_of(spec)
    assert metadata.cpu_features == "+vmx -hle"
    assert view(render_domain(spec)).metadata == metadata
    assert "https://" not in render_metadata(metadata)
    assert parse_metadata(ElementTree.fromstring("<domain/>")) is None
