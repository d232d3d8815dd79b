"""Finds guests of this host whose VM the API no longer has, and orders their end when root asks for it.

The host controller reports them, hostd's API shows them to root. Nothing is ended here: an order is a record,
on which the reconciler acts (`orphan_plan`). Whether the API has a VM is asked of the API itself, by the
name in our mark: that a VM left this host's watch proves nothing.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from quantix_api.errors import PermanentError
from quantix_api.messages import as_error
from quantix_api.resources import VIRTUAL_MACHINES
from quantix_client.errors import NotFound
from quantix_hostd.domainxml.spec import domain_name
from quantix_hostd.virtualmachine.observe import observe
from quantix_hostd.virtualmachine.observed import Observed
from quantix_hostd.virtualmachine.orphan_plan import is_ours, ordered
from quantix_hostd.virtualmachine.tools import VmTools


@dataclass(frozen=True)
class Orphan:
    """What is left of a VM. `vm` is NAMESPACE/NAME, or "" where libvirt has no domain of it any more.

    `volumes` are the handles of those that it holds; `ending`: its end was ordered.
    """

    uid: str
    domain: str
    vm: str
    running: bool
    pids: tuple[int, ...]
    started_at: str
    volumes: tuple[str, ...]
    ports: tuple[str, ...]
    ending: bool


async def find_orphans(tools: VmTools) -> tuple[Orphan, ...]:
    """All of this host, by UID. Raises QuantixError when libvirt or the API cannot be asked."""
    if not tools.objects.synced:
        return ()
    known = set(tools.objects.virtual_machine_uids())
    defined = {domain.vm_uid for domain in await tools.hypervisor.domains() if domain.vm_uid}
    remembered = set(await asyncio.to_thread(tools.records.known_uids))
    found = []
    for uid in sorted((defined | remembered) - known):
        observed = await observe(tools, uid, shutting_down=False)
        if await _is_orphan(tools, observed):
            found.append(_orphan(observed))
    return tuple(found)


async def order_end(tools: VmTools, uid: str) -> Orphan:
    """Note that the guest of this VM is to end; under the VM's lock. Returns what it is.

    Raises PermanentError (NoOrphan) when it is none, and as `find_orphans`.
    """
    observed = await observe(tools, uid, shutting_down=False)
    if not observed.synced or observed.vm is not None or not await _is_orphan(tools, observed):
        raise as_error(PermanentError, "NoOrphan", uid=uid, host=tools.facts().name)
    if observed.record.remains is None:
        await asyncio.to_thread(tools.records.save, uid, ordered(observed))
    return _orphan(observed)


async def _is_orphan(tools: VmTools, observed: Observed) -> bool:
    if observed.vm is not None:
        return False
    if observed.record.remains is None and not is_ours(observed):
        return False
    return not await _is_in_api(tools, observed)


async def _is_in_api(tools: VmTools, observed: Observed) -> bool:
    view = observed.live or observed.inactive
    if view is None or view.metadata is None:
        # nothing here tells its name
        everything = await tools.api.list(VIRTUAL_MACHINES)
        return any(item["metadata"]["uid"] == observed.uid for item in everything.items)
    try:
        found = await tools.api.get(VIRTUAL_MACHINES, view.metadata.name, view.metadata.namespace)
    except NotFound:
        return False
    return bool(found["metadata"]["uid"] == observed.uid)


def _orphan(observed: Observed) -> Orphan:
    view, record = observed.live or observed.inactive, observed.record
    remains = record.remains or ordered(observed).remains
    metadata = view.metadata if view else None
    return Orphan(
        uid=observed.uid,
        domain=domain_name(observed.uid),
        vm=f"{metadata.namespace}/{metadata.name}" if metadata else "",
        running=observed.live is not None or bool(observed.processes),
        pids=tuple(process.pid for process in observed.processes),
        started_at=record.started_at,
        volumes=tuple(place.handle for place in remains.places) if remains else (),
        ports=remains.ports if remains else (),
        ending=record.remains is not None,
    )
