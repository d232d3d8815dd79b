"""Decides what is done next about a volume on this host, and what is said of it. Pure and total.

```
  wish ──BringImage, until its image is in the pool──► Make ──► Available ──Grow, once promised──► Available
                                                                   │ deleted
                                                                   └──Remove, under its claim──► gone
```
Data of a volume that a VM has is only changed by that VM's start and its QEMU; all other work takes the
volume's claim first (ha.md, section Ownership), under an epoch above its floor and the volume's own UID.
"""

from __future__ import annotations

from dataclasses import dataclass

from quantix_api import Image
from quantix_api.errors import PermanentError, QuantixError, TransientError, WaitingError
from quantix_api.messages import as_error, as_wait, render
from quantix_hostd.claims import Claim, ClaimRefusedError, release, take
from quantix_hostd.image.status import wait_for_image
from quantix_hostd.volume.observed import VolumeObserved
from quantix_hostd.volume.recipe import Recipe
from quantix_hostd.volume.status import VolumeVerdict, present
from quantix_hostd.volume.wanted import belongs_to_vm, granted_bytes, image_key_of, wanted_bytes

LOOK_AGAIN_S = 300.0
_SOON_S = 2.0
_BEGUN_S = 0.1
_COPYING_S = 5.0
_GROWING_S = 5.0


@dataclass(frozen=True)
class BringImage:
    """Have the image's file in the volume's pool."""

    image: Image


@dataclass(frozen=True)
class Make:
    recipe: Recipe


@dataclass(frozen=True)
class Copy:
    """Begin to make a full copy: in the background, since it takes as long as the disk is large."""

    recipe: Recipe


@dataclass(frozen=True)
class StopCopy:
    """End the copy that is being made."""


@dataclass(frozen=True)
class Grow:
    """Hold the claim, make the disk larger, free the claim, also when that does not work."""

    found: Claim
    held: Claim
    freed: Claim
    to_bytes: int


@dataclass(frozen=True)
class FreeClaim:
    """What this host did not come to free: its own work ended before, or the pool was away as a VM ended."""

    found: Claim
    freed: Claim


@dataclass(frozen=True)
class Remove:
    """Hold the claim and remove all data."""

    found: Claim
    held: Claim


Action = BringImage | Make | Copy | StopCopy | Grow | FreeClaim | Remove


@dataclass(frozen=True)
class VolumePlan:
    """What is to be done; once that is nothing, `verdict` says what is so, or `error` what it waits for."""

    actions: tuple[Action, ...] = ()
    verdict: VolumeVerdict | None = None
    error: QuantixError | None = None
    again_s: float = LOOK_AGAIN_S


def plan_volume(seen: VolumeObserved) -> VolumePlan:
    """The actions that bring the volume nearer to what the API wants."""
    try:
        return _plan_removal(seen) if seen.volume.deleting else _plan_data(seen)
    except QuantixError as obstacle:
        return VolumePlan(error=obstacle)


def _plan_data(seen: VolumeObserved) -> VolumePlan:
    if seen.capacity_bytes is None:
        return VolumePlan(_making(seen))
    granted = granted_bytes(seen.volume, seen.capacity_bytes)
    if seen.capacity_bytes < granted and not belongs_to_vm(seen.volume):
        found, held = _claim_for_work(seen)
        return VolumePlan((Grow(found, held, _freed(seen, held), granted),))
    if seen.claim is not None and (seen.holder_gone or _is_ours_for_work(seen, seen.claim)):
        return VolumePlan((FreeClaim(seen.claim, _freed(seen, seen.claim)),))
    text = render("Available").text
    found_so = VolumeVerdict("Available", text, seen.handle, seen.pool, seen.capacity_bytes)
    verdict = present(seen.volume, found_so)
    # the VM that has it makes it larger: show that soon
    growing = verdict.available and verdict.capacity_bytes < wanted_bytes(seen.volume)
    return VolumePlan(verdict=verdict, again_s=_GROWING_S if growing else LOOK_AGAIN_S)


def _making(seen: VolumeObserved) -> tuple[Action, ...]:
    volume = seen.volume
    if volume.status.data == "Present":
        name, place = volume.metadata.name, seen.place.data
        raise as_error(PermanentError, "DataMissing", volume=name, place=place, host=seen.host)
    image = _ready_image(seen)
    if image is not None and seen.base is None:
        return (BringImage(image),)
    recipe = Recipe(seen.handle, wanted_bytes(volume), seen.base, volume.spec.copy_mode == "Full")
    return _copying(seen, recipe) if recipe.is_copy else (Make(recipe),)


def _copying(seen: VolumeObserved, recipe: Recipe) -> tuple[Action, ...]:
    copy, status, source = seen.copy, seen.volume.status, image_key_of(seen.volume)
    if copy is not None and copy.running:
        waits_on = {"host": seen.host} if copy.queued else {}
        raise as_wait("Copying", _COPYING_S, source=source, **waits_on)
    if copy is not None and copy.error is not None and copy.retry_in_s != 0:
        error = copy.error
        if copy.retry_in_s is None:
            raise error
        raise WaitingError(error.reason, error.message, error.hint, retry_after_s=copy.retry_in_s)
    if status.data == "Absent" or status.host is None:
        # said before anything is stored, at each try: until this host takes it back, the object does not go
        raise as_wait("Creating", _BEGUN_S, volume=seen.volume.metadata.name)
    return (Copy(recipe),)


def _ready_image(seen: VolumeObserved) -> Image | None:
    """The image to make it from, None for a blank one. Raises WaitingError until the image was checked."""
    if seen.volume.spec.source is None:
        return None
    key = image_key_of(seen.volume)
    if key is None:
        raise as_error(PermanentError, "SourceNotFound", path="spec.source of this kind")
    if seen.image is None:
        raise as_wait("SourceNotFound", _SOON_S, kind="image", source=key)
    ready = seen.image.status.condition("Ready")
    if ready is None or ready.status != "True" or seen.image.status.format is None:
        raise wait_for_image(seen.image, _SOON_S)
    return seen.image


def _plan_removal(seen: VolumeObserved) -> VolumePlan:
    if seen.copy is not None:
        return VolumePlan((StopCopy(),))
    if not seen.there:
        text = render("Deleting", what="its data is gone").text
        return VolumePlan(verdict=VolumeVerdict("Deleting", text, seen.handle, seen.pool))
    return VolumePlan((Remove(*_claim_for_work(seen)),))


def _claim_for_work(seen: VolumeObserved) -> tuple[Claim, Claim]:
    """The claim as it is, and as this host holds it for work of its own. Raises WaitingError (InUse)."""
    if seen.claim_problem is not None:
        raise seen.claim_problem
    if seen.claim is None:
        raise as_error(TransientError, "DataDamaged", unclaimed=seen.place.data.parent)
    if _is_ours_for_work(seen, seen.claim):
        return seen.claim, seen.claim
    free = _freed(seen, seen.claim) if seen.holder_gone else seen.claim
    if free.holder is not None and free.cluster_uid == seen.cluster_uid:
        raise as_wait("InUse", _SOON_S, holder=free.holder.host)
    uid, epoch = seen.volume.metadata.uid, free.floor + 1
    try:
        return seen.claim, take(free, seen.host, epoch, uid, seen.cluster_uid)
    except ClaimRefusedError as refused:
        raise WaitingError("InUse", refused.message, refused.hint, retry_after_s=_SOON_S) from refused


def _is_ours_for_work(seen: VolumeObserved, claim: Claim) -> bool:
    holder, uid = claim.holder, seen.volume.metadata.uid
    return holder is not None and holder.host == seen.host and claim.vm_uid == uid


def _freed(seen: VolumeObserved, held: Claim) -> Claim:
    return release(held, seen.host, held.holder.epoch if held.holder else 0)
