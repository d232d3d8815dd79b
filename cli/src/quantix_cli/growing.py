"""Whether a volume has grown as it was asked to; the wait ends where its pool has no room for that.

Called by `qx volume resize`. The volume itself stays Ready meanwhile, with the size that it has.
"""

from __future__ import annotations

from quantix_api.conditions import condition_of
from quantix_api.message_text import cause_of, hint_of
from quantix_api.quantities import size_bytes
from quantix_cli.exits import CommandError, Exit
from quantix_cli.nouns import Manifest, look


def is_grown(volume: Manifest, size: str) -> bool:
    """Whether a volume, as it is now, has `size`. Raises CommandError (1) while that is refused."""
    if size_bytes(look(volume, "status.capacity", "0")) >= size_bytes(size):
        return True
    wanted = size_bytes(look(volume, "spec.size", "0")) == size_bytes(size)
    granted = condition_of(volume, "SizeGranted")
    current = granted.get("observedGeneration", 0) >= volume["metadata"].get("generation", 0)
    if granted.get("status") == "False" and current and wanted:
        name, message = volume["metadata"]["name"], str(granted.get("message", ""))
        said = f"{name} keeps its size: {cause_of(message)}. It grows by itself once there is room."
        smaller = f"qx volume resize {name} SIZE, with less"
        raise CommandError(Exit.FAILED, said, hint_of(message) or smaller)
    return False
