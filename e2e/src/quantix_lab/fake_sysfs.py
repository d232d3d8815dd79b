"""A tree as the kernel's sysfs shows PCI functions and mediated devices, for `clients.host_devices`."""

from __future__ import annotations

from pathlib import Path


class FakeSysfs:
    """Below `root`/sys. What a kernel does when it is written to, this does not: see `obey`."""

    def __init__(self, root: Path) -> None:
        self._root = root / "sys"
        self.pci = self._root / "bus/pci/devices"
        self.mediated = self._root / "bus/mdev/devices"
        for directory in (self.pci, self.mediated):
            directory.mkdir(parents=True)

    def add_function(
        self, address: str, device_id: str, *, class_code: str = "0x030000", driver: str = "", group: str = ""
    ) -> Path:
        """A function with its vendor:product; `class_code` says what it is."""
        directory = self._root / "devices/pci0000:00" / address
        directory.mkdir(parents=True)
        vendor, product = device_id.split(":")
        for name, value in (("vendor", f"0x{vendor}"), ("device", f"0x{product}"), ("class", class_code)):
            (directory / name).write_text(f"{value}\n")
        (directory / "numa_node").write_text("-1\n")
        if driver:
            (directory / "driver").symlink_to(f"../../../bus/pci/drivers/{driver}")
        if group:
            (directory / "iommu_group").symlink_to(f"../../../kernel/iommu_groups/{group}")
        (self.pci / address).symlink_to(directory)
        return directory

    def add_interface(self, address: str, name: str, state: str) -> None:
        """A network interface of a function: `state` up or down."""
        directory = self.pci / address / "net" / name
        directory.mkdir(parents=True)
        (directory / "operstate").write_text(f"{state}\n")

    def add_type(self, address: str, name: str, available: int) -> None:
        """A type of mediated device that a function can make so many of."""
        directory = self.pci / address / "mdev_supported_types" / name
        directory.mkdir(parents=True)
        (directory / "available_instances").write_text(f"{available}\n")
        (directory / "create").write_text("")

    def removed(self) -> set[str]:
        """UUIDs of devices that are there, and were told to go."""
        return {entry.name for entry in self.mediated.iterdir() if (entry / "remove").read_text()}

    def obey(self, address: str, name: str) -> str:
        """Make the device whose UUID was last written, as the kernel would at once; returns that."""
        kind = (self.pci / address).resolve() / "mdev_supported_types" / name
        uuid = (kind / "create").read_text()
        device = kind.parents[1] / uuid
        device.mkdir()
        (device / "mdev_type").symlink_to(f"../mdev_supported_types/{name}")
        (device / "remove").write_text("")
        (self.mediated / uuid).symlink_to(device)
        available = kind / "available_instances"
        available.write_text(f"{int(available.read_text()) - 1}\n")
        return uuid
