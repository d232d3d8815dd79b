"""PCI functions and mediated devices of this machine, from sysfs below `root` (a test makes its own).

Used by the book of devices. Sources: the kernel's Documentation/ABI/testing/sysfs-bus-pci and
Documentation/driver-api/vfio-mediated-device.rst.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from quantix_api.errors import TransientError
from quantix_api.messages import as_error
from quantix_hostd.facts.devices import DevicesFound, MediatedDevice, PciFunction, Seat


class HostDevices:
    """All calls block for some milliseconds."""

    def __init__(self, root: Path = Path("/")) -> None:
        self._pci = root / "sys/bus/pci/devices"
        self._mediated = root / "sys/bus/mdev/devices"

    def read(self) -> DevicesFound:
        """What is there now; what the kernel does not tell is left out."""
        functions = sorted(self._pci.iterdir()) if self._pci.is_dir() else []
        return DevicesFound(tuple(map(_function, functions)), tuple(self._read_mediated()))

    def read_mediated(self) -> DevicesFound:
        """The mediated devices alone: all that counts for a host that offers nothing, and soon read."""
        return DevicesFound(mediated=tuple(self._read_mediated()))

    def make(self, seat: Seat) -> None:
        """Make the mediated device of the seat, unless it is there.

        Raises TransientError (DeviceUnavailable).
        """
        if (self._mediated / seat.source).exists():
            return
        try:
            (self._pci / seat.parent / "mdev_supported_types" / seat.type / "create").write_text(seat.source)
        except OSError as error:
            said = error.strerror or str(error)
            about = {"address": seat.parent, "type": seat.type, "said": said}
            raise as_error(TransientError, "DeviceUnavailable", **about) from error

    def remove(self, source: str) -> None:
        """Remove the mediated device with this UUID. Raises OSError, also while somebody has it open."""
        (self._mediated / source / "remove").write_text("1")

    def _read_mediated(self) -> Iterator[MediatedDevice]:
        for entry in sorted(self._mediated.iterdir()) if self._mediated.is_dir() else ():
            yield MediatedDevice(entry.name, entry.resolve().parent.name, _linked(entry / "mdev_type"))


def _function(directory: Path) -> PciFunction:
    node = _text(directory / "numa_node")
    return PciFunction(
        address=directory.name,
        id=f"{_hexadecimal(directory / 'vendor')}:{_hexadecimal(directory / 'device')}",
        class_code=int(_hexadecimal(directory / "class") or "0", 16),
        driver=_linked(directory / "driver"),
        group=_linked(directory / "iommu_group"),
        numa_node=int(node) if node.isdigit() else None,
        interfaces=tuple(sorted(_interfaces_up(directory / "net"))),
        mediated=dict(_types(directory / "mdev_supported_types")),
    )


def _interfaces_up(directory: Path) -> Iterator[str]:
    for interface in directory.iterdir() if directory.is_dir() else ():
        if _text(interface / "operstate") == "up":
            yield interface.name


def _types(directory: Path) -> Iterator[tuple[str, int]]:
    for entry in sorted(directory.iterdir()) if directory.is_dir() else ():
        count = _text(entry / "available_instances")
        yield entry.name, int(count) if count.isdigit() else 0


def _linked(link: Path) -> str:
    """The last part of where a link leads; "" where there is none."""
    try:
        return link.readlink().name
    except OSError:
        return ""


def _hexadecimal(path: Path) -> str:
    return _text(path).removeprefix("0x")


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
