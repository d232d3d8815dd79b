"""Lists of CPUs as the kernel and libvirt write them, such as 0-3,8. Pure."""

from __future__ import annotations

from collections.abc import Iterable


def parse_cpus(text: str) -> tuple[int, ...]:
    """The numbers that `0-3,8` names, in order; "" names none."""
    found: list[int] = []
    for part in filter(None, text.strip().split(",")):
        first, _, last = part.partition("-")
        found += range(int(first), int(last or first) + 1)
    return tuple(sorted(set(found)))


def format_cpus(cpus: Iterable[int]) -> str:
    """One by one, which both read: `0,1,2,8`."""
    return ",".join(str(cpu) for cpu in sorted(set(cpus)))
