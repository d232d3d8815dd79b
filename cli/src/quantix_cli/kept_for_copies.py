"""Tells which volumes that are to be deleted stay for now, since others are still to be made from them.

Called before something is deleted. A copy is made when its VM first starts, and while nobody has its source;
which ones wait for that `quantix_api.unmade_copies` decides, here as on the hosts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from quantix_api.message_text import first_of
from quantix_api.resources import ANNOTATION_VIRTUAL_MACHINE, VOLUMES
from quantix_api.unmade_copies import unmade_copies
from quantix_cli.nouns import Manifest, look
from quantix_cli.session import Session
from quantix_client.errors import Forbidden


async def tell_kept(session: Session, volumes: Iterable[Manifest]) -> frozenset[str]:
    """Say of which of `volumes`, which are about to go, others are still to be made; the UIDs of those.

    They go once that is done, which may be never: nobody waits for it. Who may not look at other volumes is
    told nothing.
    """
    going = {volume["metadata"]["uid"]: volume for volume in volumes}
    with_data = [volume for volume in going.values() if look(volume, "status.data") == "Present"]
    kept = set()
    for namespace in sorted({volume["metadata"]["namespace"] for volume in with_data}):
        try:
            found = (await session.api.list(VOLUMES, namespace)).items
        except Forbidden:
            continue
        staying = {item["metadata"]["name"]: item for item in found if item["metadata"]["uid"] not in going}
        for volume in with_data:
            copies = unmade_copies(volume, staying.values())
            if copies:
                kept.add(volume["metadata"]["uid"])
                session.terminal.note(session.terminal.plain(_told(volume, copies, staying[copies[0]])))
    return frozenset(kept)


def _told(volume: Manifest, copies: Sequence[str], first: Manifest) -> str:
    """Why a volume is kept, and the command that tells what the first of its copies waits for."""
    name, annotations = first["metadata"]["name"], look(first, "metadata.annotations", {})
    vm = annotations.get(ANNOTATION_VIRTUAL_MACHINE)
    explain = f"qx vm explain {vm}" if vm else f"qx volume explain {name}"
    kept = volume["metadata"]["name"]
    said = f"Volume {kept} goes once what is still to be made from it is made: {first_of(copies)}."
    return f"{said}   {explain}"
