"""That another VM has a volume, before one gets it that would wait for it. Used by `qx vm attach`."""

from __future__ import annotations

import contextlib

from quantix_api import resources
from quantix_api.messages import render
from quantix_cli.exits import refused
from quantix_cli.naming import reference
from quantix_cli.nouns import Manifest, look
from quantix_cli.session import Session
from quantix_cli.vm.arrival import runs
from quantix_client.errors import Forbidden, NotFound


async def refuse_used(session: Session, vm: Manifest, name: str) -> None:
    """Raise CommandError (6) where volume `name` is another VM's own disk, which it stays while that one
    is off. Where another one only has it attached, that is told if `vm` is off: it may be stopped before.
    """
    with contextlib.suppress(Forbidden, NotFound):
        volume = await session.api.get(resources.VOLUMES, name, vm["metadata"]["namespace"])
        about, uid = volume["metadata"], vm["metadata"].get("uid")
        attached = look(volume, "status.attachedTo", [])
        others = [f"VM {one['name']}" for one in attached if one.get("uid") != uid]
        owner = (about.get("labels") or {}).get(resources.LABEL_VIRTUAL_MACHINE_UID, uid)
        maker = (about.get("annotations") or {}).get(resources.ANNOTATION_VIRTUAL_MACHINE)
        users = ", ".join(others) or (f"VM {maker}" if maker else "another VM")
        said = render("VolumeInUse", volume=name, user=users)
        if owner != uid:
            named = reference(volume, "volume", session.namespace)
            raise refused(said, f"another volume, or a copy: qx volume create NAME --from {named}")
        shared = look(volume, "spec.accessMode", "ReadWriteOnce") != "ReadWriteOnce"
        if others and len(others) == len(attached) and not shared and not runs(vm):
            session.terminal.note(session.terminal.plain(said.text))
