"""What can be done to move a running guest's disk to another pool: a part of `actions`.

`target` is the disk's `dev` in the domain.
"""

from __future__ import annotations

from dataclasses import dataclass

from quantix_hostd.claims import VolumePlace


@dataclass(frozen=True)
class TakeTurn:
    """Be one of those that are copied at once: who looked at the same moment may have been earlier."""

    uid: str
    volume: str
    key: str
    pool: str


@dataclass(frozen=True)
class TryPassphrase:
    """See that the Secret of `volume` still holds what its data was encrypted with: from then on only that
    opens it.
    """

    source: VolumePlace
    volume: str


@dataclass(frozen=True)
class MakeCopy:
    """Say in the claim of `source` where its copy will lie, and make that: empty, held by this VM.
    `encrypted`: the volume whose passphrase it gets, "" for none.
    """

    source: VolumePlace
    source_pool: str
    pool: str
    size_bytes: int
    epoch: int
    encrypted: str = ""


@dataclass(frozen=True)
class CopyDisk:
    """`encrypted`: the volumes whose passphrases QEMU needs for it; `pools`: those in Ceph whose keys."""

    target: str
    xml: str
    encrypted: tuple[str, ...] = ()
    pools: tuple[str, ...] = ()


@dataclass(frozen=True)
class SwitchToCopy:
    """The copy is whole, and the guest stands still."""

    target: str


@dataclass(frozen=True)
class DropCopy:
    target: str


@dataclass(frozen=True)
class HandOn:
    """Write down that the copy, in `pool`, is the volume now."""

    source: VolumePlace
    target: VolumePlace
    pool: str
    epoch: int


MoveAction = TakeTurn | TryPassphrase | MakeCopy | CopyDisk | SwitchToCopy | DropCopy | HandOn
