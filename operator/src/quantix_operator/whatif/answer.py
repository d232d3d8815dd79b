"""Answers what would happen: the leader from its cache, a standby with who leads. Made by `service`."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from quantix_api import Host
from quantix_api.errors import QuantixError
from quantix_api.host_plan import Question
from quantix_api.resources import LEASES, NAMESPACE_SYSTEM
from quantix_client.api import ApiClient
from quantix_operator.balance.document import balance_document
from quantix_operator.balance.observe import situation_of
from quantix_operator.balance.plan import plan_balance
from quantix_operator.clients.plan_door import Reply
from quantix_operator.leader import LEADER_LEASE
from quantix_operator.objects import Objects
from quantix_operator.whatif.observe import observe
from quantix_operator.whatif.play import play

_AWAY = "No operator leads at the moment. Try: again in some seconds"


class Planner:
    """What this process answers, while it leads and while it does not."""

    def __init__(self, api: ApiClient) -> None:
        self._api = api
        self._objects: Objects | None = None

    def lead(self, objects: Objects) -> None:
        """This process leads: its cache is the one that is decided on."""
        self._objects = objects

    def give_way(self) -> None:
        self._objects = None

    async def answer(self, question: Question, name: str) -> Reply:
        """A plan (200), no such host (404), or who leads instead (503)."""
        if self._objects is None:
            return Reply(503, sentence=await self._who_leads())
        source = self._objects.get(Host, name)
        if source is None:
            return Reply(404, sentence=f"There is no host {name}. Try: qx host list")
        played = observe(self._objects, question, source, datetime.now(UTC))
        # frozen values from here on: the leader goes on meanwhile
        plan = await asyncio.to_thread(play, question, played)
        return Reply(200, plan.manifest())

    async def answer_balance(self) -> Reply:
        """Which VMs would be better off elsewhere, whatever the mode of the balancer is; or who leads."""
        if self._objects is None:
            return Reply(503, sentence=await self._who_leads())
        now = datetime.now(UTC)
        situation = await situation_of(self._objects, now)
        plan = await asyncio.to_thread(plan_balance, situation.observed, now)
        return Reply(200, balance_document(situation, plan).manifest())

    async def _who_leads(self) -> str:
        try:
            lease = await self._api.get(LEASES, LEADER_LEASE, NAMESPACE_SYSTEM)
        except QuantixError:
            return _AWAY
        holder = str((lease.get("spec") or {}).get("holderIdentity") or "")
        host = holder.rsplit("_", 2)[0]
        return f"The operator on {host} leads, not this one. Try: the same on {host}" if host else _AWAY
