"""A start from memory opens no disk but those that the VM has now."""

from __future__ import annotations

from xml.etree import ElementTree

import libvirt
import pytest

from quantix_api.errors import PermanentError
from quantix_hostd.clients import libvirt_memory
from quantix_hostd.clients.libvirt_memory import restore_paused

GIB = 1024**2


def domain(
    *disks: str, cores: int = 2, memory: int = 2 * GIB, room: int = 0, pool: str = "/p", serial: str = ""
) -> str:
    """A domain with these disks, as libvirt writes it; sizes in KiB."""
    shown = "".join(
        f'<disk type="file" device="disk"><source file="{pool}/{disk}/data"/><target dev="{disk}"/>'
        f'<serial>{serial or disk}</serial><alias name="ua-{disk}"/></disk>'
        for disk in disks
    )
    cells = f'<cpu><numa><cell id="0" memory="{memory}" unit="KiB"/></numa></cpu>' if room else ""
    device = (
        f'<memory model="virtio-mem"><target><size unit="KiB">{room}</size></target>'
        '<alias name="ua-qx_memory"/></memory>'
        if room
        else ""
    )
    return (
        f'<domain type="kvm"><memory unit="KiB">{memory + room}</memory><vcpu>{cores}</vcpu>{cells}'
        f'<devices>{shown}{device}<interface><mac address="02:00:00:00:00:01"/><alias name="ua-nic"/>'
        '</interface><controller type="pci"/></devices></domain>'
    )


class Connection:
    """A libvirt with the file of a guest's memory. `started`: the domains that it was given."""

    def __init__(self, saved: str) -> None:
        self.saved = saved
        self.started: list[str] = []

    def saveImageGetXMLDesc(self, path: str, flags: int) -> str:
        return self.saved

    def restoreFlags(self, path: str, xml: str, flags: int) -> None:
        self.started.append(xml)

    def close(self) -> None: ...


def started(monkeypatch: pytest.MonkeyPatch, was: str, now: str) -> list[str]:
    """The domains that libvirt starts from memory of one that was so."""
    connection = Connection(was)
    monkeypatch.setattr(libvirt, "open", lambda uri: connection)
    monkeypatch.setattr(libvirt_memory, "close_quietly", lambda connection: None)
    restore_paused("test:///", "qx-1", "/memory", now)
    return connection.started


def sources(xml: str) -> list[str]:
    return [source.get("file", "") for source in ElementTree.fromstring(xml).iterfind("devices/disk/source")]


def test_it_goes_on_with_the_disks_where_they_lie_now(monkeypatch: pytest.MonkeyPatch) -> None:
    (xml,) = started(monkeypatch, domain("root", "data"), domain("root", "data", pool="/q"))
    assert sources(xml) == ["/q/root/data", "/q/data/data"]


def test_memory_that_the_guest_was_given_while_it_ran_makes_no_other_machine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    was = domain("root", memory=2 * GIB, room=2 * GIB)
    for now in (domain("root", memory=3 * GIB, room=GIB), domain("root", memory=4 * GIB)):
        assert len(started(monkeypatch, was, now)) == 1


@pytest.mark.parametrize(
    ("now", "unlike"),
    [
        (domain("root"), "data"),
        (domain("root", "data", "logs"), "logs"),
        (domain("root", "data", serial="another"), "data, root"),
        (domain("root", "data", cores=4), "cpu"),
        (domain("root", "data", memory=GIB), "memory"),
        (domain("root", "data").replace("ua-nic", "ua-other"), "nic, other"),
    ],
)
def test_where_the_vm_has_other_devices_now_it_is_not_started_from_memory(
    monkeypatch: pytest.MonkeyPatch, now: str, unlike: str
) -> None:
    with pytest.raises(PermanentError, match=f": {unlike} differ") as refused:
        started(monkeypatch, domain("root", "data"), now)
    assert refused.value.reason == "MemoryUnusable"
