"""Looks at the pools that a VM's volumes lie in: its volumes, their claims, and whether they can be written.

Called by `observe`. Each pool is asked by itself, all at once, and what one that does not answer holds is
unknown: it counts as neither missing nor free, nor as another's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from quantix_api.errors import QuantixError
from quantix_hostd.claims import CephPool, ClaimStore, PoolKey, VolumePlace
from quantix_hostd.virtualmachine.desired import VolumeState
from quantix_hostd.virtualmachine.observe_volumes import (
    NamedVolume,
    Sought,
    hidden,
    look_at_volume,
    unusable,
    with_source,
)
from quantix_hostd.virtualmachine.observed import DiskClaim
from quantix_hostd.virtualmachine.tools import Disks, VmTools


@dataclass(frozen=True)
class Storage:
    """As in `Observed`."""

    volumes: tuple[VolumeState, ...]
    claims: tuple[DiskClaim, ...]
    unwritable: tuple[VolumePlace, ...]
    full: Mapping[PoolKey, str]
    silent: Mapping[PoolKey, QuantixError]
    beside: tuple[DiskClaim, ...]


@dataclass(frozen=True)
class _InPool:
    """What one pool holds: volumes by disk, or where they were moved to. `full`: why no write gets there."""

    volumes: Mapping[str, VolumeState | Sought]
    claims: Mapping[VolumePlace, DiskClaim]
    full: str


@dataclass
class _Found:
    """What all pools said so far. `sought`: where the volumes were looked for last, by disk."""

    volumes: dict[str, VolumeState | Sought] = field(default_factory=dict)
    claims: dict[VolumePlace, DiskClaim] = field(default_factory=dict)
    full: dict[PoolKey, str] = field(default_factory=dict)
    silent: dict[PoolKey, QuantixError] = field(default_factory=dict)
    sought: dict[str, VolumePlace] = field(default_factory=dict)


async def look_at_storage(
    tools: VmTools,
    named: Sequence[NamedVolume],
    known: Sequence[VolumePlace],
    disks: Mapping[str, VolumePlace],
    held: Sequence[VolumePlace],
) -> Storage:
    """`known`: places that the domain or the record names; they come after those of the disks in spec.
    `disks`: those of the domain, by their names. `held`: where claims may be to give back.
    """
    found = _Found()
    sought = [item.sought for item in named if item.sought is not None]
    await _ask_pools(tools, found, sought, (*known, *held))
    moved = [sought for sought in found.volumes.values() if isinstance(sought, Sought)]
    if moved:
        await _ask_pools(tools, found, moved, ())
    states = (found.volumes.get(item.disk.name) or unusable(item) for item in named)
    host = tools.facts().name
    found_here = (state for state in states if isinstance(state, VolumeState))
    volumes = tuple(with_source(state, tools.objects, host) for state in found_here)
    of_spec = (_place(volume, found, known, disks) for volume in volumes)
    places = dict.fromkeys((*(place for place in of_spec if place is not None), *known))
    unwritable = (place for place in places if place.pool in {*found.full, *found.silent})
    claims = (_claim_of(place, found) for place in places)
    beside = (_claim_of(place, found) for place in held if place not in places)
    return Storage(volumes, tuple(claims), tuple(unwritable), found.full, found.silent, tuple(beside))


def _place(
    volume: VolumeState, found: _Found, known: Sequence[VolumePlace], disks: Mapping[str, VolumePlace]
) -> VolumePlace | None:
    """Where the claim of a disk of spec is. That of the first decides, and no other may in its stead because
    it cannot be read: its pool is silent, answers with an error, or is an empty mount point.
    """
    if volume.place is not None:
        return volume.place
    place = disks.get(volume.disk) or found.sought.get(volume.disk)
    return place if place in known else None


def _claim_of(place: VolumePlace, found: _Found) -> DiskClaim:
    return found.claims.get(place) or DiskClaim(place, None, found.silent.get(place.pool))


async def _ask_pools(
    tools: VmTools,
    found: _Found,
    sought: Sequence[Sought],
    known: Sequence[VolumePlace],
) -> None:
    # before any thread: only the loop that changes the stores may walk through them
    pools = tools.objects.pool_keys()
    keys = dict.fromkeys(place.pool for place in (*(item.place for item in sought), *known))
    await asyncio.gather(*(_ask_pool(tools, found, key, sought, known, pools) for key in keys))


async def _ask_pool(
    tools: VmTools,
    found: _Found,
    pool: PoolKey,
    sought: Sequence[Sought],
    known: Sequence[VolumePlace],
    pools: Mapping[str, PoolKey],
) -> None:
    here = [item for item in sought if item.place.pool == pool]
    found.sought |= {item.disk: item.place for item in here}
    places = [place for place in known if place.pool == pool]
    look = _Look(tools.claims, tools.disks, tools.facts().name, pools)
    try:
        in_pool = await tools.ask(pool, partial(look.at, pool, here, places))
    except QuantixError as silence:
        found.silent[pool] = silence
        found.volumes |= {item.disk: hidden(item, silence) for item in here}
        return
    found.volumes |= in_pool.volumes
    found.claims |= in_pool.claims
    found.full |= {pool: in_pool.full} if in_pool.full else {}


@dataclass(frozen=True)
class _Look:
    """Looks into one pool. Blocks."""

    claims: ClaimStore
    disks: Disks
    host: str
    pools: Mapping[str, PoolKey]

    def at(self, pool: PoolKey, sought: Sequence[Sought], known: Sequence[VolumePlace]) -> _InPool:
        if isinstance(pool, CephPool):
            self._refuse_silence(next(iter((*(item.place for item in sought), *known))))
        volumes = {
            item.disk: look_at_volume(item, self.host, self.claims, self.disks, self.pools) for item in sought
        }
        seen = (state.place for state in volumes.values() if isinstance(state, VolumeState) and state.place)
        places = dict.fromkeys((*seen, *known))
        claims = {place: _claim(self.claims, place) for place in places}
        return _InPool(volumes, claims, self._full(next(iter((*(item.place for item in sought), *known)))))

    def _full(self, place: VolumePlace) -> str:
        """What does not tell it, as a Ceph whose monitors alone are away, still serves."""
        try:
            return self.disks.full(place)
        except QuantixError:
            return ""

    def _refuse_silence(self, place: VolumePlace) -> None:
        """Raise what keeps anything from being read while the cluster is away: once, not for each volume."""
        problem = _claim(self.claims, place).problem
        if problem is not None and problem.reason == "PoolUnreachable":
            raise problem


def _claim(store: ClaimStore, place: VolumePlace) -> DiskClaim:
    try:
        return DiskClaim(place, store.read(place))
    except QuantixError as problem:
        return DiskClaim(place, None, problem)
