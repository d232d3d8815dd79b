"""Whether a VM moves to another host, and which of its disks to another pool: for `qx vm explain`."""

from __future__ import annotations

from contextlib import suppress

from quantix_api import resources
from quantix_api.conditions import condition_of
from quantix_api.message_text import cause_of
from quantix_cli.nouns import Manifest, look
from quantix_cli.session import Session
from quantix_client.errors import ApiError

_KEY = "movingVolumes"


async def with_moves(session: Session, vm: Manifest) -> Manifest:
    """The VM with those of its volumes that move; they are asked for only when it says that one does."""
    told = {condition_of(vm, kind).get("reason") for kind in ("Ready", "VolumesReady")}
    if "Moving" not in told:
        return vm
    volumes = []
    for disk in look(vm, "status.resolved.disks", []):
        with suppress(ApiError):
            volumes.append(
                await session.api.get(resources.VOLUMES, disk["volume"], vm["metadata"]["namespace"])
            )
    return vm | {_KEY: [volume for volume in volumes if look(volume, "status.phase") == "Moving"]}


def moving_facts(obj: Manifest) -> list[tuple[str, str]]:
    """`moving  web-1-root to pool fast, 41 %` for each, of a VM or of the volume itself; a VM that moves as a
    whole does that alone. Pure.
    """
    move = look(obj, "status.migration")
    if move:
        return [("moving", f"to host {move.get('targetHost')} (migration {move.get('name')})")]
    volumes = [obj] if look(obj, "status.phase") == "Moving" else obj.get(_KEY, [])
    return [("moving", _told(volume)) for volume in volumes]


def told_of_move(volume: Manifest) -> Manifest:
    """The condition that tells what a volume on its way to another pool waits for."""
    refused = condition_of(volume, "MoveGranted")
    return refused if refused.get("status") == "False" else condition_of(volume)


def refused_move_facts(volume: Manifest) -> list[tuple[str, str]]:
    """Why a volume may not go where spec wants it, where Ready does not say it. Pure."""
    refused = told_of_move(volume)
    if refused.get("type") != "MoveGranted" or refused.get("reason") == condition_of(volume).get("reason"):
        return []
    return [("move", f"{cause_of(str(refused.get('message', '')))} ({refused.get('reason')})")]


def _told(volume: Manifest) -> str:
    percent = look(volume, "status.progress.percent")
    target = look(volume, "status.movingTo") or look(volume, "spec.pool", "another")
    far = f", {percent} %" if percent is not None else ""
    return f"{volume['metadata']['name']} to pool {target}{far}"
