"""What a host does to a guest that leaves it: the words between `leaving_plan` and `apply`."""

from __future__ import annotations

from dataclasses import dataclass

from quantix_hostd.claims import VolumePlace


@dataclass(frozen=True)
class SendGuest:
    """Begin to send it; `epoch` is that of the target. `local`: the disks (by `dev`) whose data goes, too.
    `encrypted`: the places and names of encrypted volumes, whose Secrets are to hold still what their data
    was encrypted with: from then on only that opens them. `post_copy`: it may be switched.
    """

    migration: str
    target: str
    epoch: int
    local: tuple[str, ...]
    encrypted: tuple[tuple[VolumePlace, str], ...] = ()
    post_copy: bool = False


@dataclass(frozen=True)
class StopSending:
    pass


@dataclass(frozen=True)
class SwitchOver:
    """Have it stop here and get the rest of its memory there, and wait until nothing lets it go on here any
    more; the target, which holds it back until the claims name it under `epoch`, hears of that first.
    """

    migration: str
    target: str
    epoch: int


@dataclass(frozen=True)
class HandOver:
    """held(e, here) becomes held(e+1, target), of the first place last: it decides. `to_epoch` is e+1."""

    places: tuple[VolumePlace, ...]
    target: str
    to_epoch: int


@dataclass(frozen=True)
class TellTarget:
    """That the guest is its own. Whether it heard is seen in the API."""

    migration: str
    target: str
    epoch: int


@dataclass(frozen=True)
class RemoveMoved:
    """Data that went to another host, whose claims here say so. `unless_ours`: but none of a Volume whose
    data is here by the API's word, which never heard that it went.
    """

    places: tuple[VolumePlace, ...]
    target: str
    unless_ours: bool = False


LeavingAction = SendGuest | StopSending | SwitchOver | HandOver | TellTarget | RemoveMoved
