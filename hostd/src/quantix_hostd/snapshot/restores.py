"""Brings each restore of this host to its end: once begun it is carried through, also while it is deleted.

`assembly` feeds the queue (keys `namespace/name`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from quantix_api import VirtualMachineRestore
from quantix_api.conditions import ready_reason
from quantix_api.errors import PermanentError, QuantixError
from quantix_api.facts import Fact, fact, render_conditions, subject_of, with_kstatus
from quantix_api.message_text import cause_of
from quantix_api.messages import message_of, over, render
from quantix_api.resources import VIRTUAL_MACHINE_RESTORES, VIRTUAL_MACHINES
from quantix_api.times import render_time
from quantix_api.virtual_machine_restore import OVER
from quantix_client.errors import NotFound
from quantix_client.reading import model_of
from quantix_hostd.events import tell
from quantix_hostd.facts.copies import CopyProgress
from quantix_hostd.report import report
from quantix_hostd.snapshot.setting_back import SettingBack
from quantix_hostd.snapshot.status import render_progress
from quantix_hostd.snapshot.tools import Manifest, SnapshotTools
from quantix_hostd.told import Told
from quantix_hostd.transfer.transfers import Transfer, Transfers

_KIND = "VirtualMachineRestore"
_LOOK_S, _AT_ONCE_S, _VM_LOOK_S = 5.0, 0.1, 15.0


class RestoreController:
    """One for a process."""

    def __init__(self, tools: SnapshotTools, enqueue: Callable[[str], None]) -> None:
        self._tools = tools
        self._setting_back = SettingBack(tools)
        self._transfers: Transfers[bool] = Transfers("restore", enqueue)

    async def stop(self) -> None:
        """What is half done is begun again by the next hostd; until then the VM does not start."""
        await self._transfers.stop()

    async def reconcile(self, key: str) -> float | None:
        """Bring the restore nearer to its end; seconds until the next look. Raises ApiError."""
        manifest = self._tools.restores.get(key)
        if manifest is None:
            return None
        restore = model_of(VirtualMachineRestore, manifest)
        uid = restore.metadata.uid
        if restore.status.host != self._tools.host or restore.status.phase in OVER:
            await self._transfers.forget(uid)
            return None
        transfer = self._transfers.get(uid, "")
        if transfer is None:
            self._begin(restore)
        elif not transfer.running and transfer.received is not None:
            await self._report(manifest, restore, "Restored", _restored(restore))
            return None
        elif not transfer.running and isinstance(transfer.error, PermanentError):
            await self._report(manifest, restore, "Failed", _failed(transfer.error))
            return None
        elif not transfer.running and transfer.error is not None:
            return await self._again(manifest, restore, transfer)
        await self._report(manifest, restore, "Restoring", self._going_on())
        return _LOOK_S

    def _going_on(self) -> Fact:
        return fact("Ready", "False", "Restoring", host=self._tools.host)

    async def _again(
        self, manifest: Manifest, restore: VirtualMachineRestore, transfer: Transfer[bool]
    ) -> float:
        """After what may go by itself: some disks may be set back already, and the VM waits for it."""
        assert transfer.error is not None
        left_s = transfer.retry_in_s() or 0.0
        if left_s > 0 and await self._setting_back.is_vm_gone(restore):
            # its deletion waits for this
            left_s = max(0.0, left_s - max(0.0, transfer.delay_s - _VM_LOOK_S))
        if left_s <= 0:
            self._begin(restore)
        await self._report(manifest, restore, "Restoring", self._waiting(transfer.error, left_s))
        return min(max(left_s, _AT_ONCE_S), _VM_LOOK_S) if left_s > 0 else _LOOK_S

    def _waiting(self, error: QuantixError, left_s: float) -> Fact:
        at = render_time(datetime.now(UTC) + timedelta(seconds=left_s))
        said = {"host": self._tools.host, "at": at, "said": error.message.rstrip(".")}
        return _told(error, fact("Ready", "False", "Restoring", **said) if left_s > 0 else self._going_on())

    def _begin(self, restore: VirtualMachineRestore) -> None:
        async def run(restore: VirtualMachineRestore, transfer: Transfer[bool]) -> bool:
            await self._setting_back.run(restore, transfer)
            return True

        self._transfers.begin(restore.metadata.uid, "", restore.key, partial(run, restore))

    async def _report(
        self, manifest: Manifest, restore: VirtualMachineRestore, phase: str, ready: Fact
    ) -> None:
        now = datetime.now(UTC)
        status: dict[str, Any] = {"observedGeneration": restore.metadata.generation, "phase": phase}
        if phase in OVER:
            status["finishedAt"] = render_time(now)
        transfer = self._transfers.get(restore.metadata.uid, "")
        if transfer is not None and transfer.running and transfer.shown[1]:
            status["progress"] = render_progress(CopyProgress(*transfer.shown))
        facts = [ready, ready.repeated_as("Stalled", "True")] if phase == "Failed" else with_kstatus(ready)
        status["conditions"] = render_conditions(facts, subject_of(restore), now)
        written = await report(self._tools.api, VIRTUAL_MACHINE_RESTORES, dict(manifest), status)
        if written is not None and phase in OVER:
            await self._tell(restore, phase, ready)

    async def _tell(self, restore: VirtualMachineRestore, phase: str, ready: Fact) -> None:
        about, name = restore.metadata, restore.spec.snapshot
        try:
            vm = await self._tools.api.get(VIRTUAL_MACHINES, restore.spec.virtual_machine, about.namespace)
        except NotFound:
            return
        if phase == "Restored":
            told = Told("RestoreDone", render("RestoreDone", snapshot=name).text)
        else:
            why = cause_of(ready.message)
            told = Told("RestoreFailed", render("RestoreFailed", snapshot=name, why=why).text, "Warning")
        tell(self._tools.events, VIRTUAL_MACHINES, vm, told)


def _restored(restore: VirtualMachineRestore) -> Fact:
    return fact(
        "Ready", "True", "Restored", name=restore.spec.virtual_machine, snapshot=restore.spec.snapshot
    )


def _failed(error: QuantixError) -> Fact:
    failed = _told(error, fact("Ready", "False", "RestoreFailed", said=error.message.rstrip(".")))
    return replace(failed, message=over(failed.message))


def _told(error: QuantixError, otherwise: Fact) -> Fact:
    """What kept it from being done, or `otherwise` where the kind does not know that reason."""
    reason = ready_reason(_KIND, error.reason)
    return otherwise if reason == "InternalError" else Fact("Ready", "False", reason, message_of(error))
