"""What the Volumes of a VM are called (api.md, section 3)."""

from __future__ import annotations

import hashlib

_NAME_LENGTH = 253
_HASH_DIGITS = 8


def volume_name(vm: str, disk: str) -> str:
    """The name of the Volume made for a VM's disk: `VM-DISK`, cut and hashed where that is too long."""
    whole = f"{vm}-{disk}"
    if len(whole) <= _NAME_LENGTH:
        return whole
    digest = hashlib.sha256(whole.encode()).hexdigest()[:_HASH_DIGITS]
    return f"{whole[: _NAME_LENGTH - _HASH_DIGITS - 1].rstrip('-.')}-{digest}"
