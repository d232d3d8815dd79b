"""A volume being made in a pool that two hosts share, when the order to make it passes to the second.

Nothing of it exists yet that a fence could protect, so both may be at it, one of them much later.

```
draft, under a name of volume and host ──► claim free(0), by exclusive create ──► renamed: it is the volume
```
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from quantix_lab.ha_model.search import Step

NOBODY = -1
HOSTS = (0, 1)
NO_CLAIM = -2
"""In the place of a holder: nobody made the claim yet."""

TWO_WRITE = "a guest writes the volume while another process writes it, too"
OVERWRITTEN = "what a guest wrote is replaced by a new volume"


class Rule(StrEnum):
    DRAFT_HAS_OWN_NAME = "a maker that comes late writes into the volume of the one that was faster"
    CLAIM_BY_EXCLUSIVE_CREATE = "a maker that comes late resets the claim of a running guest"
    CLAIM_BEFORE_NAME = "a maker that dies in between leaves a volume without a claim, which admits nobody"
    RENAME_NEVER_REPLACES = "a maker that comes late puts its fresh volume in the place of the one in use"
    ANY_MAKER_FINISHES = "a maker that dies between claim and name leaves a claim of nothing"


class Draft(StrEnum):
    NONE = "none"
    BEGUN = "begun"
    WHOLE = "whole"


class Maker(NamedTuple):
    """`checked`: it saw that the claim is there, or made it. `guest`: a QEMU runs here."""

    draft: Draft = Draft.NONE
    ordered: bool = False
    checked: bool = False
    guest: bool = False


class Pool(NamedTuple):
    """`named`: there is a volume under its name, and which maker's it is. `worn`: a guest wrote to it."""

    makers: tuple[Maker, Maker] = (Maker(ordered=True), Maker())
    holder: int = NO_CLAIM
    named: int = NOBODY
    worn: bool = False
    lost: bool = False
    disturbances_left: int = 0

    def maker_is(self, index: int, maker: Maker) -> Pool:
        makers = (maker, self.makers[1]) if index == 0 else (self.makers[0], maker)
        return self._replace(makers=makers)

    def disturbed(self) -> Pool:
        return self._replace(disturbances_left=self.disturbances_left - 1)


@dataclass(frozen=True)
class MadeVolume:
    rules: frozenset[Rule] = frozenset(Rule)
    disturbances: int = 3

    def start(self) -> Pool:
        return Pool(disturbances_left=self.disturbances)

    def steps(self, state: Pool) -> Iterator[Step]:
        for index in HOSTS:
            if state.makers[index].ordered:
                yield from _draft(state, self.rules, index)
                yield from _publish(state, self.rules, index)
            yield from _guest(state, index)
        if state.disturbances_left:
            yield from _disturbances(state)

    def broken(self, state: Pool) -> str | None:
        guests = sum(maker.guest for maker in state.makers)
        in_place = Rule.DRAFT_HAS_OWN_NAME not in self.rules
        writing = in_place and any(maker.draft is Draft.BEGUN for maker in state.makers)
        if guests > 1 or (guests and writing):
            return TWO_WRITE
        return OVERWRITTEN if state.lost else None

    def settled(self, state: Pool) -> bool:
        return any(maker.guest for maker in state.makers)


def _draft(state: Pool, rules: frozenset[Rule], index: int) -> Iterator[Step]:
    maker = state.makers[index]
    if maker.draft is Draft.NONE and state.named == NOBODY:
        begun = state.maker_is(index, maker._replace(draft=Draft.BEGUN))
        yield Step(f"h{index} begins a draft", begun)
    if maker.draft is Draft.BEGUN:
        done = state.maker_is(index, maker._replace(draft=Draft.WHOLE))
        if Rule.DRAFT_HAS_OWN_NAME not in rules:
            done = done._replace(named=index)
        yield Step(f"h{index} has written its draft", done)


def _publish(state: Pool, rules: frozenset[Rule], index: int) -> Iterator[Step]:
    maker = state.makers[index]
    if maker.draft is not Draft.WHOLE:
        return
    checked = state.maker_is(index, maker._replace(checked=True))
    claim_first = Rule.CLAIM_BEFORE_NAME in rules
    may_claim = claim_first or state.named == index
    if not maker.checked and may_claim:
        if state.holder == NO_CLAIM or Rule.CLAIM_BY_EXCLUSIVE_CREATE not in rules:
            yield Step(f"h{index} makes the claim, free(0)", checked._replace(holder=NOBODY))
        elif Rule.ANY_MAKER_FINISHES in rules:
            yield Step(f"h{index} finds the claim made", checked)
    if not (maker.checked or not claim_first) or state.named == index:
        return
    free_name = state.named == NOBODY
    if free_name or Rule.RENAME_NEVER_REPLACES not in rules:
        named = state._replace(named=index, lost=state.worn)
        yield Step(f"h{index} renames its draft to the volume", named)


def _guest(state: Pool, index: int) -> Iterator[Step]:
    maker = state.makers[index]
    if state.named != NOBODY and state.holder == NOBODY and not maker.guest:
        runs = state.maker_is(index, maker._replace(guest=True))
        taken = runs._replace(holder=index, worn=True)
        yield Step(f"h{index} takes the claim and starts the guest", taken)
    others = state.holder not in (index, NOBODY, NO_CLAIM)
    if maker.guest and others:
        yield Step(
            f"h{index} destroys its guest, since the claim names another",
            state.maker_is(index, maker._replace(guest=False)),
        )


def _disturbances(state: Pool) -> Iterator[Step]:
    other = state.makers[1]
    if not other.ordered:
        passed_on = state.maker_is(1, other._replace(ordered=True)).disturbed()
        yield Step("h0 is slow: h1 is ordered to make the volume, too", passed_on, True)
    for index in HOSTS:
        maker = state.makers[index]
        if maker.ordered and not maker.guest and maker.draft is not Draft.NONE:
            dead = state.maker_is(index, Maker(ordered=True)).disturbed()
            yield Step(f"h{index} boots anew, and its draft is nobody's", dead, True)
        if maker.guest and state.holder == index:
            stopped = state.maker_is(index, maker._replace(guest=False))
            yield Step(
                f"the guest on h{index} stops and releases", stopped._replace(holder=NOBODY).disturbed(), True
            )
