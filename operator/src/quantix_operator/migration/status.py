"""The status fields that the operator owns of a migration. Pure; called by apply."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from quantix_api.resources import VIRTUAL_MACHINE_MIGRATIONS
from quantix_api.times import render_time
from quantix_client.api import Manifest
from quantix_operator.migration.model import Choose
from quantix_operator.vmwork.telling import Tell, told_status


def migration_status(live: Manifest, told: Tell, now: datetime) -> dict[str, Any]:
    """Of manager `quantix-operator`: what is said of it, and since when it is over."""
    status = told_status(VIRTUAL_MACHINE_MIGRATIONS, live, told, now)
    if told.ended:
        finished = (live.get("status") or {}).get("finishedAt")
        status["finishedAt"] = finished or render_time(now)
    return status


def chosen_status(chosen: Choose) -> dict[str, Any]:
    """Of manager `quantix-scheduler`: written once."""
    return {
        "virtualMachineUID": chosen.vm_uid,
        "sourceHost": chosen.source,
        "targetHost": chosen.target,
        "startedAt": render_time(chosen.at),
    }
