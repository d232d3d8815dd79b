"""Starts a guest from memory that a snapshot kept. Part of `apply`, whose table these handlers belong to."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import partial

import structlog

from quantix_api.errors import PermanentError
from quantix_api.messages import as_error
from quantix_hostd.claims import VolumePlace, without_memory
from quantix_hostd.virtualmachine import memory_actions as do
from quantix_hostd.virtualmachine.apply_passphrases import unlocked
from quantix_hostd.virtualmachine.tools import VmTools
from quantix_hostd.virtualmachine.vm_ref import Handler, VmRef

log = structlog.get_logger(__name__)


async def _restore_paused(tools: VmTools, ref: VmRef, action: do.RestorePaused) -> None:
    await asyncio.to_thread(tools.records.clear_events, ref.uid)
    async with tools.memory(action.pool, action.snapshot) as path:
        async with unlocked(tools, ref, action.encrypted, action.ceph):
            try:
                await tools.hypervisor.restore_paused(ref.domain, str(path), action.xml)
            except PermanentError as refused:
                about = {"name": ref.name, "said": refused.message.rstrip(".")}
                raise as_error(PermanentError, "MemoryUnusable", **about) from refused
    log.info("guest goes on with memory that was kept", uid=ref.uid, snapshot=action.snapshot)
    tools.consoles.attach(ref.uid, tools.layout.vm_run(ref.uid) / "serial.sock")
    await asyncio.to_thread(tools.directories.close_sockets, ref.uid)


async def _forget_memory(tools: VmTools, ref: VmRef, action: do.ForgetMemory) -> None:
    host = tools.facts().name

    def forget(place: VolumePlace) -> None:
        claim = tools.claims.read(place)
        if claim is not None and claim.memory:
            tools.claims.compare_and_set(place, claim, without_memory(claim, host))

    for place in action.places:
        await tools.ask(place.pool, partial(forget, place))


MEMORY_HANDLERS: Mapping[type, Handler] = {
    do.RestorePaused: _restore_paused,
    do.ForgetMemory: _forget_memory,
}
