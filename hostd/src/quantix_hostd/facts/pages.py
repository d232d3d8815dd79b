"""The kernel's pool of huge pages of one size."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class PagePool:
    """`free`: those that nobody has, nor was promised."""

    total: int
    free: int = 0

    @property
    def used(self) -> int:
        return self.total - self.free
