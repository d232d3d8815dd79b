"""Which volumes a VM took over from an earlier one of its name: those that are older than itself.

Called for `qx vm explain`: a guest that boots with what another one left is a surprise.
"""

from __future__ import annotations

from collections.abc import Iterable

from quantix_api.resources import LABEL_VIRTUAL_MACHINE_UID, VOLUMES
from quantix_cli.nouns import Manifest, look
from quantix_cli.session import Session
from quantix_client.errors import Forbidden


async def with_taken_over(session: Session, vm: Manifest) -> Manifest:
    """The VM with their names in status.takenOver; as it is for who may not read volumes."""
    try:
        volumes = (await session.api.list(VOLUMES, vm["metadata"]["namespace"])).items
    except Forbidden:
        return vm
    names = taken_over(vm, volumes)
    return {**vm, "status": {**look(vm, "status", {}), "takenOver": names}} if names else vm


def taken_over(vm: Manifest, volumes: Iterable[Manifest]) -> list[str]:
    """Names of the volumes that were made for its disks before it was there itself. Pure."""
    about = vm["metadata"]
    return sorted(
        volume["metadata"]["name"]
        for volume in volumes
        if look(volume, "metadata.labels", {}).get(LABEL_VIRTUAL_MACHINE_UID) == about["uid"]
        # RFC 3339 in UTC, to the second: as text they stand in the order of time
        and volume["metadata"]["creationTimestamp"] < about["creationTimestamp"]
    )
