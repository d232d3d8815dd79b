"""What tests of moves ask for and look at: the root volume of a running VM goes to another pool."""

from __future__ import annotations

import copy
from typing import Any

from quantix_api.resources import VOLUMES
from quantix_hostd.claims import Claim, VolumeMissingError, VolumePlace
from quantix_lab.vm_world import VmHandle, VmWorld


def changed(world: VmWorld) -> dict[str, Any]:
    """The root volume, to be changed: a new object, as the watch would bring it."""
    store = world.stores[VOLUMES]
    store["default/web-1-root"] = copy.deepcopy(store["default/web-1-root"])
    return store["default/web-1-root"]


def want_pool(vm: VmHandle, pool: str, *, granted: bool = True) -> VolumePlace:
    """Spec wants the root volume in `pool`, which the operator has granted; where it will lie."""
    volume = changed(vm.world)
    volume["spec"]["pool"] = pool
    volume["metadata"]["generation"] = volume["metadata"].get("generation", 0) + 1
    if granted:
        volume["status"]["movingTo"] = pool
    return VolumePlace(vm.world.layout.data / "pools" / pool, vm.root_place.handle)


def claim_if_there(vm: VmHandle, place: VolumePlace) -> Claim | None:
    """None where the volume has no data."""
    try:
        return vm.world.claims.read(place)
    except VolumeMissingError:
        return None
