"""One volume and several that believe it theirs: two VMs of one cluster, and a second cluster on one pool.

All of them have a host of the same name and epochs of their own, so that host and epoch alone tell nothing.
A claim names its VM and its cluster, and its floor counts for all of them. A free claim may be taken by the
second cluster here, which hostd refuses besides.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from quantix_lab.ha_model.search import Step

TWO_WRITE = "two QEMUs write the volume"


class Rule(StrEnum):
    COMPARES_VM = "a VM that is given another's volume takes that one's claim for its own"
    COMPARES_CLUSTER = "a cluster frees the claim of another's host that has the name of its own fenced host"
    EPOCH_ABOVE_FLOOR = "a VM whose epochs are younger than its volume's is refused for ever"


class Party(NamedTuple):
    """Who may believe that the volume is its own."""

    cluster: str
    vm: str


FIRST, SECOND, FOREIGN = Party("one", "a"), Party("one", "b"), Party("two", "c")
PARTIES = (FIRST, SECOND, FOREIGN)


class Claim(NamedTuple):
    holder: Party | None = None
    epoch: int = 0


class Shared(NamedTuple):
    """For each party: the epoch of its assignment (0: none), whether its QEMU runs; and the clusters whose
    host h0 is fenced.
    """

    claim: Claim
    epochs: tuple[int, ...]
    running: tuple[bool, ...]
    fenced: frozenset[str] = frozenset()
    disturbances_left: int = 0

    def party_is(self, index: int, epoch: int, runs: bool) -> Shared:
        epochs = (*self.epochs[:index], epoch, *self.epochs[index + 1 :])
        running = (*self.running[:index], runs, *self.running[index + 1 :])
        return self._replace(epochs=epochs, running=running)

    def disturbed(self) -> Shared:
        return self._replace(disturbances_left=self.disturbances_left - 1)


@dataclass(frozen=True)
class WhoseClaim:
    rules: frozenset[Rule] = frozenset(Rule)
    disturbances: int = 3

    def start(self) -> Shared:
        return Shared(Claim(FIRST, 1), (1, 0, 0), (True, False, False), frozenset(), self.disturbances)

    def steps(self, state: Shared) -> Iterator[Step]:
        for index, party in enumerate(PARTIES):
            yield from _leader(state, self.rules, index, party)
            yield from _start(state, self.rules, index, party)
        if state.disturbances_left:
            yield from _disturbances(state)

    def broken(self, state: Shared) -> str | None:
        writes = [party.cluster not in state.fenced for party, runs in _pairs(state) if runs]
        return TWO_WRITE if sum(writes) > 1 else None

    def settled(self, state: Shared) -> bool:
        return any(state.running)


def _pairs(state: Shared) -> Iterator[tuple[Party, bool]]:
    return zip(PARTIES, state.running, strict=True)


def _is_of(claim: Claim, party: Party, rules: frozenset[Rule]) -> bool:
    """Whether the claim is this party's, as far as it compares; the name of the host is always the same."""
    holder = claim.holder
    if holder is None:
        return False
    foreign = Rule.COMPARES_CLUSTER in rules and holder.cluster != party.cluster
    other_vm = Rule.COMPARES_VM in rules and holder.vm != party.vm
    return not foreign and not other_vm


def _leader(state: Shared, rules: frozenset[Rule], index: int, party: Party) -> Iterator[Step]:
    claim, epoch = state.claim, state.epochs[index]
    spent = claim.holder is None and claim.epoch >= epoch
    if (not epoch or spent) and party.cluster not in state.fenced and not state.running[index]:
        above_floor = Rule.EPOCH_ABOVE_FLOOR in rules
        new = max(epoch, claim.epoch if above_floor else 0) + 1
        if above_floor or not epoch:
            sentence = f"cluster {party.cluster} assigns h0 VM {party.vm} under epoch {new}"
            yield Step(sentence, state.party_is(index, new, False))
    of_this_host = claim.holder and (
        claim.holder.cluster == party.cluster or Rule.COMPARES_CLUSTER not in rules
    )
    if party.cluster in state.fenced and of_this_host:
        freed = state._replace(claim=Claim(None, claim.epoch))
        yield Step(f"cluster {party.cluster} frees the claim of its fenced host h0", freed)
    left = any(runs for one, runs in _pairs(state) if one.cluster == party.cluster)
    if party.cluster in state.fenced and not left:
        back = state._replace(fenced=state.fenced - {party.cluster})
        if not (claim.holder and claim.holder.cluster == party.cluster):
            yield Step(f"h0 of cluster {party.cluster} is clean, and its fence is lifted", back)
    elif party.cluster in state.fenced and state.running[index]:
        clean = state.party_is(index, state.epochs[index], False)
        yield Step(f"h0 of cluster {party.cluster} destroys the QEMU of VM {party.vm}", clean)


def _start(state: Shared, rules: frozenset[Rule], index: int, party: Party) -> Iterator[Step]:
    epoch, claim = state.epochs[index], state.claim
    if not epoch or state.running[index] or party.cluster in state.fenced:
        return
    runs = state.party_is(index, epoch, True)
    if claim.holder is None and epoch > claim.epoch:
        taken = runs._replace(claim=Claim(party, epoch))
        yield Step(f"h0 of cluster {party.cluster} takes the claim for VM {party.vm}", taken)
    elif claim.epoch == epoch and _is_of(claim, party, rules):
        yield Step(f"h0 of cluster {party.cluster} has the claim already and starts VM {party.vm}", runs)


def _disturbances(state: Shared) -> Iterator[Step]:
    for index, party in enumerate(PARTIES):
        if state.running[index] and party.cluster not in state.fenced:
            fenced = state._replace(fenced=state.fenced | {party.cluster}).disturbed()
            yield Step(f"h0 of cluster {party.cluster} is thought dead and fenced", fenced, True)
            if state.claim.holder == party:
                stopped = state.party_is(index, state.epochs[index], False)
                freed = stopped._replace(claim=Claim(None, state.claim.epoch)).disturbed()
                yield Step(f"VM {party.vm} stops and releases", freed, True)
            killed = state.party_is(index, state.epochs[index], False).disturbed()
            yield Step(f"the QEMU of VM {party.vm} is killed", killed, True)
        elif not state.epochs[index] and party.cluster not in state.fenced:
            other = state._replace(fenced=state.fenced | {party.cluster}).disturbed()
            yield Step(f"h0 of cluster {party.cluster}, which runs nothing, is fenced", other, True)
