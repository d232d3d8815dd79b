"""What the claims say of a guest that its source says it handed over. Used by `incoming`.

Claims are handed over before that is told (docs/adr/0044), so that from then on whoever reads them knows.
"""

from __future__ import annotations

from functools import partial

from quantix_hostd.claims import Claim, VolumeMissingError
from quantix_hostd.migration.arrival import WordOfClaims
from quantix_hostd.migration.kept import Coming
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


async def _claim(tools: VmTools, pool: str, handle: str) -> Claim | None:
    place = place_of(tools, pool, handle)
    try:
        return await tools.ask(place.pool, partial(tools.claims.read, place))
    except VolumeMissingError:
        return None
