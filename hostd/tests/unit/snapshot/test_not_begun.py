"""A snapshot that was about to be taken, and has to wait: nothing is stored, and its host says so."""

from __future__ import annotations

from xml.etree import ElementTree

from quantix_hostd.domainxml.encrypted import encrypted_disks
from quantix_lab.fake_hypervisor import FakeHypervisor
from quantix_lab.snapshot_files import left_of_snapshots
from quantix_lab.snapshots_part import SnapshotsPart
from quantix_lab.vm_world import VmHandle

from .test_taking import reason


async def test_what_was_said_to_be_stored_and_is_not_is_taken_back(
    running: VmHandle, part: SnapshotsPart
) -> None:
    key = part.add("first", running)
    assert (await part.look(key))["data"] == "Present"
    running.change("status", "migration", value={"uid": "m", "sourceHost": "h1", "targetHost": "h2"})
    status = await part.look(key)
    assert (status["data"], status["phase"], reason(status)) == ("Absent", "Pending", "MigrationRunning")
    assert left_of_snapshots(part) == []
    assert await part.look(key) == status, "said once"
    del part.world.api.objects[running.uid]["status"]["migration"]
    assert (await part.until(key, "Ready"))["data"] == "Present"


def test_encrypted_disks_are_found_by_what_qemu_has_open() -> None:
    encryption = "<source file='d'><encryption format='luks'/></source>"
    disks = (
        f"<disk>{encryption}<target dev='vda'/><alias name='ua-safe'/></disk>"
        "<disk><source file='r'/><target dev='vdb'/><alias name='ua-root'/></disk>"
        f"<disk>{encryption}<target dev='vdc'/></disk>"
    )
    assert encrypted_disks(f"<domain><devices>{disks}</devices></domain>") == ("safe", "vdc")


async def test_memory_is_not_kept_while_qemu_has_an_encrypted_disk_open(
    running: VmHandle, part: SnapshotsPart, hypervisor: FakeHypervisor
) -> None:
    """Also one that was plugged in after the operator had looked."""
    (domain,) = hypervisor.found.values()
    xml = ElementTree.fromstring(domain.live_xml or "")
    for source in xml.iterfind("devices/disk[@device='disk']/source"):
        ElementTree.SubElement(source, "encryption", format="luks")
    domain.live_xml = ElementTree.tostring(xml, encoding="unicode")
    key = part.add("first", running, memory=True)
    status = await part.look(key)
    assert (status["data"], status["phase"], reason(status)) == ("Absent", "Pending", "ConfigRefused")
    assert left_of_snapshots(part) == []
    assert (await part.until(part.add("second", running), "Ready"))["data"] == "Present"
