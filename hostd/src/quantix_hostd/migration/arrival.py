"""Decides what this host does about a guest that another one sends it. Pure; the steps are docs/adr/0044's.

```
 named ──Prepare──► prepared ──its half comes, paused──► half ──the source handed over──► TakeOver ──► running
   └── cannot ──► Refused          └───────────── the source gave up ─────────────► ClearUp ──► Gone
```
Refused is final: what was made for it goes, and nothing is made again, also where its reason has ended.

A source that says it handed over is believed where the claims do not deny it. Where they do, nothing is kept
of a guest that never came; a half is, until the claims tell that nobody can hand it over any more.

One that comes by post-copy (docs/adr/0052) is resumed by libvirt, whose call waits for the claims
(`switched`); what becomes of it then tells `fate_of`.

A half is never resumed without the hand-over, and never destroyed without the source's word, or that of the
claims, that there is none: whoever does not know keeps it, paused; but on a host that goes down its QEMU
ends.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from quantix_hostd.facts.domain import PAUSED_MIGRATING, PAUSED_STARTING_UP, DomainSnapshot, DomainState
from quantix_hostd.migration.coming import Coming

WordOfClaims = Literal["Ours", "NotOurs", "Spent"]


@dataclass(frozen=True)
class Arriving:
    """What is known. `migration` is the UID of the one that names this host for the VM now, "" for none;
    `known` whether the API was heard since hostd began. `gave_up` and `epoch` (0: not yet) are the source's
    last word about it; `refused`: ours was that it cannot come. `domain`: whether a domain of the VM is here;
    `mine`: the VM is assigned to this host; `named`: the VM says that it moves here, and while it does a
    guest that was handed over is not forgotten, though its migration is gone; `closing`: this host goes down.
    `claims`: what those of its disks say, once the source said that they name this host. "NotOurs": none
    does; "Spent": nor will one, since who had it under this assignment has let go. "Ours" also where none
    can be read here.
    """

    known: bool
    migration: str
    gave_up: bool = False
    epoch: int = 0
    refused: bool = False
    coming: Coming | None = None
    domain: bool = False
    mine: bool = False
    named: bool = False
    closing: bool = False
    claims: WordOfClaims = "Ours"


Step = Literal[
    "Drop",
    "Prepare",
    "TellPrepared",
    "TellNotOurs",
    "WirePorts",
    "TakeOver",
    "ClearUp",
    "Forget",
    "TellGone",
    "Wait",
]


def plan_arrival(seen: Arriving) -> Step:
    """The next step; "Wait" where there is none."""
    coming, is_denied = seen.coming, bool(seen.epoch) and seen.claims != "Ours"
    if not seen.known:
        return "Wait"
    if coming is None:
        return _plan_unnoted(seen, is_denied)
    if coming.epoch:
        # it is this host's, whatever becomes of the migration's object
        over = not seen.migration and not seen.named
        return "Forget" if seen.mine or over else "TakeOver"
    if seen.mine and (is_denied or not (seen.epoch and coming.uid == seen.migration)):
        # assigned anew since, after a fence of the source: what came of it is old
        return "Wait" if coming.copies else "ClearUp"
    if coming.uid != seen.migration:
        # an attempt of which nobody speaks any more: only a later one tells that it is over
        return "ClearUp" if seen.migration else "Drop" if seen.closing and seen.domain else "Wait"
    if seen.gave_up:
        return "ClearUp"
    if is_denied and seen.domain and seen.claims != "Spent":
        return "Drop" if seen.closing else "TellNotOurs"
    if seen.epoch:
        return "ClearUp" if is_denied else "TakeOver"
    if seen.domain:
        # its data is kept: should it have been handed over, it starts from there
        return "Drop" if seen.closing else "WirePorts"
    if coming.prepared:
        return "TellPrepared"
    # none is sent to a host that was never ready
    return "ClearUp" if seen.refused else "Prepare"


def _plan_unnoted(seen: Arriving, is_denied: bool) -> Step:
    """Of one that nothing is known to be here of."""
    if not seen.migration or seen.mine:
        return "Wait"
    if seen.gave_up or is_denied:
        return "TellGone"
    return "Wait" if seen.epoch or seen.closing or seen.refused else "Prepare"


Answer = Literal["GoesOn", "TakeOver", "Wait", "StaysPaused", "NotIts"]


def answer_to(coming: Coming | None, migration: str, *, named: bool, late: bool) -> Answer:
    """What libvirt's call is told that would let the guest of this migration go on here. `named`: the claims
    name this host; `late`: it cannot be held for longer.
    """
    if coming is None or coming.uid != migration:
        return "NotIts"
    if coming.switching and coming.epoch:
        return "GoesOn"
    if coming.switching and named:
        return "TakeOver"
    return "Wait" if coming.switching and not late else "StaysPaused"


Fate = Literal["Coming", "Running", "Lost"]
_NOT_YET = (PAUSED_MIGRATING, PAUSED_STARTING_UP)


def fate_of(domain: DomainSnapshot | None) -> Fate:
    """What has become of a guest that was let go on here before all its memory was: "Coming" while that
    comes. "Lost": it does not, and the guest is to start from its disks.
    """
    if domain is None or not domain.active or domain.is_half:
        return "Lost"
    waits = domain.state is DomainState.PAUSED and domain.reason in _NOT_YET
    return "Coming" if waits or domain.awaits_memory else "Running"
