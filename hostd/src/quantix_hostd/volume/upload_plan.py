"""Decides what a volume waits for that is made of a file that somebody sends. Pure; part of `making_plan`."""

from __future__ import annotations

from quantix_api import Volume
from quantix_api.errors import WaitingError
from quantix_api.messages import as_wait
from quantix_api.quantities import human_size
from quantix_hostd.volume.observed import VolumeObserved
from quantix_hostd.volume.recipe import Base

_SENDING_S = 5.0
_WAITING_S = 300.0


def is_sent(volume: Volume) -> bool:
    """Whether its data is that of a file that is sent."""
    return volume.spec.source is not None and volume.spec.source.upload is not None


def ready_upload(seen: VolumeObserved) -> Base | None:
    """The file to make it from, None for a volume that is made of something else. Raises what it waits for,
    and what its last upload was refused for.
    """
    arrival, name = seen.arrival, seen.volume.metadata.name
    if arrival is None:
        return None
    transfer = arrival.transfer
    if transfer is not None and transfer.running:
        raise as_wait("Creating", _SENDING_S, sent=name)
    if arrival.base is not None:
        return arrival.base
    if arrival.kept is not None:
        done, total = map(human_size, arrival.kept)
        raise as_wait("WaitingForUpload", _WAITING_S, volume=name, done=done, total=total)
    error = transfer.error if transfer is not None else None
    if transfer is None or error is None or error.reason == "ImageUnreachable" or transfer.retry_in_s == 0:
        # nobody asks for an upload again, and one may come at once
        raise as_wait("WaitingForUpload", _WAITING_S, volume=name)
    if transfer.retry_in_s is None:
        raise error
    raise WaitingError(error.reason, error.message, error.hint, retry_after_s=transfer.retry_in_s)
