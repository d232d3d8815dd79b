"""Moves what firmware and TPM remember between this host and the pool. Part of `apply`, whose table these
handlers belong to.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import partial

import structlog

from quantix_api.errors import TransientError
from quantix_api.messages import as_error
from quantix_hostd.claims import ClaimRefusedError, VolumeMissingError
from quantix_hostd.clients.state_store import Owned
from quantix_hostd.virtualmachine import actions as do
from quantix_hostd.virtualmachine.tools import VmTools
from quantix_hostd.virtualmachine.vm_ref import Handler, VmRef

log = structlog.get_logger(__name__)


async def _restore_state(tools: VmTools, ref: VmRef, action: do.RestoreState) -> None:
    owned = Owned(ref.uid, action.uuid, action.place, action.epoch)
    await tools.ask(action.place.pool, partial(tools.states.restore, owned))


async def _save_state(tools: VmTools, ref: VmRef, action: do.SaveState) -> None:
    owned = Owned(ref.uid, action.uuid, action.place, action.epoch)
    try:
        await tools.ask(action.place.pool, partial(tools.states.save, owned))
    except ClaimRefusedError as refused:
        # another has it: what lies here is older than what that one writes
        log.warning("state is not kept", uid=ref.uid, path=action.place.shown, error=refused.message)
    except VolumeMissingError as missing:
        if not action.give_up:
            told = {"name": ref.name, "place": action.place.shown}
            raise as_error(TransientError, "DataMissing", **told) from missing


async def _remove_local_state(tools: VmTools, ref: VmRef, action: do.RemoveLocalState) -> None:
    await asyncio.to_thread(tools.states.remove_local, ref.uid, action.uuid)


STATE_HANDLERS: Mapping[type, Handler] = {
    do.RestoreState: _restore_state,
    do.SaveState: _save_state,
    do.RemoveLocalState: _remove_local_state,
}
