"""Looks at what decides about moving a running guest's disks between pools. Called by `observe`."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from quantix_api import Volume
from quantix_api.errors import QuantixError, WaitingError
from quantix_hostd.claims import Claim, ClaimStore, VolumePlace
from quantix_hostd.domainxml.view import DomainView
from quantix_hostd.virtualmachine.desired import VolumeState
from quantix_hostd.virtualmachine.disk_move import DiskMove
from quantix_hostd.virtualmachine.observed import DiskClaim
from quantix_hostd.virtualmachine.tools import VmTools
from quantix_hostd.volume.disk_size import stored_bytes
from quantix_hostd.volume.wanted import move_refusal, move_target

_REFUSED_S = 60.0


async def observe_moves(
    tools: VmTools,
    domain: str,
    live: DomainView,
    volumes: Sequence[tuple[VolumeState, Volume | None]],
    claims: Sequence[DiskClaim],
) -> tuple[DiskMove, ...]:
    """The disks of the running `domain` that move, are to, or may not."""
    known = {found.place: found.claim for found in claims}
    found = []
    for state, volume in volumes:
        device = live.devices.get(f"ua-{state.disk}")
        if volume is None or state.place is None or device is None:
            continue
        move = _move(state, volume, state.place, device, known.get(state.place))
        if move.pool:
            move = await _look(tools, domain, move, volume)
        if move.pool or move.refusal is not None:
            found.append(move)
    return tuple(found)


def _move(
    state: VolumeState, volume: Volume, place: VolumePlace, device: Mapping[str, str], claim: Claim | None
) -> DiskMove:
    wanted, refusal = move_target(volume, state.pool), move_refusal(volume, state.pool)
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


async def _look(tools: VmTools, domain: str, move: DiskMove, volume: Volume) -> DiskMove:
    """With what lies in the other pool, how far the copy has come, and what keeps it from being begun."""
    progress = await tools.hypervisor.copy_progress(domain, move.dev) if move.copy_path else None
    still_s = tools.moves.still_s(move.uid, progress)
    try:
        pool = await tools.moves.pool(move.pool)
        target = pool.place(move.source.handle)
        there = await asyncio.to_thread(pool.volume(target.handle).exists)
        seen = replace(
            move,
            target=target,
            target_there=there,
            target_claim=await asyncio.to_thread(tools.claims.read, target) if there else None,
            progress=progress,
            still_s=still_s,
            free_bytes=await tools.moves.free_bytes(pool),
            stored_bytes=await asyncio.to_thread(stored_bytes, move.source),
            others=tools.moves.others(move.uid, volume.metadata.namespace or ""),
        )
    except QuantixError as problem:
        return replace(move, progress=progress, problem=problem)
    is_to_begin = seen.wanted and not seen.copying and not seen.switched
    return await _with_passphrase(tools, seen, volume) if is_to_begin else seen


async def _with_passphrase(tools: VmTools, move: DiskMove, volume: Volume) -> DiskMove:
    """With what keeps the passphrase of the copy from being read."""
    try:
        await tools.passphrases.of(volume)
    except QuantixError as problem:
        return replace(move, problem=problem)
    return move


def followed(
    store: ClaimStore, place: VolumePlace, pool: str, paths: Mapping[str, Path]
) -> tuple[VolumePlace, str, Claim | None]:
    """Where a volume is that `pool` is said to have: where it was moved to, whatever the API still says; and
    its claim, None where that cannot be read.
    """
    try:
        claim = store.read(place)
    except QuantixError:
        return place, pool, None
    if claim is None or not claim.moved or claim.moving_to not in paths:
        return place, pool, claim
    moved = VolumePlace(paths[claim.moving_to], place.handle)
    try:
        return moved, claim.moving_to, store.read(moved)
    except QuantixError:
        return moved, claim.moving_to, None
