"""Names the VM and the disk in the hint of a volume that is refused its deletion: the API's policy cannot.

Used by `qx volume delete`.
"""

from __future__ import annotations

from quantix_api.resources import ANNOTATION_VIRTUAL_MACHINE, VIRTUAL_MACHINES
from quantix_cli.exits import CommandError
from quantix_cli.nouns import Manifest, look
from quantix_cli.session import Session, translated
from quantix_cli.vm.devices import volumes_of
from quantix_client.errors import Forbidden, NotFound, Unprocessable

_TO_FILL_IN = "qx vm detach VM DISK"


async def refusal_of(session: Session, obj: Manifest, error: Forbidden | Unprocessable) -> CommandError:
    """The end of a command whose deletion of `obj` the API refused with `error`."""
    ended = translated(error, session.target)
    if _TO_FILL_IN not in ended.hint:
        return ended
    ways = await _ways(session, obj)
    hint = ended.hint.replace(_TO_FILL_IN, ", ".join(ways)) if ways else ended.hint
    return CommandError(ended.exit_code, ended.message, hint)


async def _ways(session: Session, volume: Manifest) -> list[str]:
    """`qx vm detach VM DISK` of each disk that it is, as far as the account may look at the VMs."""
    name, namespace = volume["metadata"]["name"], volume["metadata"]["namespace"]
    vms = [user["name"] for user in look(volume, "status.attachedTo", [])]
    made_for = (volume["metadata"].get("annotations") or {}).get(ANNOTATION_VIRTUAL_MACHINE)
    ways = []
    for vm_name in vms or filter(None, [made_for]):
        try:
            vm = await session.api.get(VIRTUAL_MACHINES, vm_name, namespace)
        except (Forbidden, NotFound):
            continue
        disks = (disk["name"] for disk in look(vm, "spec.disks", []))
        ways += [f"qx vm detach {vm_name} {disk}" for disk in disks if volumes_of(vm, [disk]) == [name]]
    return ways
