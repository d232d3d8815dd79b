"""Does what moves a running guest's disk to another pool. Part of `apply`, whose table these belong to."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from quantix_api.messages import as_error
from quantix_hostd import moves
from quantix_hostd.claims import Claim, ClaimRefusedError, Holder, VolumePlace
from quantix_hostd.facts.copies import LiveMove
from quantix_hostd.virtualmachine import move_actions as do
from quantix_hostd.virtualmachine.apply_passphrases import passphrase_of, unlocked
from quantix_hostd.virtualmachine.disk_move import wait_for_turn
from quantix_hostd.virtualmachine.tools import VmTools
from quantix_hostd.virtualmachine.vm_ref import Handler, VmRef


async def _take_turn(tools: VmTools, ref: VmRef, action: do.TakeTurn) -> None:
    if not tools.moves.take_turn(ref.uid, action.uid, LiveMove(action.key, action.pool)):
        raise wait_for_turn(action.volume, action.pool)


async def _try_passphrase(tools: VmTools, ref: VmRef, action: do.TryPassphrase) -> None:
    passphrase = await passphrase_of(tools, ref, action.volume)
    await tools.moves.try_passphrase(action.source, passphrase)


async def _make_copy(tools: VmTools, ref: VmRef, action: do.MakeCopy) -> None:
    passphrase = await passphrase_of(tools, ref, action.encrypted)
    claim = await _held(tools, ref, action.source, action.epoch)
    leaving = moves.leave(claim, action.pool)
    await _change(tools, action.source, claim, leaving)
    holder = Holder(tools.facts().name, action.epoch)
    copy = moves.copy_of(leaving, action.source_pool, holder, ref.uid)
    await tools.moves.make_copy(action.pool, action.source.handle, action.size_bytes, copy, passphrase)


async def _copy_disk(tools: VmTools, ref: VmRef, action: do.CopyDisk) -> None:
    async with unlocked(tools, ref, action.encrypted, action.pools):
        await tools.hypervisor.copy_disk(ref.domain, action.target, action.xml, tools.moves.bytes_per_second)


async def _switch_to_copy(tools: VmTools, ref: VmRef, action: do.SwitchToCopy) -> None:
    await tools.hypervisor.switch_to_copy(ref.domain, action.target)


async def _drop_copy(tools: VmTools, ref: VmRef, action: do.DropCopy) -> None:
    await tools.hypervisor.drop_copy(ref.domain, action.target)


async def _hand_on(tools: VmTools, ref: VmRef, action: do.HandOn) -> None:
    claim = await _held(tools, ref, action.source, action.epoch)
    copy = await _held(tools, ref, action.target, action.epoch)
    await _change(tools, action.source, claim, moves.hand_on(claim, action.pool))
    await _change(tools, action.target, copy, moves.complete(copy, claim))


async def _held(tools: VmTools, ref: VmRef, place: VolumePlace, epoch: int) -> Claim:
    """The claim, which must be this VM's under the present epoch. Raises ClaimRefusedError (ClaimNotHeld)."""
    host, claim = tools.facts().name, await tools.ask(place.pool, partial(tools.claims.read, place))
    if claim is None or not claim.held_by(host, epoch) or claim.vm_uid != ref.uid:
        raise as_error(ClaimRefusedError, "ClaimNotHeld", host=host)
    return claim


async def _change(tools: VmTools, place: VolumePlace, expected: Claim, wanted: Claim) -> None:
    await tools.ask(place.pool, partial(tools.claims.compare_and_set, place, expected, wanted))


MOVE_HANDLERS: Mapping[type, Handler] = {
    do.TakeTurn: _take_turn,
    do.TryPassphrase: _try_passphrase,
    do.MakeCopy: _make_copy,
    do.CopyDisk: _copy_disk,
    do.SwitchToCopy: _switch_to_copy,
    do.DropCopy: _drop_copy,
    do.HandOn: _hand_on,
}
