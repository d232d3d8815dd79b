"""The volume that another one is made from, without a claim that an earlier process of this host held of it.

Where the source lies in Ceph another host may act on it, which looks for no claim of this one. Called by the
volume controller's look.
"""

from __future__ import annotations

from contextlib import suppress

from quantix_api import Volume
from quantix_api.errors import QuantixError
from quantix_hostd.claims import Claim
from quantix_hostd.volume.lending import Lending
from quantix_hostd.volume.recipe import Origin
from quantix_hostd.volume.sources import Sources


async def origin_of(
    volume: Volume, sources: Sources, lending: Lending, host: str
) -> tuple[Origin | None, Claim | None]:
    """Its data with its claim, None for what is not there. Raises QuantixError while its pool is away."""
    source = sources.volume(volume)
    origin, claim = await sources.origin(source) if source is not None else (None, None)
    if source is None or origin is None or claim is None or not claim.held_by(host, 0):
        return origin, claim
    await lending.end_left(source.key, origin.uid, origin.place)
    return await sources.origin(source)


async def let_go_of_origin(volume: Volume, sources: Sources, lending: Lending, host: str) -> None:
    """Of a volume that is not to be made any more: a pool that is away keeps it from nothing."""
    with suppress(QuantixError):
        await origin_of(volume, sources, lending, host)
