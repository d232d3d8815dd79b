"""The condition Ready=False, InternalError: that something went wrong which nobody foresaw.

Used by `error_report`, about the object that a controller is about, and by `passes`, about one of many.
"""

from __future__ import annotations

from datetime import UTC, datetime

from quantix_api.conditions import INTERNAL_ERROR, condition_in, condition_of
from quantix_api.facts import fact, render_conditions, subject_in
from quantix_api.resources import MANAGER_OPERATOR, Resource
from quantix_client.api import ApiClient, Manifest
from quantix_client.apply import apply_if_changed, owned_fields


async def show_internal_error(api: ApiClient, resource: Resource, live: Manifest, error: Exception) -> None:
    """Write it, unless Ready is another manager's to say. Raises ApiError."""
    fields = with_internal_error(resource, live, error, datetime.now(UTC))
    if fields is not None:
        await apply_if_changed(api, resource, live, fields, manager=MANAGER_OPERATOR)


def with_internal_error(
    resource: Resource, live: Manifest, error: Exception, now: datetime
) -> Manifest | None:
    """What the operator owns of the status, with Ready replaced; None when Ready is another manager's to say.

    The rest of what is owned goes along: an apply removes what it leaves out.
    """
    status = owned_fields(live, MANAGER_OPERATOR, "status").get("status") or {}
    conditions = list(status.get("conditions") or [])
    present = condition_of(live)
    if not condition_in(status) and present and present.get("reason") != "Pending":
        return None
    # its type alone: what a foreign exception says may hold what is nobody's business here
    failed = fact("Ready", "False", INTERNAL_ERROR, said=type(error).__name__)
    ready = render_conditions([failed], subject_in(resource, live), now)
    others = [item for item in conditions if item.get("type") != "Ready"]
    return {"status": {**status, "conditions": [*others, *ready]}}
