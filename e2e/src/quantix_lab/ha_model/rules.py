"""The rules of high availability, each with the failure that it prevents, and what may go wrong.

A model without one of its rules must have a counterexample: else the rule is not needed, or the model is
too small to need it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum


class Rule(StrEnum):
    """Of one disk that two hosts share."""

    CLAIM = "a restored API starts a second QEMU on a healthy host that nobody fenced"
    PROOF = "a host that was wrongly thought dead writes beside its successor"
    ADDRESS_ENTRY = "a frozen hostd thaws and starts a QEMU whose client no entry names"
    BARRIER = "the old owner writes where the fence is not known yet, and the new one runs already"
    NO_EXPIRY = "a forgotten fence opens before the frozen QEMU behind it"
    LIFT_WHEN_CLEAN = "the fence is lifted before a QEMU that thaws and writes"
    CLEAN_FOR_THIS_RECOVERY = "a late report of an earlier recovery lifts a newer fence"
    CLEAN_BINDS = "a host that reported clean starts a QEMU before its recovery ends, and the fence is lifted"
    UNDEFINE = "a create in flight in libvirtd starts a QEMU after the release"
    PAUSED_TARGET = "the reply of a migration's last phase is lost, and both halves run"
    SOURCE_WAITS = "a source starts the guest from disk, and hands it over all the same"
    GATED_FINISH = "libvirt lets the target of a post-copy go on before the claim names it"
    HANDED_ONCE_STOPPED = "a claim is handed over for a post-copy that libvirt can still give up"
    NEVER_RESUMED = "a source whose guest may go on elsewhere is resumed when the link breaks"
    DESTROY_UNHANDED = "a target resumes old memory over a disk that the source wrote to since"
    BOUNDED_LIFTER = "a former leader lifts the newer fence of the same host"
    KEPT_INSTANCES = "a second line only: a QEMU from before the fence is kept out after a wrong lift"
    LAST_WRITES = "what a QEMU that was killed left in its sockets is written beside its successor"
    ADOPT_CLAIM = "a VM that the restored API forgot waits for ever for the volume that it holds"
    ADOPT_ENTRY = "a host whose recovery the restored API forgot stays fenced for ever"
    RECOVERY_ANEW = "a restored API remembers the proof or the clean report of a fence that was lifted since"
    FENCE_BEFORE_FREE = "a former leader frees, on a clean report, what that host has taken up again since"


class Disturbance(StrEnum):
    """What may happen at any time, as often as a search allows."""

    FREEZE = "a host stands still"
    REBOOT = "a host boots anew"
    HOSTD_KILLED = "hostd is killed"
    QEMU_KILLED = "a QEMU is killed"
    STOP = "the guest is stopped"
    SUSPICION = "a host is thought dead"
    LEADER_CHANGE = "a former leader acts late"
    RESTORE = "the API is restored from a backup"
    STATUS_LOST = "the API is restored without any status"
    MIGRATION = "the guest is migrated"
    POST_COPY = "a migration switches hosts before all memory is copied"
    LINK_LOST = "the link between the halves of a post-copy breaks"
    REPLY_LOST = "the reply of a migration's last phase is lost"
    REVOKE = "an assignment is revoked"
    EXPIRY = "an entry expires, where that is possible"


@dataclass(frozen=True)
class Setting:
    """Which rules hold, and how much may go wrong in one run."""

    rules: frozenset[Rule] = frozenset(Rule)
    disturbances: int = 2
    kinds: frozenset[Disturbance] = frozenset(Disturbance)
    runs_already: bool = False
    """The VM runs on the first host at the beginning: a smaller search."""

    def without(self, *rules: Rule) -> Setting:
        return replace(self, rules=self.rules - set(rules))

    def only(self, disturbances: int, *kinds: Disturbance) -> Setting:
        return replace(self, disturbances=disturbances, kinds=frozenset(kinds))
