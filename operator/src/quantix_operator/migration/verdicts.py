"""Phase and words of a migration, from its hosts' reports. Pure.

Hosts' words are quoted, and their reasons held against the table: a host says why it gave up, no more.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from quantix_api import VirtualMachineMigration
from quantix_api.facts import Fact, fact
from quantix_api.message_table_phrases import (
    DIFFER,
    NO_WORD,
    WISH_CANCELLED,
    WISH_DELETED,
    WISH_OFF,
    WISH_REFUSED,
)
from quantix_api.message_text import cause_of
from quantix_api.vm_status import MAX_CLAIM_EPOCH
from quantix_operator.migration.model import Move
from quantix_operator.vmwork.telling import Tell, fails

_REASONS_OF_HOSTS = frozenset({"NotRunning", "TimedOut", "SourceFailed", "TargetFailed", "PostCopyFailed"})
"""Why a host may say that it gave a migration up; anything else is that it failed."""
_BY_REFUSAL = frozenset({"", "TargetFailed", "SourceFailed"})


def queued(what: str) -> Tell:
    return Tell("Queued", fact("Ready", "False", "Queued", what=what))


def waits_for_silent(host: str, at: str) -> Tell:
    """It waits for the host of its VM, which has been silent since `at`."""
    return Tell("Queued", fact("Ready", "False", "Queued", silent=host, at=at))


def snapshot_first(name: str) -> Tell:
    """It waits for a snapshot of the VM, which needs the host where it began."""
    return Tell("Queued", fact("Ready", "False", "SnapshotRunning", name=name))


def failed(why: Fact) -> Tell:
    return fails(why.repeated_as("Ready", "False"))


def cancelled(move: Move) -> Tell:
    name = move.migration.spec.virtual_machine
    return Tell("Cancelled", fact("Ready", "False", "Cancelled", name=name), ended=True)


def succeeded(move: Move) -> Tell:
    """It ended as it was to."""
    name, target = move.migration.spec.virtual_machine, move.migration.status.target_host
    return Tell("Succeeded", fact("Ready", "True", "Succeeded", name=name, target=target), ended=True)


def lost_on_the_way(migration: VirtualMachineMigration) -> bool:
    """Whether the VM is the target's, but for a part of its memory."""
    source, target = migration.status.source, migration.status.target
    handed = source is not None and source.outcome == "HandedOver"
    return handed and target is not None and target.outcome == "Lost"


def lost_memory(move: Move) -> Tell:
    """It is the target's, and starts there anew."""
    name, target = move.migration.spec.virtual_machine, move.migration.status.target_host
    return failed(fact("Ready", "False", "PostCopyFailed", name=name, host=target))


def is_denied(migration: VirtualMachineMigration) -> bool:
    """Whether the source says that it handed the VM over, and nothing of it is with the target, or ever will
    be, since its disks do not name that.
    """
    source, target = migration.status.source, migration.status.target
    handed = source is not None and source.outcome == "HandedOver"
    return handed and target is not None and target.outcome in ("Refused", "Gone")


def denied(move: Move) -> Tell:
    """The VM stays: the claims say whose it is."""
    name, status = move.migration.spec.virtual_machine, move.migration.status
    told = {"host": status.source_host, "unnamed": status.target_host}
    return failed(fact("Ready", "False", "SourceFailed", **told, name=name))


def lost_track() -> Tell:
    """The VM is gone, or is no longer moved, and no host said how it ended."""
    return failed(fact("Ready", "False", "SourceFailed"))


def handed_epoch(move: Move) -> int | None:
    """The epoch under which both hosts say that the target has the VM; above the source's assignment, as no
    other is one that a hand-over gives. None: they do not say so.
    """
    source, target = move.migration.status.source, move.migration.status.target
    if source is None or target is None or source.outcome != "HandedOver" or source.epoch is None:
        return None
    if source.epoch > MAX_CLAIM_EPOCH:
        return None
    assignment = move.vm.status.assignment if move.vm is not None else None
    if move.is_named and (assignment is None or source.epoch <= assignment.epoch):
        return None
    return source.epoch if source.epoch == target.epoch else None


def gave_up(move: Move, silent: Mapping[str, str]) -> Tell:
    """The source's last word, or the target's where that is why, or that the target says nothing any more."""
    status, name = move.migration.status, move.migration.spec.virtual_machine
    source, target = status.source, status.target
    reason = (source.reason if source is not None else None) or ""
    asked = move.migration.spec.cancel or move.migration.deleting
    if reason == "Cancelled" or (asked and not reason):
        return cancelled(move)
    if (
        target is not None
        and target.outcome in ("Refused", "Gone")
        and target.reason
        and reason in _BY_REFUSAL
    ):
        return failed(_as_said("TargetFailed", target.reason, target.message, status.target_host or name))
    said = source.message if source is not None else None
    host = status.target_host or ""
    if host in silent and reason in _BY_REFUSAL:
        told = {"target": host, "at": silent[host], "source": status.source_host or name}
        return failed(fact("Ready", "False", "TargetFailed", **told, said=cause_of(said or "") or NO_WORD))
    return failed(_as_said("SourceFailed", reason, said, status.source_host or name))


def _as_said(otherwise: str, reason: str, message: str | None, host: str) -> Fact:
    said = fact("Ready", "False", otherwise, host=host, said=cause_of(message or "") or NO_WORD)
    return Fact("Ready", "False", reason if reason in _REASONS_OF_HOSTS else otherwise, said.message)


def under_way(move: Move, silent: Mapping[str, str]) -> Tell:
    """How far it is, and for whom it waits: a host that is silent, or the word that ends it."""
    status, name = move.migration.status, move.migration.spec.virtual_machine
    hosts = {"source": status.source_host or "", "target": status.target_host or ""}
    phase = _phase(move)
    if phase == "CuttingOver":
        return Tell(phase, _cutting_over(move, hosts, name, silent))
    wish = _wish(move)
    if wish:
        source = hosts["source"]
        told = {"silent": source, "at": silent[source]} if source in silent else {"host": source}
        return Tell(phase, fact("Ready", "False", phase, wish=wish, **told))
    for host in hosts.values():
        if host in silent:
            return Tell(phase, fact("Ready", "False", phase, silent=host, at=silent[host]))
    for host, said in _hindrances(move, hosts):
        return Tell(phase, fact("Ready", "False", phase, host=host, said=cause_of(said)))
    target = status.target
    if phase == "Preparing" and target is not None and target.prepared:
        return Tell(phase, fact("Ready", "False", phase, **hosts, name=name))
    if phase == "Preparing":
        return Tell(phase, fact("Ready", "False", phase, target=hosts["target"], name=name))
    return Tell(phase, fact("Ready", "False", phase, **hosts, name=name))


def _hindrances(move: Move, hosts: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """What a host says that it waits for: the source, which has the guest, before the target."""
    source, target = move.migration.status.source, move.migration.status.target
    if source is not None and source.outcome is None and source.message:
        yield hosts["source"], source.message
    if target is not None and target.outcome is None and not target.prepared and target.message:
        yield hosts["target"], target.message


def has_acted(migration: VirtualMachineMigration) -> bool:
    """Whether a host has done anything for it, not only said what it waits for."""
    source, target = migration.status.source, migration.status.target
    began = source is not None and (source.mode is not None or source.outcome is not None)
    return began or (target is not None and (bool(target.prepared) or target.outcome is not None))


def _phase(move: Move) -> str:
    source = move.migration.status.source
    if source is not None and source.outcome == "HandedOver":
        return "CuttingOver"
    return "Copying" if source is not None and source.mode is not None else "Preparing"


def _cutting_over(move: Move, hosts: Mapping[str, str], name: str, silent: Mapping[str, str]) -> Fact:
    target = move.migration.status.target
    if target is not None and target.outcome in ("Running", "Lost"):
        # else it would be over
        return fact("Ready", "False", "CuttingOver", **hosts, name=name, epochs=DIFFER)
    if hosts["target"] in silent:
        return fact("Ready", "False", "CuttingOver", silent=hosts["target"], at=silent[hosts["target"]])
    if target is not None and target.reason:
        told = {"source": hosts["source"], "unnamed": hosts["target"]}
        return fact("Ready", "False", "CuttingOver", **told, name=name)
    source = move.migration.status.source
    if source is not None and source.mode == "PostCopy":
        told = {"source": hosts["source"], "running": hosts["target"]}
        return fact("Ready", "False", "CuttingOver", **told, name=name)
    return fact("Ready", "False", "CuttingOver", **hosts, name=name)


def _wish(move: Move) -> str:
    """Why it is to be given up, in words; "" for no reason."""
    status, vm, target = move.migration.status, move.vm, move.migration.status.target
    if target is not None and target.outcome == "Refused":
        return WISH_REFUSED.format(host=status.target_host)
    if move.migration.spec.cancel or move.migration.deleting:
        return WISH_CANCELLED
    if vm is not None and vm.deleting:
        return WISH_DELETED.format(name=vm.metadata.name)
    if vm is not None and vm.spec.power_state == "Stopped":
        return WISH_OFF.format(name=vm.metadata.name)
    return ""
