"""What can be done about a snapshot on this host. Decided by `plan`, carried out by the controller."""

from __future__ import annotations

from dataclasses import dataclass

from quantix_hostd.snapshot.kept import Kept


@dataclass(frozen=True)
class Take:
    """Write `kept` down, and begin to take it, in the background."""

    kept: Kept


@dataclass(frozen=True)
class GoOn:
    """With the copying that an earlier hostd began."""

    kept: Kept


@dataclass(frozen=True)
class Undo:
    """End what is being made, have the guest go on, and remove what is there; then write down `after`, None
    for nothing.
    """

    kept: Kept
    after: Kept | None


@dataclass(frozen=True)
class Thaw:
    """Have the guest's file systems go on."""

    kept: Kept


@dataclass(frozen=True)
class Forget:
    """The API has all that was written down."""


@dataclass(frozen=True)
class RemoveData:
    """Of a snapshot that is deleted."""


Action = Take | GoOn | Undo | Thaw | Forget | RemoveData
