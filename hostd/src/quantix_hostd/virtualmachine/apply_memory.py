"""Starts a guest from memory that a snapshot kept. Part of `apply`, whose table these handlers belong to."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import partial

import structlog

from quantix_api.errors import PermanentError, QuantixError
from quantix_api.messages import render
from quantix_api.resources import VIRTUAL_MACHINES
from quantix_hostd.claims import VolumePlace, without_memory
from quantix_hostd.events import tell
from quantix_hostd.told import Told
from quantix_hostd.virtualmachine import memory_actions as do
from quantix_hostd.virtualmachine.apply_passphrases import unlocked
from quantix_hostd.virtualmachine.tools import VmTools
from quantix_hostd.virtualmachine.vm_ref import Handler, VmRef

log = structlog.get_logger(__name__)

_FOR_EVER = frozenset({"DataMissing"})


async def _restore_paused(tools: VmTools, ref: VmRef, action: do.RestorePaused) -> None:
    await asyncio.to_thread(tools.records.clear_events, ref.uid)
    async with unlocked(tools, ref, action.encrypted, action.ceph):
        try:
            await _go_on(tools, ref, action)
        except QuantixError as error:
            if error.reason not in _FOR_EVER and not isinstance(error, PermanentError):
                raise
            await _boot(tools, ref, action, error)
    tools.consoles.attach(ref.uid, tools.layout.vm_run(ref.uid) / "serial.sock")
    await asyncio.to_thread(tools.directories.close_sockets, ref.uid)


async def _go_on(tools: VmTools, ref: VmRef, action: do.RestorePaused) -> None:
    """Raises TransientError (DataMissing) where a pool that answers has no such memory, and PermanentError
    where this host does not get to it, or it is another machine's.
    """
    async with tools.memory(action.pool, action.snapshot) as path:
        await tools.hypervisor.restore_paused(ref.domain, str(path), action.xml)
    log.info("guest goes on with memory that was kept", uid=ref.uid, snapshot=action.snapshot)


async def _boot(tools: VmTools, ref: VmRef, action: do.RestorePaused, why: QuantixError) -> None:
    """From its disks, which are whole. Never again with that memory, since the guest writes from now on."""
    log.warning("memory cannot be used", uid=ref.uid, snapshot=action.snapshot, error=str(why))
    await _forget_memory(tools, ref, do.ForgetMemory(action.places))
    about = {"name": ref.name, "said": why.message.rstrip(".")}
    manifest = tools.objects.virtual_machine_manifest(ref.uid)
    if manifest is not None:
        told = Told("MemoryUnusable", render("MemoryUnusable", **about).text, "Warning")
        tell(tools.events, VIRTUAL_MACHINES, manifest, told)
    await tools.hypervisor.create_paused(ref.domain)


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
