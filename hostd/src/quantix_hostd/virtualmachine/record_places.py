"""Which places of volumes the record of a running guest names, and beside which lies what firmware remembers.

Pure. A record can be older than what QEMU does: a hand-over to a copy may land after it was given up, or
hostd may end between the claim's change and the record's.
"""

from __future__ import annotations

from dataclasses import replace

from quantix_api import VirtualMachine
from quantix_hostd.claims import ClaimDamagedError, VolumeMissingError, VolumePlace
from quantix_hostd.virtualmachine.observed import Observed, disk_places
from quantix_hostd.virtualmachine.record import Record


def with_live_places(observed: Observed, record: Record) -> Record:
    """The record with all that the running guest writes to and this host holds for it, in the order of spec:
    the first is given back last. A copy counts only once a claim calls it the volume.
    """
    looked_at = {volume.place for volume in observed.volumes}
    claims = {found.place: found.claim for found in observed.claims}

    def ours(place: VolumePlace) -> bool:
        claim = claims.get(place)
        if claim is None or claim.vm_uid != observed.uid:
            return False
        held = claim.held_by(observed.facts.name, observed.epoch)
        return held and (not claim.partial or place in looked_at)

    live = tuple(filter(ours, disk_places(observed.live).values()))
    order = _order(observed.vm)
    places = dict.fromkeys((*live, *record.places))
    in_order = sorted(places, key=lambda place: order.get(place.handle, len(order)))
    return replace(record, places=tuple(in_order))


def place_of_state(vm: VirtualMachine | None, places: tuple[VolumePlace, ...]) -> VolumePlace | None:
    """Of `places` that of the VM's first disk, where the state is read at its next start: beside another it
    would be missed. None where it is not among them; where none is of a disk that is resolved, the first.
    """
    order = _order(vm)
    if all(place.handle not in order for place in places):
        return next(iter(places), None)
    return next((place for place in places if order.get(place.handle) == 0), None)


def may_be_held(observed: Observed, place: VolumePlace) -> bool:
    """Whether this host may hold the claim for this VM. What is missing or damaged counts as not held:
    nothing can be written there now, and the VM's end sees to it (docs/adr/0017).
    """
    looked_at = (*observed.claims, *observed.beside)
    found = next((found for found in looked_at if found.place == place), None)
    if found is None:
        return True
    if found.claim is None:
        unknown = found.problem is not None
        return unknown and not isinstance(found.problem, VolumeMissingError | ClaimDamagedError)
    holder = found.claim.holder
    return holder is not None and holder.host == observed.facts.name and found.claim.vm_uid == observed.uid


def without_disks_of_spec(
    vm: VirtualMachine | None, places: tuple[VolumePlace, ...]
) -> tuple[VolumePlace, ...]:
    """Of `places` those of no disk that is resolved; none where it is not known which are."""
    order = _order(vm)
    return tuple(place for place in places if order and place.handle not in order)


def _order(vm: VirtualMachine | None) -> dict[str, int]:
    """The volumes of the VM's disks by their handles, which are their UIDs."""
    resolved = vm.status.resolved if vm is not None else None
    return {disk.volume_uid: number for number, disk in enumerate(resolved.disks if resolved else ())}
