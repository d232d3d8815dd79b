"""Sizes and CPU amounts as the API writes them: strings such as `10Gi` and `1500m`; things that are counted.

Used wherever a string of the API becomes a number and back. Never writes into objects: the API keeps what
users typed.
"""

from __future__ import annotations

import re
from types import MappingProxyType

from quantix_api.errors import PermanentError

SIZE_PATTERN = r"^[1-9][0-9]{0,11}(k|M|G|T|P|Ki|Mi|Gi|Ti|Pi)$"
CPU_PATTERN = r"^[1-9][0-9]{0,5}m?$"

UNIT_BYTES = MappingProxyType(
    {
        "k": 10**3,
        "M": 10**6,
        "G": 10**9,
        "T": 10**12,
        "P": 10**15,
        "Ki": 2**10,
        "Mi": 2**20,
        "Gi": 2**30,
        "Ti": 2**40,
        "Pi": 2**50,
    }
)

_SIZE = re.compile(SIZE_PATTERN)
_CPU = re.compile(CPU_PATTERN)
_MOST = 10**12 - 1
_BINARY_UNITS = ("Pi", "Ti", "Gi", "Mi", "Ki")


def size_bytes(size: str) -> int:
    """The number that a size string means: bytes, or bits where the field counts bits. `0`, in status, is 0.

    Raises PermanentError (`SizeNotUnderstood`) for what the API would refuse.
    """
    if size == "0":
        return 0
    match = _SIZE.fullmatch(size)
    if match is None:
        raise PermanentError(
            "SizeNotUnderstood",
            f"{size!r} is not a size.",
            "write a whole number with a unit, such as 512Mi or 10Gi",
        )
    unit = match.group(1)
    return int(size[: -len(unit)]) * UNIT_BYTES[unit]


def format_size(number_bytes: int) -> str:
    """A size string for a number of bytes: the largest binary unit that keeps it exact, `0` for none.

    The API knows whole KiB only and twelve digits: what it cannot say is rounded up to the next that it can,
    and what is beyond the largest is that. Raises ValueError for a negative number.
    """
    if number_bytes < 0:
        raise ValueError(f"no size string for {number_bytes} bytes")
    if number_bytes == 0:
        return "0"
    for unit in _BINARY_UNITS:
        whole, rest = divmod(number_bytes, UNIT_BYTES[unit])
        if rest == 0 and whole <= _MOST:
            return f"{whole}{unit}"
    for unit in reversed(_BINARY_UNITS):
        whole = -(-number_bytes // UNIT_BYTES[unit])
        if whole <= _MOST:
            return f"{whole}{unit}"
    return f"{_MOST}{_BINARY_UNITS[0]}"


def counted(number: int, noun: str) -> str:
    """A number of things in words, for a noun whose plural ends in s: `1 CPU`, `0 VMs`, `1,200 hosts`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def cpu_millis(cpu: str) -> int:
    """Thousandths of a CPU: `1500m` and `2` are 1500 and 2000.

    Raises PermanentError (`CPUNotUnderstood`) for what the API would refuse.
    """
    if _CPU.fullmatch(cpu) is None:
        raise PermanentError(
            "CPUNotUnderstood",
            f"{cpu!r} is not an amount of CPU.",
            "write 2 for two CPUs, or 500m for half of one",
        )
    return int(cpu[:-1]) if cpu.endswith("m") else int(cpu) * 1000


def format_cpu(millis: int) -> str:
    """The CPU string for thousandths of a CPU: whole CPUs where it can be."""
    if millis <= 0:
        raise ValueError(f"no CPU string for {millis} thousandths")
    return f"{millis // 1000}" if millis % 1000 == 0 else f"{millis}m"


def human_sizes(needed_bytes: int, free_bytes: int) -> tuple[str, str]:
    """Two sizes that are compared, for people; in MiB where rounding would make them look the same."""
    needed, free = human_size(needed_bytes), human_size(max(free_bytes, 0))
    if needed != free:
        return needed, free
    mib = UNIT_BYTES["Mi"]
    return f"{max(needed_bytes, 0) // mib:,} MiB", f"{max(free_bytes, 0) // mib:,} MiB"


def human_size(number_bytes: int) -> str:
    """A size for people, in messages and tables: binary units, one decimal below 10 (`1.5 GiB`)."""
    if number_bytes < 1024:
        return f"{number_bytes} B"
    for unit in reversed(_BINARY_UNITS):
        value = number_bytes / UNIT_BYTES[unit]
        if value < 1024 or unit == "Pi":
            break
    rounded = round(value, 1)
    text = f"{rounded:.0f}" if rounded >= 10 or rounded == int(rounded) else f"{rounded:.1f}"
    return f"{text} {unit}B"
