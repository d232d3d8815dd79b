"""Which domains another host may have made here, and what they become on the way."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from quantix_api.errors import InvariantError
from quantix_hostd.domainxml.view import differences, view
from quantix_hostd.migration.sent_domain import why_not
from quantix_hostd.migration.target_xml import target_xml
from quantix_lab.domain_samples import UID

GOLDEN = Path(__file__).parents[1] / "domainxml" / "golden"
ROOMS = (Path("/q"), Path("/srv"), Path("/pool"))
MINIMAL = (GOLDEN / "minimal.xml").read_text()
MOVABLE = sorted(path.stem for path in GOLDEN.glob("*.xml") if path.stem not in ("host-devices",))
DISK = '<source file="/q/data">'


def refusal(xml: str) -> str:
    return why_not(UID, ROOMS, ElementTree.fromstring(xml))


@pytest.mark.parametrize("name", MOVABLE)
def test_what_quantix_makes_may_come(name: str) -> None:
    assert refusal((GOLDEN / f"{name}.xml").read_text()) == ""


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        (DISK, '<source file="/etc/shadow">'),
        (DISK, '<source file="/q/../etc/shadow">'),
        (DISK, '<source dev="/dev/sda">'),
        (f'uid="{UID}"', 'uid="other"'),
        ("<devices>", '<devices><filesystem type="mount"><source dir="/"/><target dir="x"/></filesystem>'),
        ("<devices>", '<devices><hostdev mode="subsystem" type="pci"/>'),
        ("<devices>", '<devices><hostdev mode="subsystem" type="pci"><alias name="ua-x"/></hostdev>'),
        ("<devices>", '<devices><serial type="dev"><source path="/dev/ttyS0"/></serial>'),
        ("/usr/bin/qemu-system-x86_64", "/tmp/program"),
        ("</devices>", '</devices><commandline xmlns="http://libvirt.org/schemas/domain/qemu/1.0"/>'),
        ('<type arch="x86_64"', '<kernel>/boot/vmlinuz</kernel><type arch="x86_64"'),
    ],
)
def test_anything_else_may_not(was: str, becomes: str) -> None:
    assert was in MINIMAL
    assert refusal(MINIMAL.replace(was, becomes)).startswith("a domain with")


def test_what_is_sent_is_the_same_guest_under_the_next_epoch() -> None:
    sent = target_xml(MINIMAL, 4, ())
    assert differences(view(sent), view(MINIMAL)) == ()
    assert (metadata := view(sent).metadata) is not None
    assert metadata.epoch == 4
    assert refusal(sent) == ""


def test_a_local_disk_is_sent_without_what_it_is_based_on() -> None:
    based = (GOLDEN / "on-an-image.xml").read_text()
    assert len(ElementTree.fromstring(based).findall(".//backingStore")) > 1
    sent = ElementTree.fromstring(target_xml(based, 4, ("vda",)))
    below = [disk.findall("backingStore") for disk in sent.findall("devices/disk") if _dev(disk) == "vda"]
    assert [[len(store) for store in stores] for stores in below] == [[0]]


def test_a_domain_that_is_not_ours_is_not_sent() -> None:
    with pytest.raises(InvariantError):
        target_xml("<domain><name>other</name></domain>", 2, ())


def _dev(disk: ElementTree.Element) -> str:
    target = disk.find("target")
    return "" if target is None else target.get("dev", "")
