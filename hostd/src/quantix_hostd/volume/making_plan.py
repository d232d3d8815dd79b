"""Decides how data is made for a volume that has none yet, and what that waits for. Pure; part of `plan`."""

from __future__ import annotations

from quantix_api import Image, SnapshotSource, Volume
from quantix_api.errors import PermanentError, QuantixError, TransientError, WaitingError
from quantix_api.message_table_phrases import SOURCE_OF_THIS_KIND
from quantix_api.messages import as_error, as_wait
from quantix_hostd.image.status import wait_for_image
from quantix_hostd.volume.actions import Action, BringImage, Copy, Make
from quantix_hostd.volume.observed import VolumeObserved
from quantix_hostd.volume.recipe import Origin, Recipe
from quantix_hostd.volume.upload_plan import ready_upload
from quantix_hostd.volume.wanted import image_key_of, source_of, wanted_bytes

_SOON_S = 2.0
_BEGUN_S = 0.1
_COPYING_S = 5.0


def making(seen: VolumeObserved) -> tuple[Action, ...]:
    """What is done next. Raises what it waits for."""
    volume, claim = seen.volume, seen.claim
    if claim is not None and claim.restoring:
        # in Ceph another image may just be getting its name
        holder = claim.holder.host if claim.holder is not None else seen.host
        raise as_wait("VolumeInUse", _SOON_S, host=holder)
    if volume.status.data == "Present":
        name, place = volume.metadata.name, seen.place.shown
        raise as_error(PermanentError, "DataMissing", volume=name, place=place, host=seen.host)
    if seen.copy is not None and seen.copy.running:
        waits_on = {"host": seen.host} if seen.copy.queued else {}
        raise as_wait("Copying", _COPYING_S, source=source_of(volume), **waits_on)
    image, origin, sent = _ready_image(seen), _ready_origin(seen), ready_upload(seen)
    if image is not None and seen.base is None:
        return (BringImage(image),)
    if seen.passphrase_problem is not None:
        raise seen.passphrase_problem
    recipe = Recipe(
        seen.handle,
        wanted_bytes(volume),
        sent or seen.base,
        # a file that was sent is there for this volume alone, and goes
        sent is not None or volume.spec.copy_mode == "Full",
        origin,
        seen.passphrase,
        seen.origin_passphrase,
    )
    return _copying(seen, recipe) if recipe.is_copy else (Make(recipe),)


def has_sources(seen: VolumeObserved) -> bool:
    """Whether all that it is made from can be read now: only then anybody is asked for its passphrases, and
    not again and again by each of a thousand volumes that wait for one.
    """
    try:
        _ready_image(seen)
        _ready_origin(seen)
        ready_upload(seen)
    except QuantixError:
        return False
    return True


def _copying(seen: VolumeObserved, recipe: Recipe) -> tuple[Action, ...]:
    copy, status = seen.copy, seen.volume.status
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
    """The image to make it from, None for none. Raises WaitingError until the image was checked."""
    source = seen.volume.spec.source
    if source is None or (source.image is None and (source.volume or source.upload or source.snapshot)):
        return None
    key = image_key_of(seen.volume)
    if key is None:
        raise as_error(PermanentError, "SourceNotFound", path=SOURCE_OF_THIS_KIND)
    if seen.image is None:
        raise as_wait("SourceNotFound", _SOON_S, kind="image", source=key)
    ready = seen.image.status.condition("Ready")
    if ready is None or ready.status != "True" or seen.image.status.format is None:
        raise wait_for_image(seen.image, _SOON_S)
    return seen.image


def _ready_origin(seen: VolumeObserved) -> Origin | None:
    """The volume to make it from, None for none. Raises WaitingError until that is there and nobody writes to
    it: a copy of what changes meanwhile is one of no moment.
    """
    source = seen.volume.spec.source
    if source is not None and source.snapshot is not None:
        return _ready_kept(seen, source.snapshot)
    if source is None or source.volume is None:
        return None
    found = seen.source
    made = found is not None and found.status.data == "Present"
    # one that is deleted keeps its data until what was there by then is made from it
    if found is None or (found.deleting and not (made and seen.origin)):
        raise as_wait("SourceNotFound", _SOON_S, kind="volume", source=source.volume)
    # of what lies in Ceph the claim alone says who may read it
    is_elsewhere = seen.origin is None or seen.origin.place.is_local
    if found.status.host not in (None, seen.host) and is_elsewhere:
        raise as_wait("SourceNotFound", _SOON_S, volume=source.volume, host=found.status.host)
    _refuse_readable_copy(seen.volume, found)
    if seen.origin is None or not made:
        raise as_wait("Creating", _SOON_S, volume=source.volume)
    _check_free(seen, source.volume)
    return seen.origin


def _ready_kept(seen: VolumeObserved, source: SnapshotSource) -> Origin:
    """What a snapshot keeps of a disk. Raises what that waits for: one that is deleted keeps it until all is
    made that was to be made of it by then.
    """
    found = seen.snapshot
    if found is None:
        raise as_wait("SnapshotNotFound", _SOON_S, snapshot=source.name)
    if found.status.phase == "Failed":
        raise as_error(PermanentError, "SnapshotNotReady", failed=source.name)
    if found.status.phase != "Ready":
        raise as_wait("SnapshotNotReady", _SOON_S, snapshot=source.name)
    disk = next((item for item in found.status.disks if item.name == source.disk), None)
    if disk is None:
        raise as_error(PermanentError, "DiskMissing", snapshot=source.name, disk=source.disk)
    if seen.origin is None:
        if found.deleting:
            raise as_wait("SnapshotNotFound", _SOON_S, going=source.name)
        lost = f"{source.name}/{source.disk}"
        raise as_error(TransientError, "DataMissing", place=lost)
    if seen.origin.encrypted and seen.volume.spec.encryption is None:
        name, kept = seen.volume.metadata.name, disk.volume or source.disk
        raise as_error(PermanentError, "ConfigRefused", snapshot=source.name, encrypted=kept, copy=name)
    return seen.origin


def _refuse_readable_copy(volume: Volume, source: Volume) -> None:
    if source.spec.encryption is None or volume.spec.encryption is not None:
        return
    names = {"encrypted": source.metadata.name, "copy": volume.metadata.name}
    raise as_error(PermanentError, "ConfigRefused", secret=source.spec.encryption.secret_ref.name, **names)


def _check_free(seen: VolumeObserved, name: str) -> None:
    claim = seen.origin_claim
    if claim is None:
        raise as_error(TransientError, "DataDamaged", unclaimed=seen.place.shown_whole)
    if claim.moving_to or claim.partial:
        raise as_wait("VolumeInUse", _SOON_S, source=name, pool=claim.moving_to or seen.source_pool)
    if claim.holder is None or seen.origin_lent:
        return
    if seen.origin_user:
        raise as_wait("VolumeInUse", _SOON_S, source=name, user=seen.origin_user)
    raise as_wait("VolumeInUse", _SOON_S, source=name, holder=claim.holder.host)
