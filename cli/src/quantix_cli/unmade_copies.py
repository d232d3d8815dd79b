"""Volumes that are still to be made from others: once those are gone, they never will be.

Called before something is deleted. A copy is made when its VM first starts, and while nobody has its source.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from quantix_api.resources import ANNOTATION_VIRTUAL_MACHINE, VOLUMES
from quantix_cli.exits import CommandError, Exit
from quantix_cli.nouns import Manifest, look
from quantix_cli.session import Session
from quantix_client.errors import Forbidden


async def refuse_needed(session: Session, volumes: Iterable[Manifest]) -> None:
    """Raise CommandError (6) where one of `volumes`, which are about to go, is what another is to be made
    from. Who may not look at other volumes is not kept from deleting one.
    """
    going = {
        (volume["metadata"]["namespace"], volume["metadata"]["name"])
        for volume in volumes
        if not look(volume, "metadata.deletionTimestamp")
    }
    for namespace in sorted({namespace for namespace, _ in going}):
        try:
            found = (await session.api.list(VOLUMES, namespace)).items
        except Forbidden:
            continue
        names = {name for of, name in going if of == namespace}
        for copy in unmade_copies(found, names):
            source, name = copy["spec"]["source"]["volume"], copy["metadata"]["name"]
            vm = look(copy, "metadata.annotations", {}).get(ANNOTATION_VIRTUAL_MACHINE)
            said = f"Volume {name} is still to be made from {source}, which would be gone."
            explain = f"qx vm explain {vm}, or qx vm delete {vm} first" if vm else f"qx volume explain {name}"
            raise CommandError(Exit.REFUSED, said, explain)


def unmade_copies(volumes: Iterable[Manifest], going: Collection[str]) -> list[Manifest]:
    """Those of a namespace that stay, have no data yet, and are made from one of `going` (names). Pure."""
    return [
        volume
        for volume in volumes
        if look(volume, "spec.source.volume") in going
        and volume["metadata"]["name"] not in going
        and look(volume, "status.data") != "Present"
        and not look(volume, "metadata.deletionTimestamp")
    ]
