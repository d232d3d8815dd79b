"""Makes this host ready for a guest that comes, and tells the migration that it is, or why it cannot be.

A part of `incoming`, which decides when. Whether the guest is here already is looked at before the first of
it is made: from then on what is noted (`ComingStore`) is this host's to clear up, and nothing else is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import structlog

from quantix_api import VirtualMachine
from quantix_api.errors import QuantixError, TransientError, WaitingError
from quantix_api.resources import MANAGER_TARGET, VIRTUAL_MACHINE_MIGRATIONS
from quantix_client.api import ApiClient
from quantix_client.apply import apply_if_changed
from quantix_client.errors import NotFound
from quantix_hostd.migration.coming import Coming, ComingStore
from quantix_hostd.migration.handed import why_here
from quantix_hostd.migration.receiving import clear_up, coming_of, prepare
from quantix_hostd.migration.said import has_answered, hindrance, refusal
from quantix_hostd.virtualmachine.tools import VmTools
from quantix_hostd.virtualmachine.vm_ref import VmRef

log = structlog.get_logger(__name__)

Manifest = dict[str, Any]
_LOOK_S = 2.0
_QUIET_S = 30.0
_GRANTED_S = 30.0


async def tell_target(api: ApiClient, manifest: Manifest, said: Mapping[str, Any]) -> None:
    """Say this in the migration, as its target, and nothing else."""
    fields = {"status": {"target": dict(said)}}
    try:
        await apply_if_changed(api, VIRTUAL_MACHINE_MIGRATIONS, manifest, fields, manager=MANAGER_TARGET)
    except NotFound:
        log.info("the migration is gone", name=manifest["metadata"]["name"])


@dataclass
class Readying:
    """`machine` is the VM with a UID that names this host as target; `ready` what is said of one that may
    come; `forget` ends what is noted of a VM.
    """

    tools: VmTools
    store: ComingStore
    machine: Callable[[str], VirtualMachine | None]
    ready: Callable[[Manifest, VirtualMachine | None], dict[str, Any]]
    forget: Callable[[str], Awaitable[None]]
    _waits_since_s: dict[str, float] = field(default_factory=dict)
    """By UID of the migration."""

    async def prepare(self, vm_uid: str, manifest: Manifest, before: Coming | None) -> float:
        """Make all that it finds here; seconds until the next look. `before`: what was noted of it.

        Raises TransientError while nobody knows whether it may be made.
        """
        vm = self.machine(vm_uid)
        if vm is None:
            return _LOOK_S
        ref, source = VmRef(vm_uid, vm), str(manifest["status"]["sourceHost"])
        try:
            coming = await coming_of(self.tools, vm, manifest["metadata"]["uid"], source)
        except (QuantixError, OSError) as error:
            return await self._refuse(vm_uid, manifest, before, error)
        if before is None:
            try:
                here = await why_here(self.tools, ref, coming)
            except TransientError as error:
                await self.tell_hindrance(vm_uid, manifest, error)
                raise
            except QuantixError as error:
                here = error
            if here is not None:
                return await self._refuse(vm_uid, manifest, None, here)
        return await self._make_ready(ref, manifest, coming)

    async def _make_ready(self, ref: VmRef, manifest: Manifest, coming: Coming) -> float:
        try:
            # noted first: whatever is half made is found again
            await asyncio.to_thread(self.store.save, ref.uid, coming)
            await prepare(self.tools, ref)
        except WaitingError as wait:
            if wait.reason == "SecretNotGranted" and self._has_time(coming.uid):
                return wait.retry_after_s
            return await self._refuse(ref.uid, manifest, coming, wait)
        except (QuantixError, OSError) as error:
            return await self._refuse(ref.uid, manifest, coming, error)
        self._waits_since_s.pop(coming.uid, None)
        await asyncio.to_thread(self.store.save, ref.uid, replace(coming, prepared=True))
        await tell_target(self.tools.api, manifest, self.ready(manifest, ref.vm))
        log.info("ready for a guest", uid=ref.uid, source=coming.source)
        return _LOOK_S

    async def tell_hindrance(self, vm_uid: str, manifest: Manifest, error: QuantixError) -> None:
        """Why it cannot be made ready for yet."""
        if self.machine(vm_uid) is not None and not has_answered(manifest):
            await tell_target(self.tools.api, manifest, hindrance(error))

    def _has_time(self, migration: str) -> bool:
        """The operator lets this host read Secrets as soon as it sees where the VM goes."""
        now_s = self.tools.clock.monotonic()
        return now_s - self._waits_since_s.setdefault(migration, now_s) < _GRANTED_S

    async def _refuse(
        self, vm_uid: str, manifest: Manifest, made: Coming | None, error: QuantixError | OSError
    ) -> float:
        """It cannot come. `made`: what was noted to be made for it; without that nothing here is its."""
        log.warning("a guest is not received", uid=vm_uid, error=str(error))
        await tell_target(self.tools.api, manifest, refusal(error))
        if made is not None:
            await clear_up(self.tools, VmRef(vm_uid, self.machine(vm_uid)), made)
            await self.forget(vm_uid)
        return _QUIET_S
