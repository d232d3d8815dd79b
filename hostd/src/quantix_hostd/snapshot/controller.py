"""Brings each snapshot of this host to what the API wants: take it, once; remove it once it is deleted.

`assembly` feeds the queue (keys `namespace/name`). Each look observes, plans (`plan`) and applies until
nothing is left to do.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import structlog

from quantix_api import VirtualMachineSnapshot
from quantix_api.errors import QuantixError, WaitingError
from quantix_api.message_text import cause_of
from quantix_api.messages import render
from quantix_api.resources import VIRTUAL_MACHINE_SNAPSHOTS, VIRTUAL_MACHINES
from quantix_api.virtual_machine_snapshot import OVER
from quantix_client.reading import model_of
from quantix_hostd.endless import endless
from quantix_hostd.events import tell
from quantix_hostd.report import in_words, next_look_s, report
from quantix_hostd.snapshot import actions as do
from quantix_hostd.snapshot.kept import Kept
from quantix_hostd.snapshot.observe import observe
from quantix_hostd.snapshot.plan import LOOK_AGAIN_S, plan_snapshot
from quantix_hostd.snapshot.status import SnapshotVerdict, derive_status, words_of
from quantix_hostd.snapshot.taking import Taking
from quantix_hostd.snapshot.tools import Manifest, SnapshotTools
from quantix_hostd.snapshot.undoing import remove_data, thaw, undo
from quantix_hostd.told import Told

_MAX_ROUNDS = 6
# no longer: a guest may stand still for it
_FIRST_RETRY_S, _LAST_RETRY_S = 5.0, 60.0

log = structlog.get_logger(__name__)


class SnapshotController:
    """One for a process."""

    def __init__(self, tools: SnapshotTools, enqueue: Callable[[str], None]) -> None:
        self._tools = tools
        self._enqueue = enqueue
        self._taking = Taking(tools, enqueue)

    async def stop(self) -> None:
        """What QEMU copies it goes on to copy."""
        await self._taking.stop()

    async def tidy(self) -> None:
        """At hostd's start, before any guest goes on with its memory: what an earlier one left of memory goes
        but for what a snapshot needs that is gone on with.
        """

        def sweep() -> int:
            under_way = {kept.uid for kept in self._tools.kept.all() if kept.under_way}
            return self._tools.storage.sweep_memory(under_way)

        try:
            if swept := await asyncio.to_thread(sweep):
                log.info("memory of guests removed that was left", count=swept)
        except OSError as error:
            # it is found at the next start
            log.warning("memory of guests that was left stays", error=str(error))

    async def resume_left(self) -> None:
        """At hostd's start: of those that an earlier one took, and that are no more in the API, nothing is
        left, and no guest stands still for them. All others are looked at. None waits for another.
        """
        async with asyncio.TaskGroup() as group:
            for kept in await asyncio.to_thread(self._tools.kept.all):
                found = self._tools.snapshots.get(kept.key)
                if found is not None and found["metadata"]["uid"] == kept.uid:
                    self._enqueue(kept.key)
                else:
                    group.create_task(self._end_left(kept), name=f"snapshot-left-{kept.uid}")

    async def _end_left(self, kept: Kept) -> None:
        delay_s, told = _FIRST_RETRY_S, ""
        while True:
            try:
                frozen = await undo(self._tools, kept)
                if frozen is not None:
                    raise frozen
                await asyncio.to_thread(self._tools.kept.forget, kept.uid)
            except (QuantixError, OSError) as error:
                if str(error) != told:
                    told = str(error)
                    log.warning("what is left of a snapshot stays", uid=kept.uid, error=told)
                await self._tools.clock.sleep(delay_s)
                delay_s = min(2 * delay_s, _LAST_RETRY_S)
            else:
                return

    async def reconcile(self, key: str) -> float | None:
        """Bring the snapshot nearer; seconds until the next look.

        What goes wrong is reported first; then a TransientError or InvariantError is raised, for the backoff.
        """
        manifest = self._tools.snapshots.get(key)
        if manifest is None:
            return None
        snapshot = model_of(VirtualMachineSnapshot, manifest)
        if snapshot.status.host != self._tools.host:
            return None
        error: QuantixError | None = None
        verdict: SnapshotVerdict | None = None
        again_s = LOOK_AGAIN_S
        try:
            verdict, again_s = await self._settle(snapshot)
        except (QuantixError, OSError) as trouble:
            error = in_words(trouble, f"snapshot {snapshot.metadata.name}")
            if snapshot.status.phase not in OVER or snapshot.deleting:
                verdict = SnapshotVerdict(*words_of(error))
        if verdict is not None:
            await self._report(manifest, snapshot, verdict)
        return next_look_s(error, again_s)

    async def _report(
        self, manifest: Manifest, snapshot: VirtualMachineSnapshot, verdict: SnapshotVerdict
    ) -> None:
        status = derive_status(snapshot, verdict, datetime.now(UTC))
        written = await report(self._tools.api, VIRTUAL_MACHINE_SNAPSHOTS, dict(manifest), status)
        if written is not None and status["phase"] != snapshot.status.phase:
            self._tell(snapshot, verdict)

    def _tell(self, snapshot: VirtualMachineSnapshot, verdict: SnapshotVerdict) -> None:
        kept = verdict.kept
        vm = None if kept is None else self._tools.vms.objects.virtual_machine_manifest(kept.vm_uid)
        if vm is None:
            return
        name = snapshot.metadata.name
        if verdict.failed:
            text = render("SnapshotFailed", snapshot=name, why=cause_of(verdict.message)).text
            tell(self._tools.events, VIRTUAL_MACHINES, vm, Told("SnapshotFailed", text, "Warning"))
        elif verdict.reason == "Taken":
            told = Told("SnapshotTaken", render("SnapshotTaken", snapshot=name).text)
            tell(self._tools.events, VIRTUAL_MACHINES, vm, told)

    async def _settle(self, snapshot: VirtualMachineSnapshot) -> tuple[SnapshotVerdict | None, float]:
        """Act until nothing is left to do; how it is then, and when to look again."""
        for _ in range(_MAX_ROUNDS):
            seen = await observe(self._tools, snapshot, self._taking.seen(snapshot.metadata.uid))
            found = plan_snapshot(seen)
            if found.error is not None:
                raise found.error
            if not found.actions:
                return found.verdict, found.again_s
            for action in found.actions:
                await self._apply(snapshot, action)
            if found.after is not None:
                return found.after, found.again_s
        raise endless(found.actions)

    async def _apply(self, snapshot: VirtualMachineSnapshot, action: do.Action) -> None:
        tools, uid = self._tools, snapshot.metadata.uid
        match action:
            case do.Take():
                await asyncio.to_thread(tools.kept.save, action.kept)
                self._taking.begin(snapshot, action.kept)
                log.info("snapshot is being taken", uid=uid, vm=action.kept.vm_uid, live=action.kept.live)
            case do.GoOn():
                self._taking.go_on(action.kept)
            case do.Undo():
                await self._undo(uid, action)
            case do.Thaw():
                await thaw(tools, action.kept)
                await asyncio.to_thread(tools.kept.save, replace(action.kept, frozen=False))
            case do.Forget():
                await self._taking.forget(uid)
                await asyncio.to_thread(tools.kept.forget, uid)
            case do.RemoveData():
                await self._taking.forget(uid)
                await remove_data(tools, snapshot)
                await asyncio.to_thread(tools.kept.forget, uid)

    async def _undo(self, uid: str, action: do.Undo) -> None:
        tools, error = self._tools, self._taking.seen(uid).error
        if action.after is not None:
            # why it failed must be found again, wherever undoing it stops
            await asyncio.to_thread(tools.kept.save, action.kept)
        await self._taking.forget(uid)
        frozen = await undo(tools, action.kept)
        if action.after is not None:
            await asyncio.to_thread(tools.kept.save, replace(action.after, frozen=frozen is not None))
        elif frozen is None:
            await asyncio.to_thread(tools.kept.forget, uid)
        tools.look_again(action.kept.vm_uid)
        if isinstance(error, WaitingError):
            raise error
        if frozen is not None and action.after is None:
            raise frozen
