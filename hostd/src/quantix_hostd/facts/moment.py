"""What is kept of a running guest at one moment, and how the copying of its disks goes on after it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Literal

from quantix_hostd.facts.copies import CopyProgress

Quiesce = Literal["Auto", "Required", "Never"]
FREEZE_S = 10
"""So long the guest's agent may take to hold its file systems still."""


@dataclass(frozen=True)
class CopiedDisk:
    """A disk, by its `dev`, and the blank file, as large, that it is copied into. `secret_uuid`: of libvirt's
    secret by which that file is opened, "" for one that is not encrypted.
    """

    target: str
    path: str
    secret_uuid: str = ""


@dataclass(frozen=True)
class Moment:
    """`memory`: the file that the guest's memory goes to, "" for none. `disks`: what is copied from that
    moment on, while the guest goes on; none of one whose memory is kept. `still`: whether the guest has to
    stand still, since not only those disks are of the moment, which QEMU takes as one by itself.
    """

    quiesce: Quiesce = "Auto"
    disks: tuple[CopiedDisk, ...] = ()
    memory: str = ""
    still: bool = True


@dataclass(frozen=True)
class MomentTaken:
    """`quiesced`: Frozen, NotAsked, NoAgent, FreezeFailed or FreezeTimedOut. `frozen`: the guest's file
    systems may still be: it did not answer when it was to go on.
    """

    quiesced: str
    frozen: bool = False


class CopyStep(Enum):
    """Of the copying of a domain's disks. NONE: nothing is known of any."""

    NONE = "none"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True)
class DisksCopy:
    """How the copying of a domain's disks stands. `said`: why it failed, in libvirt's words."""

    step: CopyStep
    progress: CopyProgress | None = None
    said: str = ""
