"""VolumesReady of a VM: what its disks lack, in the words of their Volumes. Pure; used by `status`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from quantix_api.conditions import STALLED_REASONS
from quantix_api.facts import Fact, fact
from quantix_api.messages import all_told
from quantix_operator.virtualmachine.observed import Observed
from quantix_operator.virtualmachine.volume_model import Missing, Owner, VolumeView
from quantix_operator.virtualmachine.volume_plan import plan_volumes


def volumes_fact(observed: Observed) -> Fact | None:
    """VolumesReady. Before there is a host only what is missing is worth saying: nobody makes data yet."""
    missing = missing_volumes(observed)
    if missing:
        return missing_fact(missing)
    waiting = _waiting(observed)
    displaced = displaced_volume(observed)
    if not waiting and displaced is not None and displaced.tellable and observed.host is not None:
        return _volume_fact(displaced)
    if not waiting:
        return fact("VolumesReady", "True", "AllReady") if observed.disks or observed.host else None
    if observed.host is None:
        return None
    volume = waiting[0]
    if volume is None:
        return fact("VolumesReady", "False", "Creating", volume="A volume")
    return _volume_fact(volume)


def missing_volumes(observed: Observed) -> tuple[Missing, ...]:
    """What its disks lack that is not there or may not be had."""
    return plan_volumes(_owner(observed), observed.disks, observed.volumes, observed.surroundings).missing


def _waiting(observed: Observed) -> list[VolumeView | None]:
    """Of the disks' volumes those that do not serve yet, None for one that is not there."""
    volumes = (observed.volumes.get(disk.wanted_name) for disk in observed.disks)
    return [volume for volume in volumes if volume is None or not volume.ready]


def lacks_volumes(observed: Observed) -> bool:
    """Whether a disk has no volume that serves."""
    return bool(missing_volumes(observed) or _waiting(observed))


def displaced_volume(observed: Observed) -> VolumeView | None:
    """The first of its volumes that is elsewhere than it shall be."""
    volumes = (observed.volumes.get(disk.wanted_name) for disk in observed.disks)
    return next((volume for volume in volumes if volume is not None and volume.displaced), None)


def _volume_fact(volume: VolumeView) -> Fact:
    """What a Volume says of itself, where a VM may say it too."""
    if volume.tellable:
        return Fact("VolumesReady", "False", volume.reason, volume.message)
    return fact("VolumesReady", "False", "Creating", volume=volume.name)


def missing_fact(missing: Sequence[Missing]) -> Fact:
    """What one disk lacks: one that only a user can help, if there is one, with the others of that kind."""
    stalled = [lack for lack in missing if lack.reason in STALLED_REASONS]
    first, *others = stalled or missing[:1]
    told = _lack_fact(first)
    return replace(told, message=all_told([told.message, *(_lack_fact(other).message for other in others)]))


def _lack_fact(missing: Missing) -> Fact:
    if missing.message:
        return Fact("VolumesReady", "False", missing.reason, missing.message)
    return fact("VolumesReady", "False", missing.reason, **missing.fields)


def _owner(observed: Observed) -> Owner:
    metadata = observed.vm.metadata
    return Owner(metadata.namespace or "", metadata.name, metadata.uid)
