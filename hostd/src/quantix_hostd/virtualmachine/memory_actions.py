"""What can be done about memory that a snapshot kept. Carried out by `apply_memory`."""

from __future__ import annotations

from dataclasses import dataclass

from quantix_hostd.claims import VolumePlace


@dataclass(frozen=True)
class RestorePaused:
    """Start QEMU, the guest paused, from the memory that the snapshot with this UID keeps in `pool`; `xml` is
    the domain as it is to be, the rest as in CreatePaused. Where that memory never can be used, what the
    claims at `places` say of it goes, and the guest boots.
    """

    pool: str
    snapshot: str
    xml: str
    places: tuple[VolumePlace, ...]
    encrypted: tuple[str, ...] = ()
    ceph: tuple[str, ...] = ()


@dataclass(frozen=True)
class ForgetMemory:
    """The guest may go on: the claims say nothing of memory any more."""

    places: tuple[VolumePlace, ...]
