"""Plans how much of its memory each guest keeps while its host runs short of it. Pure.

Called by `balloon`. Who has the lower `ha.priority` gives first and is given back last; guests of the same
priority give in proportion to what each can. Between the two marks nothing happens, unless programs of the
host stand still for want of memory; what is given back leaves the host above the higher mark, whatever the
guests do with it. So a host does not take and give in turns.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

MIB = 1024**2
# What a host should have available: below the first it runs short, above the second it has room
_LOW_PERCENT, _HIGH_PERCENT = 5, 10
_MOST_LOW_BYTES = 4 * 1024 * MIB
# of the time, in which some program waited for memory (the kernel's Documentation/accounting/psi.rst)
_STALLED = 0.1
# a guest keeps this part of its memory free, and at least this much of what it booted with
_KEPT_FREE = 8
_KEPT = 4
# the most that one guest gives or gets in one step, as a part of its memory, or this much
_STEP = 8
_LEAST_STEP_BYTES = 64 * MIB


@dataclass(frozen=True)
class HostMemory:
    """`stalled`: in what part of the time since the last look some program waited for memory, 0 to 1."""

    total_bytes: int
    available_bytes: int
    stalled: float = 0.0

    @property
    def low_bytes(self) -> int:
        return min(self.total_bytes * _LOW_PERCENT // 100, _MOST_LOW_BYTES)

    @property
    def high_bytes(self) -> int:
        return self.low_bytes * _HIGH_PERCENT // _LOW_PERCENT

    @property
    def short_bytes(self) -> int:
        """What the host lacks; 0: it does not run short."""
        short = self.available_bytes < self.low_bytes
        strained = self.available_bytes < self.high_bytes and self.stalled >= _STALLED
        return self.high_bytes - self.available_bytes if short or strained else 0

    @property
    def spare_bytes(self) -> int:
        """What guests can have back."""
        return max(self.available_bytes - self.high_bytes, 0)


@dataclass(frozen=True)
class GuestMemory:
    """Of a running guest, without what was plugged in later: it has `has_bytes` of `most_bytes` and keeps
    `least_bytes`. `free_bytes`: what its programs can still get; None: its balloon driver tells nothing.
    """

    domain: str
    most_bytes: int
    has_bytes: int
    least_bytes: int
    free_bytes: int | None = None
    priority: int = 100

    @property
    def floor_bytes(self) -> int:
        return min(max(self.least_bytes, self.most_bytes // _KEPT), self.most_bytes)

    @property
    def step_bytes(self) -> int:
        return max(self.most_bytes // _STEP, _LEAST_STEP_BYTES)

    @property
    def can_give_bytes(self) -> int:
        """In one step. A guest without the driver would not hear of it."""
        if self.free_bytes is None:
            return 0
        free = self.free_bytes - self.has_bytes // _KEPT_FREE
        return max(min(self.has_bytes - self.floor_bytes, free, self.step_bytes), 0)

    @property
    def can_get_bytes(self) -> int:
        return max(min(self.most_bytes - self.has_bytes, self.step_bytes), 0)

    @property
    def is_whole(self) -> bool:
        """Whether nothing worth a word was taken of it."""
        return self.most_bytes - self.has_bytes < MIB


def plan_balloons(host: HostMemory, guests: Iterable[GuestMemory]) -> Mapping[str, int]:
    """The new size, in bytes, of each guest that gives or gets; whole MiB but for what is whole again."""
    known = sorted(guests, key=lambda guest: guest.domain)
    # what spec does not let be taken any more is given back at once, room or not
    below = {guest.domain: guest.floor_bytes for guest in known if guest.has_bytes < guest.floor_bytes - MIB}
    rest = [guest for guest in known if guest.domain not in below]
    if host.short_bytes:
        shares = _shares(host.short_bytes, rest, lambda guest: guest.can_give_bytes, lowest_first=True)
        return below | {guest.domain: guest.has_bytes - share for guest, share in shares}
    shares = _shares(host.spare_bytes, rest, lambda guest: guest.can_get_bytes, lowest_first=False)
    return below | {guest.domain: guest.has_bytes + share for guest, share in shares}


def _shares(
    wanted: int, guests: Sequence[GuestMemory], can: Callable[[GuestMemory], int], *, lowest_first: bool
) -> list[tuple[GuestMemory, int]]:
    """Who has which part of `wanted`, in whole MiB, or all that it can; nobody a part of 0."""
    by_priority: dict[int, list[GuestMemory]] = defaultdict(list)
    for guest in guests:
        by_priority[guest.priority].append(guest)
    found, left = [], wanted
    for priority in sorted(by_priority, reverse=not lowest_first):
        group = by_priority[priority]
        sizes = [can(guest) for guest in group]
        total = sum(sizes)
        shared = min(left, total)
        for guest, size in zip(group, sizes, strict=True):
            part = size if shared == total else shared * size // total // MIB * MIB
            if part >= MIB:
                found.append((guest, part))
        left -= shared
    return found
