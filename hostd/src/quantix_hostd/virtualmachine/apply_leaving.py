"""Does what a guest that leaves this host needs. Part of `apply`, whose table these belong to."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import partial
from typing import TypeGuard

import structlog

from quantix_api.errors import QuantixError, TransientError
from quantix_api.messages import as_error
from quantix_hostd.claims import Claim, ClaimRefusedError, Holder, VolumeMissingError, VolumePlace, hand_over
from quantix_hostd.virtualmachine import leaving_actions as do
from quantix_hostd.virtualmachine.apply_passphrases import passphrase_of
from quantix_hostd.virtualmachine.tools import VmTools
from quantix_hostd.virtualmachine.vm_ref import Handler, VmRef

log = structlog.get_logger(__name__)


async def _send_guest(tools: VmTools, ref: VmRef, action: do.SendGuest) -> None:
    assert ref.vm is not None
    assert tools.departures is not None
    try:
        for place, volume in action.encrypted:
            await tools.moves.try_passphrase(place, await passphrase_of(tools, ref, volume))
    except QuantixError as error:
        tools.departures.outgoing.fail(ref.uid, action.migration, error)
        return
    await tools.departures.begin(ref.vm, ref.domain, action)


async def _stop_sending(tools: VmTools, ref: VmRef, action: do.StopSending) -> None:
    await tools.hypervisor.stop_sending(ref.domain)


async def _switch_over(tools: VmTools, ref: VmRef, action: do.SwitchOver) -> None:
    assert tools.departures is not None
    await tools.departures.switch(action.migration, action.target, action.epoch)
    if not await tools.hypervisor.switch_sending(ref.domain):
        # all of it may be there by now: the target is not to wait for the claims
        await tools.departures.switch(action.migration, action.target, 0)
        raise as_error(TransientError, "SourceFailed", unswitched=ref.domain)
    log.info("guest switched", uid=ref.uid, to=action.target)


async def _hand_over(tools: VmTools, ref: VmRef, action: do.HandOver) -> None:
    host = tools.facts().name

    def hand_one_over(place: VolumePlace) -> None:
        claim = tools.claims.read(place)
        if _goes(claim, action, ref.uid, host, decides=place == action.places[0]):
            tools.claims.compare_and_set(place, claim, hand_over(claim, host, action.target))

    for place in reversed(action.places):
        await tools.ask(place.pool, partial(hand_one_over, place))
    log.info("guest handed over", uid=ref.uid, to=action.target, epoch=action.to_epoch)


def _goes(
    claim: Claim | None, action: do.HandOver, vm_uid: str, host: str, *, decides: bool
) -> TypeGuard[Claim]:
    """Whether this claim is to name the target, and does not yet. Raises ClaimRefusedError."""
    if claim is not None and claim.holder == Holder(action.target, action.to_epoch):
        return False
    if not decides and (claim is None or claim.holder is None):
        # no disk of the guest that went: it was added since
        return False
    if claim is None or claim.vm_uid != vm_uid or not claim.held_by(host, action.to_epoch - 1):
        raise as_error(ClaimRefusedError, "ClaimNotHeld", host=host)
    return True


async def _tell_target(tools: VmTools, ref: VmRef, action: do.TellTarget) -> None:
    assert tools.departures is not None
    try:
        await tools.departures.tell(ref.uid, action.migration, action.target, action.epoch)
    except QuantixError as error:
        # it reads it in the API, or in the claim
        log.warning("the target was not told", uid=ref.uid, target=action.target, error=str(error))
        return
    record = await asyncio.to_thread(tools.records.load, ref.uid)
    if record.leaving is not None and not record.leaving.switched:
        # the operator waits for this: a look at all that is left here comes after it
        await tools.departures.report(ref.uid, record.leaving, None)


async def _remove_moved(tools: VmTools, ref: VmRef, action: do.RemoveMoved) -> None:
    ours = tools.objects.volume_handles() if action.unless_ours else frozenset()
    for place in action.places:
        try:
            claim = await tools.ask(place.pool, partial(tools.claims.read, place))
        except VolumeMissingError:
            continue
        if place.handle in ours or not _went(claim, ref.uid, action.target):
            # whatever it is, it did not go to that host, or nobody heard that it did
            log.warning("data is kept", uid=ref.uid, path=place.shown)
            continue
        await tools.moves.remove_copy(tools.objects.pool_of(place.pool), place.handle)
        log.info("data that moved is removed", uid=ref.uid, path=place.shown, to=action.target)


def _went(claim: Claim | None, vm_uid: str, target: str) -> bool:
    holder = claim.holder if claim is not None and claim.vm_uid == vm_uid else None
    return holder is not None and holder.host == target


LEAVING_HANDLERS: Mapping[type, Handler] = {
    do.SendGuest: _send_guest,
    do.StopSending: _stop_sending,
    do.SwitchOver: _switch_over,
    do.HandOver: _hand_over,
    do.TellTarget: _tell_target,
    do.RemoveMoved: _remove_moved,
}
