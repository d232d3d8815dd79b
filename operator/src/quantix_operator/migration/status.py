"""The status fields that the operator owns of a migration. Pure; called by apply."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from quantix_api import VirtualMachineMigration
from quantix_api.facts import render_conditions, subject_in
from quantix_api.resources import VIRTUAL_MACHINE_MIGRATIONS
from quantix_api.times import render_time
from quantix_client.api import Manifest
from quantix_operator.migration.model import Choose, Verdict


def told_status(live: Manifest, verdict: Verdict, now: datetime) -> dict[str, Any]:
    """Of manager `quantix-operator`: what is said of it, and since when it is over."""
    facts = [verdict.ready]
    if verdict.ready.status != "True":
        facts.append(verdict.ready.repeated_as("Stalled" if verdict.ended else "Reconciling", "True"))
    status: dict[str, Any] = {
        "phase": verdict.phase,
        "observedGeneration": int(live["metadata"].get("generation") or 0),
        "conditions": render_conditions(facts, subject_in(VIRTUAL_MACHINE_MIGRATIONS, live), now),
    }
    if verdict.ended:
        finished = (live.get("status") or {}).get("finishedAt")
        status["finishedAt"] = finished or render_time(now)
    return status


def chosen_status(migration: VirtualMachineMigration, chosen: Choose) -> dict[str, Any]:
    """Of manager `quantix-scheduler`: written once."""
    return {
        "virtualMachineUID": chosen.vm_uid,
        "sourceHost": chosen.source,
        "targetHost": chosen.target,
        "startedAt": render_time(migration.status.started_at or chosen.at),
    }
