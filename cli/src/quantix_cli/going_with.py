"""Makes volumes go with a VM that is being deleted, though their disks say that they stay.

Called by `qx vm delete --volumes`. A client cannot delete the disks of a VM that is still there, and may be
gone before the VM is: the collector of the control plane deletes what names an owner that is no more.
"""

from __future__ import annotations

from typing import Any

from quantix_api.errors import QuantixError
from quantix_api.resources import VIRTUAL_MACHINES, VOLUMES
from quantix_cli.nouns import Manifest, look
from quantix_cli.session import Session
from quantix_cli.writing import Showing, Writer


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
    write = Writer(session.api, session.terminal, Showing())
    try:
        bound = await write.change(
            VOLUMES, volume, lambda live: _patch(live, vm) if live["metadata"]["uid"] == uid else {}
        )
    except QuantixError:
        # gone, or not ours to change: whoever deletes it next is told so
        return False
    return bound is not None and bound["metadata"]["uid"] == uid and is_owned(bound, vm)


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
