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
    found = [claim for volume in volumes if (claim := await _claim(tools, *volume)) is not None]
    own = [claim for claim in found if claim.vm_uid == ref.uid]
    host = tools.facts().name
    if any(claim.partial or (claim.holder is not None and claim.holder.host == host) for claim in own):
        return "Ours"
    if coming is not None and not volumes:
        return "Ours"
    assignment = ref.vm.status.assignment if ref.vm is not None else None
    ended = assignment is not None and any(
        claim.holder is None and claim.floor >= assignment.epoch for claim in own
    )
    return "Spent" if ended else "NotOurs"


async def _claim(tools: VmTools, pool: str, handle: str) -> Claim | None:
    place = place_of(tools, pool, handle)
    try:
        return await tools.ask(place.pool, partial(tools.claims.read, place))
    except VolumeMissingError:
        return None
