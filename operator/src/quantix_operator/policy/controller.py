"""Says of objects without effects of their own that they count: Ready, so that kubectl wait and GitOps tools
do not wait for ever. Run by the dispatcher, one controller a kind.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from quantix_api.facts import fact, render_conditions, subject_in
from quantix_api.resources import HA_POLICIES, INSTANCE_TYPES, SCHEDULING_POLICIES, Resource
from quantix_client.errors import Conflict, NotFound
from quantix_operator.context import Context
from quantix_operator.dispatch import Mapper, own_key
from quantix_operator.policy.balance import Said, said_over
from quantix_operator.status_writer import StatusWriter
from quantix_operator.told import Told

_AGAIN_S = 0.05
_BALANCED = "default"

KINDS = (INSTANCE_TYPES, HA_POLICIES, SCHEDULING_POLICIES)


class AcceptedController:
    """`await reconcile("name")` for one of `KINDS`: what the API server let in is in order."""

    concurrency = 1

    def __init__(self, context: Context, resource: Resource, balance: Told[Said] | None = None) -> None:
        """`balance`: what is told of the balance beside, where the kind is SchedulingPolicy."""
        self._balance = balance
        self.name = resource.kind.lower()
        self.resource: Resource | None = resource
        self.watches: Mapping[Resource, Mapper] = {resource: own_key}
        self._kind = resource
        self._cache = context.cache
        self._writer = StatusWriter(context.api, context.cache)

    async def reconcile(self, key: str) -> float | None:
        live = self._cache.get(self._kind, key)
        if live is None:
            return None
        facts = [fact("Ready", "True", "Accepted")]
        status: dict[str, Any] = {"observedGeneration": int(live["metadata"].get("generation") or 0)}
        if self._balance is not None and key == _BALANCED:
            said = said_over(self._balance, live.get("status") or {})
            facts += [said.balanced] if said.balanced is not None else []
            status |= {"moves": [*said.moves]} if said.moves else {}
        status["conditions"] = render_conditions(facts, subject_in(self._kind, live), datetime.now(UTC))
        try:
            await self._writer.write(self._kind, live, status)
        except NotFound:
            return None
        except Conflict:
            return _AGAIN_S
        return None
