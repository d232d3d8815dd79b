"""A volume of a `dir` pool that moves to another host with its running guest: each place has its own claim.

No fence helps here and none is needed: the source alone decides, in its own claim, and what it decided is
told over a network that may lose every message. A host that is gone for good takes its data along; what this
model shows is that a host which comes back finds the guest once, with its newest data.

```
source's claim  HELD ──hand-over written──► HANDED ──target's claim known──► REMOVED, with the data
target's claim  PARTIAL ──told of the hand-over──► HELD          │
                   └──source's word that it gave up──► NONE ◄────┘ never
```
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from quantix_lab.ha_model.search import Step

BOTH_RUN = "both halves run"
OLD_DATA = "the guest runs from data that is not the newest"
DATA_LOST = "the newest data is gone"


class Rule(StrEnum):
    SOURCE_WRITES = "a source that boots anew starts from its disk beside the target"
    TARGET_WAITS_TO_BE_TOLD = "a target runs by its own decision while the source goes on"
    TARGET_CLAIMS_IN_ITS_POOL = "a target that boots anew finds no claim that lets it start again"
    HALF_KEPT_UNTIL_WORD = "a target that hears nothing destroys what was handed over to it"
    WORD_BINDS = "a source that said no hands over after all"
    DATA_KEPT_UNTIL_CLAIM_KNOWN = "a source that forgot answers that it never handed over"
    ANSWER_IS_FOR_ONE_MOVE = "a word about an earlier move destroys the half of this one"


class Place(StrEnum):
    """A claim, or that there is none."""

    NONE = "none"
    PARTIAL = "partial"
    HELD = "held"
    HANDED = "handed"


class Half(StrEnum):
    NONE = "none"
    RUNNING = "running"
    PAUSED = "paused"
    INCOMING = "incoming"


class Move(NamedTuple):
    """`whole`: the target has all that the guest ever wrote, memory and data. `handed`: the source
    decided that the guest is the target's. `word`: of which move the source said that it handed nothing
    over, 0 for none.
    """

    source: Place = Place.HELD
    target: Place = Place.NONE
    at_source: Half = Half.RUNNING
    at_target: Half = Half.NONE
    source_data: bool = True
    target_data: bool = False
    whole: bool = False
    handed: bool = False
    under_way: bool = False
    """The source's hostd knows of the move; a killed one has forgotten it."""
    number: int = 1
    word: int = 0
    disturbances_left: int = 0

    def disturbed(self) -> Move:
        return self._replace(disturbances_left=self.disturbances_left - 1)


@dataclass(frozen=True)
class OtherHost:
    rules: frozenset[Rule] = frozenset(Rule)
    disturbances: int = 3

    def start(self) -> Move:
        return Move(disturbances_left=self.disturbances)

    def steps(self, state: Move) -> Iterator[Step]:
        yield from _source(state, self.rules)
        yield from _target(state, self.rules)
        yield from _messages(state, self.rules)
        if state.disturbances_left:
            yield from _disturbances(state)

    def broken(self, state: Move) -> str | None:
        if state.at_source is Half.RUNNING and state.at_target is Half.RUNNING:
            return BOTH_RUN
        runs_here, runs_there = state.at_source is Half.RUNNING, state.at_target is Half.RUNNING
        if (runs_here and state.handed) or (runs_there and not (state.handed and state.whole)):
            return OLD_DATA
        has_newest = state.target_data if state.handed else state.source_data
        return None if has_newest else DATA_LOST

    def settled(self, state: Move) -> bool:
        here = state.at_source is Half.RUNNING and not state.target_data
        there = state.at_target is Half.RUNNING and not state.source_data
        return here or there


def _source(state: Move, rules: frozenset[Rule]) -> Iterator[Step]:
    starts = state.at_source is Half.NONE and not state.under_way and state.source_data
    if starts and state.source is Place.HELD:
        runs = state._replace(at_source=Half.RUNNING, whole=False)
        yield Step("the source starts the guest from its disk", runs)
    if state.under_way and state.at_source is Half.RUNNING and state.at_target is Half.INCOMING:
        paused = state._replace(at_source=Half.PAUSED, whole=True)
        yield Step("the source sends the last page and the last block, and pauses", paused)
    if state.at_source is Half.PAUSED and not state.under_way:
        resumed = state._replace(at_source=Half.RUNNING, whole=False)
        yield Step("libvirt gives up, and the source goes on", resumed)
    if state.at_source is Half.PAUSED and state.under_way:
        yield Step("libvirt says that the guest is migrated", state._replace(at_source=Half.NONE))
    if state.under_way and state.at_source is Half.NONE and state.source is Place.HELD:
        over = state._replace(under_way=False, handed=True)
        if Rule.SOURCE_WRITES in rules:
            yield Step("the source writes the hand-over", over._replace(source=Place.HANDED))
        else:
            told = over._replace(target=Place.HELD)
            yield Step("the source tells the target of the hand-over, and writes nothing", told)
    early = Rule.DATA_KEPT_UNTIL_CLAIM_KNOWN not in rules
    if state.source is Place.HANDED and (early or state.target is Place.HELD):
        yield Step(
            "the source removes its data and its claim", state._replace(source=Place.NONE, source_data=False)
        )


def _target(state: Move, rules: frozenset[Rule]) -> Iterator[Step]:
    if state.target is Place.HELD and state.at_target in (Half.INCOMING, Half.NONE) and state.target_data:
        sentence = "the target resumes" if state.at_target is Half.INCOMING else "the target starts anew"
        yield Step(sentence, _runs_there(state))
    if Rule.TARGET_WAITS_TO_BE_TOLD not in rules and state.whole and state.at_target is Half.INCOMING:
        yield Step("the target resumes, since it has all", _runs_there(state))
    if Rule.HALF_KEPT_UNTIL_WORD not in rules and state.target is Place.PARTIAL:
        yield Step("the target hears nothing and destroys its half", _destroyed(state))
    for_this = state.word == state.number or (state.word and Rule.ANSWER_IS_FOR_ONE_MOVE not in rules)
    if for_this and state.target is Place.PARTIAL:
        yield Step("the target has the source's word and destroys its half", _destroyed(state))


def _messages(state: Move, rules: frozenset[Rule]) -> Iterator[Step]:
    """Each may be lost for a while, by not being the next step. The target asks until it is answered."""
    if state.target is not Place.PARTIAL:
        return
    if state.source is Place.HANDED:
        claims = Rule.TARGET_CLAIMS_IN_ITS_POOL in rules
        told = state._replace(target=Place.HELD) if claims else _runs_there(state)
        yield Step("the target is told of the hand-over", told)
        return
    if state.at_source is Half.PAUSED:
        return
    settled = state._replace(word=state.number)
    if Rule.WORD_BINDS in rules:
        settled = settled._replace(under_way=False)
    if state.under_way:
        yield Step("the source gives the move up and says that it handed nothing over", settled)
    else:
        yield Step("the source says that it handed nothing over", settled)


def _runs_there(state: Move) -> Move:
    return state._replace(at_target=Half.RUNNING)


def _destroyed(state: Move) -> Move:
    return state._replace(target=Place.NONE, at_target=Half.NONE, target_data=False, whole=False)


def _disturbances(state: Move) -> Iterator[Step]:
    if state.at_source is Half.RUNNING and state.source is Place.HELD and state.target is Place.NONE:
        number = state.number + 1
        begun = state._replace(
            target=Place.PARTIAL, at_target=Half.INCOMING, target_data=True, under_way=True, number=number
        )
        yield Step("a move begins: the target makes a volume with a partial claim", begun.disturbed(), True)
    off = state._replace(at_source=Half.NONE, under_way=False)
    if state.at_source is not Half.NONE or state.under_way:
        yield Step("the source boots anew", off.disturbed(), True)
    if state.under_way:
        forgotten = state._replace(under_way=False).disturbed()
        yield Step("the source's hostd is killed and forgets the move", forgotten, True)
    if state.at_target is not Half.NONE:
        yield Step("the target boots anew", state._replace(at_target=Half.NONE).disturbed(), True)
    if state.at_source is Half.PAUSED and state.under_way:
        resumed = state._replace(at_source=Half.RUNNING, under_way=False, whole=False)
        yield Step("the last reply is lost: libvirt resumes the source", resumed.disturbed(), True)
