"""Why a guest that is to leave is not sent, or was not sent to the end. Pure; used by `leaving_plan`."""

from __future__ import annotations

from quantix_api.message_table_phrases import NOT_READY
from quantix_api.message_text import cause_of
from quantix_api.messages import render
from quantix_hostd.facts.domain import DomainState
from quantix_hostd.migration.leaving import Leaving
from quantix_hostd.virtualmachine.observed import Observed, disk_places
from quantix_hostd.virtualmachine.record import Record, StopReason

LINGERS_S = 5.0
"""So long QEMU may take to end here, once all of its guest was sent."""


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


def hindrance(observed: Observed, record: Record) -> tuple[str, str] | None:
    """(reason, message) of what one that has a target waits for on this host, before it is sent or after."""
    kept, leaving = record.leaving, observed.leaving
    if leaving is None or observed.vm is None or not observed.is_mine:
        return None
    if kept is not None and kept.migration == leaving.migration:
        lingers = kept.step == "sending" and leaving.sent and leaving.sent_for_s >= LINGERS_S
        said = {"lingers": observed.facts.name, "name": observed.vm.metadata.name}
        return told("Copying", **said) if lingers and observed.runs else None
    named = observed.vm.status.migration
    if leaving.cancelled or named is None or named.uid != leaving.migration:
        # to speak of it is to take part in it
        return None
    return own_hindrance(observed, leaving) if leaving.prepared else None


def own_hindrance(observed: Observed, leaving: Leaving) -> tuple[str, str] | None:
    """(reason, message) of what keeps this host from sending it yet, though the target is ready."""
    assert observed.vm is not None
    if not leaving.certified:
        return told("Preparing", uncertified=observed.facts.name)
    if observed.kept_still:
        return told("Preparing", kept=observed.vm.metadata.name)
    if _is_between_pools(observed):
        return told("Preparing", displaced=observed.vm.metadata.name)
    return None


def too_late(observed: Observed, leaving: Leaving, own: tuple[str, str] | None) -> tuple[str, str] | None:
    """(reason, message) once it is given up before it was sent. `own`: what this host waits for."""
    assert observed.vm is not None
    name, seconds = observed.vm.metadata.name, observed.vm.spec.migration.timeout_seconds
    if leaving.waits_s <= seconds:
        return None
    said = own[1] if own is not None else leaving.hindrance
    said = said or NOT_READY.format(host=leaving.target)
    return told("TimedOut", unsent=name, seconds=seconds, said=cause_of(said))


def _is_between_pools(observed: Observed) -> bool:
    """Whether something of a disk lies, or is about to lie, in a second pool, which may be a directory here:
    this host clears that up while it acts on the volume, and what the guest takes along becomes the target's.
    A move that has not begun waits itself (`move_plan`).
    """
    known = [found.claim for found in observed.claims if found.claim is not None]
    begun = any(move.begun for move in observed.moves)
    return begun or any(claim.moved_from or claim.moving_to for claim in known)


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
