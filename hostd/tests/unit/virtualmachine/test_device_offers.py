"""Which devices a host can give away, and why it cannot give others: from sysfs to what its Host says."""

from __future__ import annotations

from pathlib import Path

import pytest

from quantix_api.errors import TransientError
from quantix_api.host_spec import DeviceOffer
from quantix_hostd.clients.host_devices import HostDevices
from quantix_hostd.facts.devices import OfferedDevice
from quantix_hostd.virtualmachine.device_offers import offered
from quantix_lab.fake_sysfs import FakeSysfs

GPU, CARD = "0000:3b:00.0", "10de:2236"
NIC, DISK = "0000:5e:00.0", "0000:01:00.0"


@pytest.fixture
def sysfs(tmp_path: Path) -> FakeSysfs:
    return FakeSysfs(tmp_path)


def look(root: Path, match: str = CARD, mdev_type: str | None = None) -> tuple[OfferedDevice, ...]:
    offer = DeviceOffer.model_validate({"class": "gpu", "match": match, "mdevType": mdev_type})
    return offered([offer], HostDevices(root).read())


def sources(devices: tuple[OfferedDevice, ...]) -> list[str]:
    return [seat.source for device in devices for seat in device.seats]


@pytest.mark.parametrize("match", [CARD, GPU])
def test_a_device_is_found_by_what_it_is_and_by_where_it_is(
    tmp_path: Path, sysfs: FakeSysfs, match: str
) -> None:
    sysfs.add_function(GPU, CARD, driver="nouveau", group="14")
    sysfs.add_function("0000:00:01.0", "8086:1234", class_code="0x060400", group="14", driver="pcieport")
    found = look(tmp_path, match)
    assert (sources(found), found[0].id, found[0].message) == ([GPU], CARD, "")


def test_a_host_without_an_iommu_gives_none_away(tmp_path: Path, sysfs: FakeSysfs) -> None:
    sysfs.add_function(GPU, CARD)
    found = look(tmp_path)
    assert sources(found) == []
    assert found[0].message.startswith(f"The IOMMU is off: {GPU} has no group. Try: turn VT-d or AMD-Vi on")


def test_a_device_that_is_not_there_is_told(tmp_path: Path, sysfs: FakeSysfs) -> None:
    assert [(device.address, device.message) for device in look(tmp_path)] == [
        (CARD, f"Nothing here is {CARD}. Try: put the device in, or correct match in spec.devices.")
    ]


def test_what_the_host_uses_itself_is_not_given_away(tmp_path: Path, sysfs: FakeSysfs) -> None:
    sysfs.add_function(NIC, "8086:1521", class_code="0x020000", driver="igb", group="1")
    sysfs.add_interface(NIC, "eth0", "down")
    assert sources(look(tmp_path, NIC)) == [NIC]
    sysfs.add_interface(NIC, "eth1", "up")
    found = look(tmp_path, NIC)
    assert sources(found) == []
    assert found[0].message.startswith(f"The host itself uses {NIC}: interface eth1 is up.")
    sysfs.add_function(DISK, "144d:a808", class_code="0x010802", driver="nvme", group="2")
    assert "driver nvme has its disks" in look(tmp_path, DISK)[0].message


def test_a_group_in_which_the_host_uses_another_device_is_not_given_away(
    tmp_path: Path, sysfs: FakeSysfs
) -> None:
    sysfs.add_function(GPU, CARD, driver="vfio-pci", group="14")
    sysfs.add_function("0000:3b:00.1", "10de:1aef", class_code="0x040300", driver="snd_hda_intel", group="14")
    found = look(tmp_path)
    assert sources(found) == []
    assert found[0].message == (
        f"{GPU} shares its IOMMU group with 0000:3b:00.1, which the host uses by driver snd_hda_intel. "
        "Try: bind 0000:3b:00.1 to the driver vfio-pci."
    )


def test_a_bridge_is_nobodys(tmp_path: Path, sysfs: FakeSysfs) -> None:
    sysfs.add_function("0000:00:01.0", "8086:1234", class_code="0x060400", group="14")
    assert sources(look(tmp_path, "8086:1234")) == []


def test_a_device_belongs_to_the_first_class_that_names_it(tmp_path: Path, sysfs: FakeSysfs) -> None:
    sysfs.add_function(GPU, CARD, group="14")
    offers = [DeviceOffer.model_validate({"class": name, "match": CARD}) for name in ("a", "b")]
    assert [device.class_ for device in offered(offers, HostDevices(tmp_path).read())] == ["a"]


def test_mediated_devices_that_are_there_come_before_those_that_can_be_made(
    tmp_path: Path, sysfs: FakeSysfs
) -> None:
    sysfs.add_function(GPU, CARD, driver="nvidia")
    sysfs.add_type(GPU, "nvidia-710", 3)
    first = look(tmp_path, mdev_type="nvidia-710")
    assert (first[0].address, len(set(sources(first)))) == (f"{GPU}/nvidia-710", 3)
    HostDevices(tmp_path).make(first[0].seats[2])
    assert sysfs.obey(GPU, "nvidia-710") == sources(first)[2]
    again = sources(look(tmp_path, mdev_type="nvidia-710"))
    assert again[0] == sources(first)[2]
    assert set(again) == set(sources(first))


def test_a_device_that_is_there_is_not_made_again(tmp_path: Path, sysfs: FakeSysfs) -> None:
    sysfs.add_function(GPU, CARD)
    sysfs.add_type(GPU, "nvidia-710", 1)
    seat = look(tmp_path, mdev_type="nvidia-710")[0].seats[0]
    HostDevices(tmp_path).make(seat)
    sysfs.obey(GPU, "nvidia-710")
    create = sysfs.pci / GPU / "mdev_supported_types/nvidia-710/create"
    create.write_text("")
    HostDevices(tmp_path).make(seat)
    assert create.read_text() == ""


def test_a_device_that_the_kernel_does_not_make_is_told(tmp_path: Path, sysfs: FakeSysfs) -> None:
    sysfs.add_function(GPU, CARD)
    sysfs.add_type(GPU, "nvidia-710", 1)
    seat = look(tmp_path, mdev_type="nvidia-710")[0].seats[0]
    create = sysfs.pci / GPU / "mdev_supported_types/nvidia-710/create"
    create.unlink()
    create.mkdir()
    with pytest.raises(TransientError, match=f"{GPU} made no mediated device of type nvidia-710. Said: Is a"):
        HostDevices(tmp_path).make(seat)


def test_a_type_that_the_device_does_not_make_is_told(tmp_path: Path, sysfs: FakeSysfs) -> None:
    sysfs.add_function(GPU, CARD, group="14")
    assert "makes no mediated devices of type nvidia-710" in look(tmp_path, mdev_type="nvidia-710")[0].message
