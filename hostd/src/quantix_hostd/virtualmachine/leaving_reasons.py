"""Why a guest that is to leave is not sent, or was not sent to the end. Pure; used by `leaving_plan`."""

from __future__ import annotations

from quantix_api.messages import render
from quantix_hostd.facts.domain import DomainState
from quantix_hostd.migration.leaving import Leaving
from quantix_hostd.virtualmachine.observed import Observed, disk_places
from quantix_hostd.virtualmachine.record import StopReason


def obstacle(observed: Observed, leaving: Leaving, why: StopReason | None) -> tuple[str, str] | None:
    """(reason, message) of what keeps it from being sent at all."""
    assert observed.vm is not None
    name, domain = observed.vm.metadata.name, observed.domain
    if leaving.cancelled:
        return told("Cancelled", name=name)
    if leaving.refusal is not None:
        return "TargetFailed", leaving.refusal
    if why is not None:
        return _not_to_run(observed, name, why)
    if domain is None or domain.state is not DomainState.RUNNING:
        return told("NotRunning", name=name, here=observed.facts.name)
    if observed.claim_lost or observed.domain_epoch != observed.epoch:
        return told("SourceFailed", unsure=observed.facts.name, name=name)
    if set(observed.places) != set(disk_places(observed.live).values()):
        return told("SourceFailed", changing=name)
    return None


def failure(observed: Observed, leaving: Leaving, why: StopReason | None, late: bool) -> tuple[str, str]:
    """(reason, message) of what ended the sending."""
    assert observed.vm is not None
    name = observed.vm.metadata.name
    if leaving.cancelled:
        return told("Cancelled", name=name)
    if why is not None:
        return _not_to_run(observed, name, why)
    if late:
        return told("TimedOut", name=name, seconds=observed.vm.spec.migration.timeout_seconds)
    if leaving.failure:
        return "TargetFailed" if leaving.by_target else "SourceFailed", leaving.failure
    return told("SourceFailed", restarted=observed.facts.name)


def _not_to_run(observed: Observed, name: str, why: StopReason) -> tuple[str, str]:
    if why is StopReason.REQUESTED:
        return told("NotRunning", stopping=name)
    return told("NotRunning", name=name, here=observed.facts.name)


def told(reason: str, **fields: object) -> tuple[str, str]:
    """(reason, message), as the table of messages has it."""
    return reason, render(reason, **fields).sentence
