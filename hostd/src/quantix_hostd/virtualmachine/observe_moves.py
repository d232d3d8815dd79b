"""Looks at what decides about moving a running guest's disks between pools. Called by `observe`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

from quantix_api import Volume
from quantix_api.errors import QuantixError, WaitingError
from quantix_api.messages import as_error
from quantix_hostd.claims import Claim, ClaimStore, PoolKey, VolumePlace, place_shown
from quantix_hostd.clients.pool import Pool
from quantix_hostd.domainxml.spec import domain_name
from quantix_hostd.domainxml.view import DomainView
from quantix_hostd.virtualmachine.desired import VolumeState
from quantix_hostd.virtualmachine.disk_move import DiskMove
from quantix_hostd.virtualmachine.observe_volumes import source_in_ceph
from quantix_hostd.virtualmachine.observed import Observed, disk_places
from quantix_hostd.virtualmachine.tools import VmTools
from quantix_hostd.volume.wanted import move_refusal, move_target

_REFUSED_S = 60.0
_LOST_S = 2.0


async def observe_moves(
    tools: VmTools,
    seen: Observed,
    live: DomainView,
    volumes: Sequence[tuple[VolumeState, Volume | None]],
) -> tuple[DiskMove, ...]:
    """The disks of the running guest that move, are to, or may not. `seen`: all but these."""
    claims = {found.place: found.claim for found in seen.claims}
    found: list[DiskMove] = []
    for state, volume in volumes:
        device = live.devices.get(f"ua-{state.disk}")
        if volume is None or device is None:
            continue
        if state.place is None:
            found += await _out_of_sight(tools, seen, live, state, volume)
            continue
        move = _move(seen.facts.name, state, volume, state.place, device, claims.get(state.place))
        if move.pool:
            move = await _look(tools, domain_name(seen.uid), move, volume, device)
        if move.pool or move.refusal is not None:
            found.append(move)
    return tuple(found)


async def _out_of_sight(
    tools: VmTools, seen: Observed, live: DomainView, state: VolumeState, volume: Volume
) -> tuple[DiskMove, ...]:
    """One whose pool does not answer, or not with the volume, where QEMU copies it or is on a file that
    nothing durable calls the volume: then it stays as it is, whatever spec says, until the claims can be read
    again.
    """
    pools, device = tools.objects.pool_keys(), live.devices[f"ua-{state.disk}"]
    said, opened = _said_place(seen, pools, state, volume), disk_places(live).get(state.disk)
    if said is None or opened is None or opened.handle != said.handle:
        return ()
    copy = _copy_place(device)
    if copy is None and opened in (said, *seen.record.places):
        return ()
    problem = seen.silent.get(said.pool)
    move = replace(
        _move(seen.facts.name, state, volume, opened if copy else said, device, None),
        target=copy,
        wanted=True,
        problem=problem or WaitingError(state.reason, state.message, retry_after_s=_LOST_S),
    )
    if copy is None:
        return (move,)
    pool = next((name for name, path in pools.items() if path == copy.pool), move.pool)
    progress = await tools.hypervisor.copy_progress(domain_name(seen.uid), move.dev)
    return (replace(move, pool=pool, progress=progress, still_s=tools.moves.still_s(move.uid, progress)),)


def _said_place(
    seen: Observed, pools: Mapping[str, PoolKey], state: VolumeState, volume: Volume
) -> VolumePlace | None:
    """Where the volume is by the last that is known of it: from the API, or from the record."""
    handle = volume.status.handle
    if not handle:
        return None
    pool = pools.get(state.pool or volume.status.pool or "")
    if pool is not None:
        return VolumePlace(pool, handle)
    return next((place for place in seen.record.places if place.handle == handle), None)


def _copy_place(device: Mapping[str, str]) -> VolumePlace | None:
    """Where QEMU makes a copy of the disk."""
    return place_shown(device.get("copy", ""))


def _move(
    host: str,
    state: VolumeState,
    volume: Volume,
    place: VolumePlace,
    device: Mapping[str, str],
    claim: Claim | None,
) -> DiskMove:
    """A host that does not act on the volume brings it nowhere: nobody else would find it there."""
    wanted = move_target(volume, state.pool) if volume.status.host == host else ""
    refusal = move_refusal(volume, state.pool)
    begun = claim.moving_to if claim is not None else ""
    return DiskMove(
        disk=state.disk,
        volume=state.volume,
        uid=state.uid,
        key=volume.key,
        source=place,
        source_pool=state.pool,
        size_bytes=state.size_bytes,
        dev=device.get("dev", ""),
        path=device.get("path", ""),
        pool=begun or wanted,
        wanted=bool(wanted) and wanted == (begun or wanted),
        claim=claim,
        copy_path=device.get("copy", ""),
        ready=device.get("copy_ready") == "yes",
        grows=state.size_bytes < state.wanted_bytes,
        encrypted=state.encrypted,
        refusal=None
        if refusal is None
        else WaitingError(refusal.reason, refusal.message, retry_after_s=_REFUSED_S),
    )


async def _look(
    tools: VmTools, domain: str, move: DiskMove, volume: Volume, device: Mapping[str, str]
) -> DiskMove:
    """With what lies in the other pool, how far the copy has come, and what keeps it from being begun."""
    progress = await tools.hypervisor.copy_progress(domain, move.dev) if move.copy_path else None
    still_s = tools.moves.still_s(move.uid, progress)
    try:
        pool = await tools.moves.pool(move.pool)
        target, spec = pool.place(move.source.handle), tools.objects.pool(move.pool)
        there, claim = await tools.ask(pool.key, partial(_target, tools.claims, pool, target))
        seen = replace(
            move,
            target=target,
            target_ceph=source_in_ceph(spec, target.handle, tools.facts().name) if spec is not None else None,
            target_there=there,
            target_claim=claim,
            progress=progress,
            still_s=still_s,
            free_bytes=await tools.moves.free_bytes(pool),
            others=tools.moves.others(move.uid, volume.metadata.namespace or ""),
        )
    except QuantixError as problem:
        # QEMU still knows where it copies to
        known = replace(move, target=_copy_place(device), progress=progress, still_s=still_s)
        return replace(known, problem=problem)
    is_to_begin = seen.wanted and not seen.copying and not seen.switched
    return await _to_begin(tools, seen, volume) if is_to_begin else seen


def _target(store: ClaimStore, pool: Pool, target: VolumePlace) -> tuple[bool, Claim | None]:
    """Whether anything of the copy is there, and its claim."""
    there = pool.has_any_of(target.handle)
    return there, store.read(target) if there else None


async def _to_begin(tools: VmTools, move: DiskMove, volume: Volume) -> DiskMove:
    """With what only matters before there is a copy: how large it will be, and what keeps it from being made,
    such as its passphrase.
    """
    try:
        if move.encrypted and move.target_ceph is not None:
            raise as_error(WaitingError, "ConfigRefused", pool=move.pool, path="spec.encryption")
        await tools.passphrases.of(volume)
        stored = partial(tools.moves.stored_bytes, move.source)
        return replace(move, stored_bytes=await tools.ask(move.source.pool, stored))
    except QuantixError as problem:
        return replace(move, problem=problem)
