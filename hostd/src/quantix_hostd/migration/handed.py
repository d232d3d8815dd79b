"""What the claims say of a guest that comes, and of one that its source says it handed over. Used by
`incoming`.

Claims are handed over before that is told (docs/adr/0044), so that from then on whoever reads them knows.
"""

from __future__ import annotations

import asyncio
from functools import partial

from quantix_api.errors import PermanentError, QuantixError
from quantix_api.messages import as_error
from quantix_hostd.claims import Claim, VolumeMissingError
from quantix_hostd.migration.arrival import WordOfClaims
from quantix_hostd.migration.coming import Coming
from quantix_hostd.migration.receiving import coming_of, place_of
from quantix_hostd.virtualmachine.tools import VmTools
from quantix_hostd.virtualmachine.vm_ref import VmRef


async def word_of_claims(tools: VmTools, ref: VmRef, coming: Coming | None) -> WordOfClaims:
    """As `Arriving.claims`. `coming` None: this host knows of nothing that came; where something of it lies
    here all the same, that is kept. Raises QuantixError while a claim cannot be read.
    """
    if coming is None and ref.vm is None:
        return "Ours"
    if coming is None and ref.vm is not None:
        volumes = (await coming_of(tools, ref.vm, "", "")).volumes
    else:
        # what came along has its claim there and here
        volumes = coming.staying if coming is not None else ()
    if coming is not None and not volumes:
        return "Ours"
    own, host = [], tools.facts().name
    for volume in volumes:
        claim = await _claim(tools, *volume)
        if claim is None or claim.vm_uid != ref.uid:
            continue
        if claim.partial or (claim.holder is not None and claim.holder.host == host):
            # the guest stands still meanwhile: no more is read than tells it
            return "Ours"
        own.append(claim)
    assignment = ref.vm.status.assignment if ref.vm is not None else None
    spent = assignment.epoch if assignment is not None else None
    is_let_go = spent is not None and any(claim.holder is None and claim.floor >= spent for claim in own)
    return "Spent" if is_let_go else "NotOurs"


async def why_here(tools: VmTools, ref: VmRef, coming: Coming) -> QuantixError | None:
    """Why what is here of this VM is not to be touched, though nothing is remembered that made it: it runs
    here, or is this host's to run, as of an API that was restored to before it came. Raises QuantixError
    while nobody knows.
    """
    assert ref.vm is not None
    domain = await tools.hypervisor.domain(ref.domain)
    processes = await asyncio.to_thread(tools.processes.of_domain, coming.uuid, ref.domain)
    if processes.own or (domain is not None and domain.active):
        return as_error(PermanentError, "TargetFailed", present=ref.vm.metadata.name)
    host = tools.facts().name
    for pool, handle in coming.volumes:
        claim = await _claim(tools, pool, handle)
        holder = claim.holder if claim is not None and claim.vm_uid == ref.uid else None
        if holder is not None and holder.host == host:
            return as_error(PermanentError, "TargetFailed", claimed=place_of(tools, pool, handle).shown)
    return None


async def _claim(tools: VmTools, pool: str, handle: str) -> Claim | None:
    place = place_of(tools, pool, handle)
    try:
        return await tools.ask(place.pool, partial(tools.claims.read, place))
    except VolumeMissingError:
        return None
