"""Writes what the operator says of a snapshot or of a restore, each as one write that may be repeated.

Used by the writers of both with the lock of placements held; what else each of them does is theirs. All of it
raises NotFound for what is gone, and Conflict for what has changed since it was decided on.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import structlog

from quantix_api import ApiObject, VirtualMachine
from quantix_api.message_text import cause_of
from quantix_api.messages import render
from quantix_api.resources import MANAGER_SCHEDULER, Resource
from quantix_client.api import Manifest
from quantix_client.errors import NotFound
from quantix_operator.context import Context
from quantix_operator.finalizers import Finalizers
from quantix_operator.objects import Objects
from quantix_operator.status_writer import StatusWriter
from quantix_operator.vmwork.telling import Tell, told_status

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Failure:
    """The event that a VM gets when it has failed: its reason, and what was to be done."""

    reason: str
    action: str


class WorkWriter:
    """Of the objects of one kind."""

    def __init__(self, context: Context, objects: Objects, resource: Resource, failure: Failure) -> None:
        self._events, self._objects = context.events, objects
        self._resource, self._failure = resource, failure
        self._operator = StatusWriter(context.api, context.cache)
        self._scheduler = StatusWriter(context.api, context.cache, MANAGER_SCHEDULER)
        self._finalizers = Finalizers(context.api, context.cache, resource)

    async def keep(self, work: ApiObject) -> Manifest:
        """It does not go before what is done from now on is undone."""
        held = await self._finalizers.ensure(self._objects.live(work))
        if held is None:
            raise NotFound(f"{work.key} is gone")
        return held

    async def choose(self, work: ApiObject, status: dict[str, Any]) -> None:
        """Who does it, and of what: all that the scheduler says."""
        held = await self.keep(work)
        await self._scheduler.write(self._resource, held, status, on_version=True)
        log.info("host chosen", kind=self._resource.kind, object=work.key, host=status["host"])

    async def take_back(self, work: ApiObject) -> None:
        """What was chosen, in the state that was looked at: it waits as before."""
        await self._scheduler.write(self._resource, self._objects.live(work), {}, on_version=True)
        log.info("chosen anew", kind=self._resource.kind, object=work.key)

    async def hand(self, work: ApiObject, host: str) -> None:
        """To another host; the rest stays as it was chosen."""
        await self.choose(work, self._scheduler.owned(self._objects.live(work)) | {"host": host})

    async def tell(self, work: ApiObject, told: Tell, vm: VirtualMachine | None, snapshot: str) -> None:
        """And the VM, if that is there, when it has failed."""
        live = self._objects.live(work)
        status = told_status(self._resource, live, told, datetime.now(UTC))
        written = await self._operator.write(self._resource, live, status, on_version=True)
        about = self._objects.manifest(vm) if vm is not None else None
        if not written or not told.ended or about is None:
            return
        log.info("ended", kind=self._resource.kind, object=work.key, reason=told.ready.reason)
        why = f"{cause_of(told.ready.message)} ({told.ready.reason})"
        said = render(self._failure.reason, snapshot=snapshot, why=why)
        action = self._failure.action
        self._events.record(
            about, said.reason, said.text, type="Warning", action=action, reporter="scheduler"
        )

    async def leave(self, work: ApiObject, status: dict[str, Any]) -> None:
        """Its host says how it goes: `status` is all that is left to say."""
        await self._operator.write(self._resource, self._objects.live(work), status, leave_ready=True)

    async def release(self, work: ApiObject) -> None:
        """The last step of its deletion."""
        await self._finalizers.release(self._objects.live(work))
