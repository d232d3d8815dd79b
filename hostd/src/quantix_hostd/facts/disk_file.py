"""What the disk of a volume is, in whatever kind of pool it lies."""

from __future__ import annotations

import re
from dataclasses import dataclass

_OUR_BACKING = re.compile(r"\.\./\.\./images/([a-z0-9][-a-z0-9]{0,99})")


@dataclass(frozen=True)
class DiskFile:
    """What lies in the pool now. `backing` is the backing file's name as the file says it, "" when it stands
    alone, or in Ceph, where QEMU sees nothing of what is beneath it; `backing_driver` the format of that, ""
    where the file does not say.
    """

    capacity_bytes: int
    backing: str = ""
    backing_driver: str = ""
    encrypted: bool = False

    @property
    def image_uid(self) -> str:
        """The image of this pool that it stands on, "" for none."""
        found = _OUR_BACKING.fullmatch(self.backing)
        return found[1] if found else ""
