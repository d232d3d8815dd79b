"""A volume that moves to another pool while its guest runs on: two places, two claims, one of them right.

Which of the two is the volume is told by the old claim alone, so that whoever starts the guest next, here or
on another host after a fence, starts from the place that has all that the guest wrote (docs/adr/0030).

```
old claim  PLAIN ──leave──► MOVING ──guest paused on the new file──► MOVED ──► REMOVED
new claim  NONE ──copy of──► PARTIAL ─────────────────once MOVED────► WHOLE
```
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from quantix_lab.ha_model.search import Step

OLD_DATA = "the guest runs from data that is not the newest"
TWO_WRITE = "two QEMUs write the volume"


class Rule(StrEnum):
    STANDS_STILL = "what a guest wrote between the pivot and the decision is lost when its QEMU dies"
    DECIDED_AFTER_PIVOT = "a copy that breaks off after the decision leaves the guest on the file that is out"
    MOVED_ADMITS_NOBODY = "a restored API names the old pool, and the guest starts from there"
    PARTIAL_ADMITS_NOBODY = "the guest starts from a copy that was never whole"
    OLD_KEPT_UNTIL_MOVED = "the old data is gone while it still is the volume"
    ITS_HOST_ALONE_JUDGES = "a host that has not the copy's directory says that there is no copy"
    FENCE_COVERS_BOTH = "a fence in the pool of spec leaves a QEMU that writes in the other"


class Old(StrEnum):
    PLAIN = "plain"
    MOVING = "moving"
    MOVED = "moved"
    REMOVED = "removed"


class New(StrEnum):
    NONE = "none"
    PARTIAL = "partial"
    WHOLE = "whole"


class Guest(StrEnum):
    NONE = "none"
    RUNNING = "running"
    PAUSED = "paused"


class Side(StrEnum):
    OLD = "old"
    NEW = "new"


class Move(NamedTuple):
    """`mirror`: each write goes to both files. `equal`: the new file has all that the old one has.
    `newest`: where the last write went. `stranger`: a fenced host's QEMU that still reaches its file.
    """

    old: Old = Old.PLAIN
    new: New = New.NONE
    guest: Guest = Guest.RUNNING
    side: Side = Side.OLD
    mirror: bool = False
    equal: bool = False
    newest: Side = Side.OLD
    stranger: bool = False
    disturbances_left: int = 0

    def disturbed(self) -> Move:
        return self._replace(disturbances_left=self.disturbances_left - 1)


@dataclass(frozen=True)
class OtherPool:
    rules: frozenset[Rule] = frozenset(Rule)
    disturbances: int = 3

    def start(self) -> Move:
        return Move(disturbances_left=self.disturbances)

    def steps(self, state: Move) -> Iterator[Step]:
        yield from _guest(state)
        yield from _copy(state)
        if Rule.ITS_HOST_ALONE_JUDGES not in self.rules:
            yield from _judged_by_another(state)
        yield from _switch(state, self.rules)
        yield from _starts(state, self.rules)
        if state.disturbances_left:
            yield from _disturbances(state, self.rules)

    def broken(self, state: Move) -> str | None:
        runs = state.guest is Guest.RUNNING
        if runs and state.stranger:
            return TWO_WRITE
        behind = state.newest is not state.side and not (state.side is Side.NEW and state.equal)
        lost = state.newest is Side.OLD and state.old is Old.REMOVED and not state.equal
        return OLD_DATA if (runs and behind) or lost else None

    def settled(self, state: Move) -> bool:
        at_rest = (state.old, state.new) in ((Old.PLAIN, New.NONE), (Old.REMOVED, New.WHOLE))
        return at_rest and state.guest is Guest.RUNNING


def _guest(state: Move) -> Iterator[Step]:
    """What is written goes to the file that QEMU has open, and to both while they are mirrored."""
    if state.guest is Guest.RUNNING and state.side is Side.NEW:
        yield Step("the guest writes", state._replace(newest=Side.NEW, equal=False))
    elif state.guest is Guest.RUNNING and not state.mirror and state.equal:
        yield Step("the guest writes", state._replace(newest=Side.OLD, equal=False))


def _copy(state: Move) -> Iterator[Step]:
    if state.old is not Old.MOVING:
        return
    if state.new is New.NONE:
        yield Step(
            "hostd makes a copy with a partial claim, held by this host", state._replace(new=New.PARTIAL)
        )
        yield Step("hostd finds no copy and stays", state._replace(old=Old.PLAIN))
    elif state.side is Side.OLD and not state.mirror:
        if state.guest is Guest.RUNNING:
            yield Step(
                "QEMU copies, and writes to both files from now on", state._replace(mirror=True, equal=True)
            )
        dropped = state._replace(new=New.NONE, equal=False)
        yield Step("hostd removes a copy that nobody writes to", dropped)


def _judged_by_another(state: Move) -> Iterator[Step]:
    """From Ceph into a directory: the old claim is in the reach of all, the copy in that of one."""
    if state.old is Old.MOVING and state.new is New.PARTIAL:
        yield Step("another host sees no copy in its own directory and stays", state._replace(old=Old.PLAIN))


def _switch(state: Move, rules: frozenset[Rule]) -> Iterator[Step]:
    if state.mirror and state.guest is Guest.RUNNING and Rule.STANDS_STILL in rules:
        yield Step("hostd pauses the guest", state._replace(guest=Guest.PAUSED))
    still = state.guest is Guest.PAUSED or Rule.STANDS_STILL not in rules
    if state.mirror and still and state.guest is not Guest.NONE:
        yield Step("QEMU pivots to the new file", state._replace(side=Side.NEW, mirror=False))
    if state.guest is Guest.PAUSED and state.side is Side.OLD:
        resumed = state._replace(guest=Guest.RUNNING)
        yield Step("hostd gives the pivot up for now and resumes the guest", resumed)
    on_new = state.side is Side.NEW and state.guest is not Guest.NONE
    early = Rule.DECIDED_AFTER_PIVOT not in rules and state.mirror
    if state.old is Old.MOVING and (on_new or early):
        yield Step("hostd writes into the old claim that the volume has moved", state._replace(old=Old.MOVED))
    decided = state.old in (Old.MOVED, Old.REMOVED)
    if state.guest is Guest.PAUSED and state.side is Side.NEW and decided:
        yield Step("hostd resumes the guest", state._replace(guest=Guest.RUNNING))
    if state.new is New.PARTIAL and state.old is Old.MOVED:
        yield Step("hostd writes into the new claim that it is whole", state._replace(new=New.WHOLE))
    may_go = state.old is Old.MOVED or (Rule.OLD_KEPT_UNTIL_MOVED not in rules and state.old is Old.MOVING)
    if may_go and (state.new is New.WHOLE or state.old is Old.MOVING) and not state.mirror:
        yield Step("hostd removes the old data and its claim", state._replace(old=Old.REMOVED))


def _starts(state: Move, rules: frozenset[Rule]) -> Iterator[Step]:
    if state.guest is not Guest.NONE:
        return
    running = state._replace(guest=Guest.RUNNING)
    old_admits = state.old in (Old.PLAIN, Old.MOVING)
    if old_admits or (Rule.MOVED_ADMITS_NOBODY not in rules and state.old is Old.MOVED):
        yield Step("a host starts the guest from the old pool", running._replace(side=Side.OLD))
    partial = Rule.PARTIAL_ADMITS_NOBODY not in rules and state.new is New.PARTIAL
    if state.new is New.WHOLE or partial:
        yield Step("a host starts the guest from the new pool", running._replace(side=Side.NEW))


def _disturbances(state: Move, rules: frozenset[Rule]) -> Iterator[Step]:
    if state.old is Old.PLAIN:
        yield Step("the volume shall move: hostd leaves", state._replace(old=Old.MOVING).disturbed(), True)
    if state.guest is Guest.NONE:
        return
    gone = state._replace(guest=Guest.NONE, mirror=False, side=Side.OLD).disturbed()
    yield Step("QEMU dies", gone, True)
    reaches_new = state.guest is Guest.RUNNING and state.side is Side.NEW
    stranger = reaches_new and Rule.FENCE_COVERS_BOTH not in rules
    yield Step("the host is fenced, its claims are freed", gone._replace(stranger=stranger), True)
    if state.mirror:
        failed = state._replace(mirror=False).disturbed()
        yield Step("the copy breaks off, and QEMU goes on with the old file", failed, True)
