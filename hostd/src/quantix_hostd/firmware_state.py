"""What a guest's firmware and TPM remember, as one object beside the volume of its first disk. Pure.

The files that QEMU and swtpm write lie on the host and are a copy; this object is the record, which follows
the volume (hypervisor.md, section 8). Called by `clients.state_store`.
"""

from __future__ import annotations

import base64
import json
import zlib
from dataclasses import dataclass

MAX_PART_BYTES = 4 * 1024**2
MAX_BYTES = 16 * 1024**2
_FORMAT = 1


class StateDamagedError(ValueError):
    """The content is no state object of ours."""


@dataclass(frozen=True)
class FirmwareState:
    """`sequence` counts the writes, so that of two copies the later is known. None: there is no such part."""

    epoch: int
    sequence: int
    nvram: bytes | None
    tpm: bytes | None


def render_state(state: FirmwareState) -> bytes:
    """The object as it is stored."""
    content = {
        "format": _FORMAT,
        "epoch": state.epoch,
        "sequence": state.sequence,
        "nvram": _pack(state.nvram),
        "tpm": _pack(state.tpm),
    }
    return json.dumps(content, sort_keys=True).encode() + b"\n"


def parse_state(content: bytes) -> FirmwareState:
    """Raises StateDamagedError."""
    try:
        raw = json.loads(content)
        if raw["format"] != _FORMAT:
            raise StateDamagedError(f"it has format {raw['format']!r}")
        return FirmwareState(
            _count(raw["epoch"]), _count(raw["sequence"]), _unpack(raw["nvram"]), _unpack(raw["tpm"])
        )
    except StateDamagedError:
        raise
    except (ValueError, KeyError, TypeError, RecursionError, zlib.error) as error:
        raise StateDamagedError("it is no state of firmware or TPM") from error


def _pack(part: bytes | None) -> str | None:
    return None if part is None else base64.b64encode(zlib.compress(part)).decode()


def _unpack(text: str | None) -> bytes | None:
    if text is None:
        return None
    unpacking = zlib.decompressobj()
    part = unpacking.decompress(base64.b64decode(text, validate=True), MAX_PART_BYTES)
    if not unpacking.eof:
        raise ValueError("it is cut off, or larger than any firmware's")
    return part


def _count(value: object) -> int:
    if type(value) is not int or value < 0:
        raise ValueError(value)
    return value
