"""Changes what becomes of a VM that is being deleted: volumes go with it though their disks say that they
stay, and its guest has no time to shut down.

Called by `qx vm delete --volumes|--now`. A client cannot delete the disks of a VM that is still there, and
may be gone before the VM is: the collector of the control plane deletes what names an owner that is no more.
"""

from __future__ import annotations

import contextlib
from typing import Any

from quantix_api.errors import QuantixError
from quantix_api.resources import VIRTUAL_MACHINES, VOLUMES
from quantix_cli.nouns import Manifest, look
from quantix_cli.session import Session
from quantix_cli.writing import Showing, Writer, patch_script
from quantix_client.errors import NotFound

_AT_ONCE = {"spec": {"gracePeriodSeconds": 0}}


def is_owned(volume: Manifest, vm: Manifest) -> bool:
    """Whether a volume goes when the VM goes, or its disk leaves it. Pure."""
    uid, owners = vm["metadata"]["uid"], look(volume, "metadata.ownerReferences", [])
    return any(owner.get("uid") == uid for owner in owners)


async def bind(session: Session, volume: Manifest, vm: Manifest) -> bool:
    """Whether `volume` now goes by itself once `vm` is gone. False: it is protected, or may not be changed.

    Only for a VM whose deletion was accepted: of another one the operator takes the reference off again.
    """
    uid = volume["metadata"]["uid"]
    # not shown by --show-yaml: in a script, kubectl waits for the VM and needs no such mark
    write = Writer(session.api, session.terminal, Showing(), session.begun)
    try:
        bound = await write.change(
            VOLUMES, volume, lambda live: _patch(live, vm) if live["metadata"]["uid"] == uid else {}
        )
    except QuantixError:
        # gone, or not ours to change: whoever deletes it next is told so
        return False
    return bound is not None and bound["metadata"]["uid"] == uid and is_owned(bound, vm)


async def end_at_once(session: Session, vm: Manifest) -> None:
    """Let the guest of `vm`, whose deletion was accepted, be ended without a question: of one whose deletion
    is refused nothing is taken. Raises QuantixError where that may not be written.
    """
    uid = vm["metadata"]["uid"]
    # with its UID: a VM of its name that was made meanwhile keeps its time
    patch = {**_AT_ONCE, "metadata": {"uid": uid}}
    write = Writer(session.api, session.terminal, Showing(), session.begun)
    with contextlib.suppress(NotFound):
        await write.change(VIRTUAL_MACHINES, vm, lambda live: patch if live["metadata"]["uid"] == uid else {})


def show_end_at_once(session: Session, vm: Manifest) -> None:
    """What a script writes for that before it deletes the VM: kubectl waits for what it deletes."""
    if session.showing.script:
        session.terminal.out(patch_script(VIRTUAL_MACHINES, vm, _AT_ONCE))


def _patch(volume: Manifest, vm: Manifest) -> dict[str, Any]:
    """Empty for what is to stay until somebody takes its protection off."""
    if look(volume, "spec.deletionProtection") or is_owned(volume, vm):
        return {}
    owner = {
        "apiVersion": VIRTUAL_MACHINES.api_version,
        "kind": VIRTUAL_MACHINES.kind,
        "name": vm["metadata"]["name"],
        "uid": vm["metadata"]["uid"],
    }
    return {"metadata": {"ownerReferences": [*look(volume, "metadata.ownerReferences", []), owner]}}
