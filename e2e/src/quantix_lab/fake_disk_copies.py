"""What libvirt makes of a running domain whose disk is copied: a part of `fake_hypervisor`.

A copy is whole when the test says so, and holds at the switch what the disk held: both are real files.
"""

from __future__ import annotations

import shutil
from abc import ABC, abstractmethod
from contextlib import AbstractContextManager
from pathlib import Path
from xml.etree import ElementTree

from quantix_api.errors import TransientError
from quantix_hostd.facts.copies import CopyProgress

Element = ElementTree.Element

_TOTAL_BYTES = 64 << 20


class FakeDiskCopies(ABC):
    """The copies of `Hypervisor`, and how they come along."""

    copies_at_once: bool
    copy_speeds: list[int]
    copied_bytes: int = _TOTAL_BYTES // 4
    refuses_switch: bool = False

    @abstractmethod
    def did(self, call: str) -> None:
        """Note a call; raises what every call raises."""

    @abstractmethod
    def live(self, name: str) -> AbstractContextManager[Element]:
        """The live XML of a running domain, to be changed."""

    async def copy_disk(self, name: str, target: str, xml: str, bytes_per_second: int) -> None:
        self.did(f"copy {target}")
        self.copy_speeds.append(bytes_per_second)
        source = ElementTree.fromstring(xml).find("source")
        assert source is not None
        with self.live(name) as root:
            disk = _disk(root, target)
            if disk.find("mirror") is not None:
                raise TransientError("InternalError", f"disk {target} already in active block job (code 55)")
            mirror = ElementTree.SubElement(disk, "mirror", {"type": "file", "job": "copy"})
            ElementTree.SubElement(mirror, "source", {"file": source.get("file", "")})
            if self.copies_at_once:
                mirror.set("ready", "yes")

    async def copy_progress(self, name: str, target: str) -> CopyProgress | None:
        with self.live(name) as root:
            mirror = _disk(root, target).find("mirror")
        if mirror is None:
            return None
        whole = mirror.get("ready") == "yes"
        return CopyProgress(_TOTAL_BYTES if whole else self.copied_bytes, _TOTAL_BYTES)

    async def switch_to_copy(self, name: str, target: str) -> None:
        self.did(f"switch {target}")
        with self.live(name) as root:
            disk = _disk(root, target)
            mirror, source = disk.find("mirror"), disk.find("source")
            copy = mirror.find("source") if mirror is not None else None
            unready = mirror is None or mirror.get("ready") != "yes" or self.refuses_switch
            if mirror is None or source is None or copy is None or unready:
                raise TransientError("InternalError", f"disk {target} is not ready for pivot (code 80)")
            before, after = Path(source.get("file", "")), Path(copy.get("file", ""))
            if before.exists() and after.exists():
                shutil.copyfile(before, after)
            source.set("file", str(after))
            disk.remove(mirror)

    async def drop_copy(self, name: str, target: str) -> None:
        self.did(f"drop {target}")
        self.copy_fails(name, target)

    def copy_fails(self, name: str, target: str) -> None:
        """The copy ends by itself, as it does when its file cannot be written."""
        with self.live(name) as root:
            disk = _disk(root, target)
            for mirror in disk.findall("mirror"):
                disk.remove(mirror)

    def copy_is_whole(self, name: str, target: str) -> None:
        """All that the disk holds is in the copy, too."""
        with self.live(name) as root:
            mirror = _disk(root, target).find("mirror")
            assert mirror is not None
            mirror.set("ready", "yes")


def _disk(root: Element, target: str) -> Element:
    disk = root.find(f"devices/disk/target[@dev='{target}']/..")
    assert disk is not None
    return disk
