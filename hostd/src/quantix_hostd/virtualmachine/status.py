"""Derives what hostd reports of a VM: the whole set of its fields, each time. Pure.

A server-side apply removes what its manager leaves out, so nothing is ever sent in part (api.md, section 8).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from quantix_api import VirtualMachine
from quantix_api.facts import Fact, render_conditions, subject_of, with_kstatus
from quantix_api.message_table_phrases import AND_MORE
from quantix_api.messages import render
from quantix_api.times import render_time
from quantix_api.vm_status import MAX_CLAIM_EPOCH
from quantix_hostd.virtualmachine.changes import PendingChange, listed, pending_changes
from quantix_hostd.virtualmachine.first_boot import first_boot_change
from quantix_hostd.virtualmachine.guest_status import agent_fact, guest_addresses, guest_words
from quantix_hostd.virtualmachine.observed import Observed, disk_places
from quantix_hostd.virtualmachine.plug_plan import why_later
from quantix_hostd.virtualmachine.steps import Plan
from quantix_hostd.virtualmachine.verdict import Verdict

_OUTLIVES_AN_ASSIGNMENT = frozenset({"handledRestartAt", "restarts", "lastExit", "claimEpoch"})
_ON_ITS_WAY = frozenset({"Pending", "Starting", "Stopping"})


def derive_status(observed: Observed, plan: Plan, verdict: Verdict) -> dict[str, Any]:
    """`status` as hostd applies it; `observed.vm` must be there."""
    assert observed.vm is not None
    changes = _changes(observed)
    now = datetime.fromtimestamp(observed.wall_s, UTC)
    status = {
        "observedGeneration": observed.vm.metadata.generation,
        "phase": verdict.phase,
        "addresses": guest_addresses(observed),
        "guest": guest_words(observed),
        "runtime": _runtime(observed, plan, changes),
        "conditions": render_conditions(_facts(observed, verdict, changes), subject_of(observed.vm), now),
    }
    return {name: value for name, value in status.items() if value not in ([], None)}


def unseen_status(
    vm: VirtualMachine, said: Mapping[str, Any], verdict: Verdict, wall_s: float
) -> dict[str, Any] | None:
    """`status` of a VM that this host cannot look at now: all that hostd said before (`said`), but Ready.

    None while it is Ready: nothing tells that its guest does not run on, and what ails the host is said by
    the Host. What was said under another assignment tells nothing of this one.
    """
    epoch = vm.status.assignment.epoch if vm.status.assignment else 0
    ready = vm.status.condition("Ready")
    current = vm.status.runtime.observed_epoch == epoch
    if current and ready is not None and ready.status == "True":
        return None
    runtime = dict(said.get("runtime") or {})
    if not current:
        runtime = {name: value for name, value in runtime.items() if name in _OUTLIVES_AN_ASSIGNMENT}
    ready_now = Fact("Ready", "False", verdict.reason, verdict.message)
    about_now = {"Ready", "Reconciling", "Stalled"}
    kept = [item for item in said.get("conditions") or [] if item["type"] not in about_now] if current else []
    facts, now = with_kstatus(ready_now), datetime.fromtimestamp(wall_s, UTC)
    return {
        **(said if current else {}),
        "observedGeneration": vm.metadata.generation,
        "phase": verdict.phase,
        "runtime": {**runtime, "observedEpoch": epoch},
        "conditions": [*render_conditions(facts, subject_of(vm), now), *kept],
    }


def began_anew(vm: VirtualMachine, plan: Plan) -> bool:
    """Whether the guest was started, or a restart that was asked for was done, since it was last reported:
    who asked waits for that, however soon the guest is ready.
    """
    runtime, record = vm.status.runtime, plan.record
    known = ((record.started_at, runtime.started_at), (record.handled_restart_at, runtime.handled_restart_at))
    return any(done and (told is None or done != render_time(told)) for done, told in known)


def _facts(observed: Observed, verdict: Verdict, changes: tuple[PendingChange, ...]) -> Iterator[Fact]:
    assert observed.vm is not None
    ready = Fact("Ready", "True" if verdict.ready else "False", verdict.reason, verdict.message)
    yield ready
    if verdict.phase in _ON_ITS_WAY and not verdict.stalled:
        yield ready.repeated_as("Reconciling", "True")
    if verdict.stalled:
        yield ready.repeated_as("Stalled", "True")
    if changes:
        yield Fact("RestartRequired", "True", "RestartRequired", _restart_text(observed.vm, changes))
    if observed.live is not None:
        yield agent_fact(observed)


def _runtime(observed: Observed, plan: Plan, changes: tuple[PendingChange, ...]) -> dict[str, Any]:
    record = plan.record
    runtime: dict[str, Any] = {
        "observedEpoch": observed.epoch,
        "claimEpoch": _claim_epoch(observed),
        "startedAt": record.started_at or None,
        "handledRestartAt": record.handled_restart_at or None,
        "restarts": record.restarts,
        "domain": _domain(observed, plan),
        "lastExit": {"reason": record.last_exit.reason, "at": record.last_exit.at}
        if record.last_exit
        else None,
        "resolvedGeneration": _resolved_generation(observed),
        "pendingChanges": [_change(change) for change in listed(changes)] or None,
        "disks": _open_disks(observed) or None,
    }
    return {name: value for name, value in runtime.items() if value is not None}


def _claim_epoch(observed: Observed) -> int | None:
    epoch = min(observed.claim_epoch, MAX_CLAIM_EPOCH)
    return epoch if epoch > observed.epoch else None


def _resolved_generation(observed: Observed) -> int | None:
    """That of the spec which the operator resolved last; once the guest was compared with it."""
    resolved = observed.vm.status.resolved if observed.vm else None
    return resolved.generation if resolved is not None and _is_compared(observed) else None


def _domain(observed: Observed, plan: Plan) -> str | None:
    """Absent means: released under this epoch. Before the first start nothing is said."""
    if observed.domain is not None or observed.processes:
        return "Present"
    return "Absent" if plan.record.released else None


def _is_compared(observed: Observed) -> bool:
    return observed.live is not None and observed.wanted is not None and observed.startable


def _changes(observed: Observed) -> tuple[PendingChange, ...]:
    if not _is_compared(observed):
        return ()
    assert observed.vm is not None
    assert observed.live is not None
    assert observed.wanted is not None
    first_boot = first_boot_change(observed.vm, observed.record.first_boot_mark)
    pending = [
        replace(change, why=why_later(observed, observed.wanted, observed.live, change.device))
        for change in pending_changes(observed.wanted, observed.live)
    ]
    told = {change.path for change in pending}
    return (*pending, *((first_boot,) if first_boot and first_boot.path not in told else ()))


def _change(change: PendingChange) -> dict[str, str]:
    values = {"path": change.path, "running": change.running, "wanted": change.wanted, "why": change.why}
    return {name: value[:253] for name, value in values.items() if value}


def _restart_text(vm: VirtualMachine, changes: tuple[PendingChange, ...]) -> str:
    first = changes[0]
    what = f"{first.path.removeprefix('spec.')} {first.running or 'none'} → {first.wanted or 'none'}"
    if len(changes) > 1:
        # what keeps one of them is said of it in its own line
        what = AND_MORE.format(named=what, more=len(changes) - 1)
    elif first.why:
        return render("RestartRequired", change=what, name=vm.metadata.name, why=first.why).text
    return render("RestartRequired", change=what, name=vm.metadata.name).text


def _open_disks(observed: Observed) -> list[dict[str, str]]:
    """What QEMU has open, disks included that left spec: nobody may remove or take those yet."""
    uids = {volume.place: volume.uid for volume in observed.volumes}
    # a volume that spec does not name is called by its UID, which is what its directory is called
    found = disk_places(observed.live).items()
    return [{"name": name, "volumeUID": uids.get(place, place.handle)} for name, place in found]
