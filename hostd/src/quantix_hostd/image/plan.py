"""Decides what is done next about an image on this host, and what is said of it. Pure and total.

```
  nothing ──Download──► on its way ──► there ──Verify, where nothing is known of it──► Verified
     ▲  upload: waits, once   │ failed                          │ deleted
     │  no host has its file  │                                 │
     └──── when it is due ◄───┘                                 ▼
                               StopTransfers, RemoveFile in every pool without volumes on it ──► gone
```
The file in the pool is the truth: it is there only after every check. Of a pool in Ceph that is the image,
and its file, which is received beside, is checked again (Verify) where it did not get there.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from quantix_api.errors import PermanentError
from quantix_api.message_table_phrases import FILE_GONE
from quantix_api.messages import as_error, render
from quantix_api.quantities import counted
from quantix_hostd.image.observed import ImageObserved
from quantix_hostd.image.status import (
    ImageVerdict,
    as_known,
    broken_upload,
    known_facts,
    lost_upload,
    under_way,
    verdict_of_error,
    waiting_for_upload,
)
from quantix_hostd.transfer.received import Received
from quantix_hostd.transfer.seen import TransferSeen

LOOK_AGAIN_S = 300.0
_PROGRESS_S = 5.0
_IN_USE_S = 5.0
_LOST_S = 30.0


@dataclass(frozen=True)
class Download:
    """Fetch it from another host that has it, else from its URL, in the background."""


@dataclass(frozen=True)
class Verify:
    """Check the file that is there, in the background: the API lost what was said of it."""


@dataclass(frozen=True)
class StopTransfers:
    """End whatever brings it here, forget how that went, and keep nothing of it."""


@dataclass(frozen=True)
class RemoveFile:
    pool: str


Action = Download | Verify | StopTransfers | RemoveFile


@dataclass(frozen=True)
class ImagePlan:
    """What is to be done, and what is so until then; look again after `again_s`."""

    verdict: ImageVerdict
    again_s: float = LOOK_AGAIN_S
    actions: tuple[Action, ...] = ()


def plan_image(seen: ImageObserved) -> ImagePlan:
    """The actions that bring the image nearer to what the API wants."""
    if seen.image.deleting:
        found = _plan_removal(seen)
    elif seen.transfer is not None and seen.transfer.running:
        found = _on_its_way(seen, seen.transfer)
    else:
        found = _plan_present(seen) if seen.there else _plan_absent(seen)
    return replace(found, verdict=as_known(seen.image, found.verdict))


def _plan_present(seen: ImageObserved) -> ImagePlan:
    checked = known_facts(seen.image)
    if seen.transfer is not None and seen.transfer.received is not None:
        checked = (seen.transfer.received.facts, seen.transfer.received.checksum)
    if checked is not None:
        return ImagePlan(ImageVerdict("Verified", render("Verified").text, True, *checked))
    return _failure(seen) or ImagePlan(_verifying(), _PROGRESS_S, (Verify(),))


def _plan_absent(seen: ImageObserved) -> ImagePlan:
    known = known_facts(seen.image) is not None
    fetched = seen.image.spec.url is not None or (known and seen.elsewhere)
    if not fetched and (broken := _broken_upload(seen)):
        return broken
    if failure := _failure(seen):
        return failure
    if seen.received:
        return ImagePlan(_verifying(), _PROGRESS_S, (Verify(),))
    if fetched:
        begun = TransferSeen[Received](shown=seen.kept or (0, None))
        return ImagePlan(under_way(seen.image, begun, seen.host), _PROGRESS_S, (Download(),))
    if seen.image.spec.upload is None:
        return ImagePlan(verdict_of_error(as_error(PermanentError, "ImageRefused", path="spec.volume")))
    if known:
        return ImagePlan(lost_upload(seen.image), _LOST_S)
    return ImagePlan(waiting_for_upload(seen.image))


def _on_its_way(seen: ImageObserved, transfer: TransferSeen[Received]) -> ImagePlan:
    if seen.there:
        return ImagePlan(_verifying(), _PROGRESS_S)
    return ImagePlan(under_way(seen.image, transfer, seen.host), _PROGRESS_S)


def _broken_upload(seen: ImageObserved) -> ImagePlan | None:
    """What is said of the last upload until the next: nobody asks for one again, and one may come at once."""
    if seen.image.spec.upload is None:
        return None
    if seen.kept is not None:
        return ImagePlan(broken_upload(seen.image, *seen.kept))
    error = seen.transfer.error if seen.transfer else None
    if error is None or error.reason != "ImageUnreachable":
        return None
    known = known_facts(seen.image) is not None
    return ImagePlan(lost_upload(seen.image), _LOST_S) if known else ImagePlan(waiting_for_upload(seen.image))


def _failure(seen: ImageObserved) -> ImagePlan | None:
    """What the last try ran into, until the next is due; then None, as without a try."""
    transfer = seen.transfer
    if transfer is None or transfer.error is None or transfer.retry_in_s == 0:
        return None
    verdict = verdict_of_error(transfer.error, transfer.delay_s if not seen.there else None)
    present = seen.there or seen.kept is not None
    return ImagePlan(replace(verdict, present=present), transfer.retry_in_s or LOOK_AGAIN_S)


def _plan_removal(seen: ImageObserved) -> ImagePlan:
    """Remove the file from every pool of this host, unless a volume there is still based on it."""
    text = render("Deleting", what=FILE_GONE).text
    gone = ImagePlan(ImageVerdict("Deleting", text, False))
    if seen.arriving:
        return replace(gone, actions=(StopTransfers(),))
    unused = tuple(RemoveFile(copy.pool) for copy in seen.copies if not copy.volumes)
    used = next((copy for copy in seen.copies if copy.volumes), None)
    if used is None:
        return replace(gone, actions=unused)
    text = render("InUse", users=f"{counted(used.volumes, 'volume')} of pool {used.pool}").text
    return ImagePlan(ImageVerdict("InUse", text, True), _IN_USE_S, unused)


def _verifying() -> ImageVerdict:
    return ImageVerdict("Verifying", render("Verifying").text, True)
