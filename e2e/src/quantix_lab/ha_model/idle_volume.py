"""Work on a volume that no QEMU has (rollback, move, resize), by one of two hosts, and a VM that uses it
before and after.

The work takes the claim as a start does. Rolling back is the hardest of its kinds: half of it is no disk at
all, and done again it throws away what a guest wrote since. So an order names its epoch as an assignment
does: one above the floor that was read when it was given. What became of it is read from the claim:

```
free(e-1) ──take, marked half──► held(e, H) half ──done, in one write──► free(e): carried out
                                      └──fence──► free(e) half: the same work again, under e + 1
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

TWO_WRITE = "two processes write the volume"
HALF_WORK = "the guest starts from a volume that is half changed"
WORK_AGAIN = "work that was done is done again over what a guest wrote since"


class Rule(StrEnum):
    WORK_TAKES_CLAIM = "the work begins under a guest that runs"
    UID_TELLS_WHOSE = "a VM takes the claim of the work for its own and starts beside it"
    SCAN_FINDS_WORK = "a hostd that was killed begins again beside the work that it left"
    FENCE_BEFORE_FREE = "a host that was wrongly thought dead goes on with the work beside its successor"
    ORDER_HAS_EPOCH = "a host carries out an old order after the volume was used"
    SPENT_IS_DONE = "a restored API gives an order again that was carried out before the guest wrote"
    HALF_IS_MARKED = "work that was cut off leaves half a volume to the guest"
    ADOPT_CLAIM = "a host that begins anew knows no order for the work that it holds the volume for"


class User(StrEnum):
    NOBODY = "nobody"
    WORK = "work"
    GUEST = "guest"


class Claim(NamedTuple):
    holder: int = NOBODY
    epoch: int = 0
    user: User = User.NOBODY
    half: bool = False

    def free(self, half: bool) -> Claim:
        return Claim(NOBODY, self.epoch, User.NOBODY, half)


class Host(NamedTuple):
    """`runs`: its process that has the volume open; `left`: one of a hostd that was killed. `order`: the
    epoch under which it believes it is to do the work, 0 for none.
    """

    runs: User = User.NOBODY
    left: User = User.NOBODY
    order: int = 0
    fenced: bool = False


class Order(NamedTuple):
    """What the API says. `open`: asked for, and not known to be done."""

    open: bool = False
    host: int = NOBODY
    epoch: int = 0


class Volume(NamedTuple):
    """`half`, `done`, `worn`, `again` are the truth about the data, which nobody can read: it is half
    changed, was changed, a guest wrote since, and lost that.
    """

    claim: Claim = Claim()
    hosts: tuple[Host, Host] = (Host(), Host())
    order: Order = Order()
    backup: Order | None = None
    half: bool = False
    done: bool = False
    worn: bool = False
    again: bool = False
    disturbances_left: int = 0

    def host_is(self, index: int, host: Host) -> Volume:
        hosts = (host, self.hosts[1]) if index == 0 else (self.hosts[0], host)
        return self._replace(hosts=hosts)

    def disturbed(self) -> Volume:
        return self._replace(disturbances_left=self.disturbances_left - 1)


@dataclass(frozen=True)
class IdleVolume:
    rules: frozenset[Rule] = frozenset(Rule)
    disturbances: int = 3

    def start(self) -> Volume:
        return Volume(disturbances_left=self.disturbances)

    def steps(self, state: Volume) -> Iterator[Step]:
        yield from _leader(state, self.rules)
        for index in HOSTS:
            yield from _work(state, self.rules, index)
            yield from _guest(state, self.rules, index)
            yield from _ends(state, self.rules, index)
        if state.disturbances_left:
            yield from _disturbances(state)

    def broken(self, state: Volume) -> str | None:
        writers = [user for host in state.hosts if not host.fenced for user in (host.runs, host.left)]
        if len(writers) - writers.count(User.NOBODY) > 1:
            return TWO_WRITE
        if User.GUEST in writers and state.half:
            return HALF_WORK
        return WORK_AGAIN if state.again else None

    def settled(self, state: Volume) -> bool:
        left = any(host.fenced or host.left is not User.NOBODY for host in state.hosts)
        at_peace = not state.order.open and not state.half and not left
        return at_peace or any(host.runs is User.GUEST for host in state.hosts)


def _leader(state: Volume, rules: frozenset[Rule]) -> Iterator[Step]:
    order, claim = state.order, state.claim
    if order.open and claim.holder == NOBODY:
        spent = order.epoch and claim.epoch >= order.epoch
        if spent and not claim.half and Rule.SPENT_IS_DONE in rules:
            yield Step(
                "the leader reads in the claim that the order was carried out", state._replace(order=Order())
            )
        elif spent or not order.epoch:
            for index in HOSTS:
                if not state.hosts[index].fenced:
                    given = Order(True, index, claim.epoch + 1)
                    sentence = f"the leader orders the work of h{index} under epoch {given.epoch}"
                    yield Step(sentence, state._replace(order=given))
    held_order = Order(True, claim.holder, claim.epoch)
    if claim.user is User.WORK and order != held_order and Rule.ADOPT_CLAIM in rules:
        corrected = state._replace(order=held_order)
        yield Step(f"the leader corrects the order from the claim of h{claim.holder}", corrected)
    for index in HOSTS:
        held = claim.holder == index
        if held and (state.hosts[index].fenced or Rule.FENCE_BEFORE_FREE not in rules):
            yield Step(
                f"the leader frees the claim of h{index}", state._replace(claim=claim.free(claim.half))
            )


def _work(state: Volume, rules: frozenset[Rule], index: int) -> Iterator[Step]:
    host, claim = state.hosts[index], state.claim
    if host.fenced:
        return
    named = state.order.epoch if state.order.open and state.order.host == index else 0
    if host.order != named:
        yield Step(
            f"h{index} reads its order: {named or 'none'}", state.host_is(index, host._replace(order=named))
        )
    if host.runs is not User.NOBODY or not host.order:
        return
    epoch = host.order if Rule.ORDER_HAS_EPOCH in rules else claim.epoch + 1
    taken = Claim(index, epoch, User.WORK, Rule.HALF_IS_MARKED in rules)
    free = claim.holder == NOBODY and claim.epoch < epoch
    held = claim.holder == index and claim.user is User.WORK
    if host.left is not User.NOBODY and Rule.SCAN_FINDS_WORK in rules:
        return
    begun = state.host_is(index, host._replace(runs=User.WORK))
    begun = begun._replace(half=True, again=state.done and state.worn)
    if Rule.WORK_TAKES_CLAIM not in rules:
        yield Step(f"h{index} begins the work without the claim", begun)
    elif free:
        yield Step(
            f"h{index} takes the claim under epoch {epoch} and begins the work", begun._replace(claim=taken)
        )
    elif held:
        yield Step(f"h{index} holds the claim and begins the work anew", begun)


def _guest(state: Volume, rules: frozenset[Rule], index: int) -> Iterator[Step]:
    """A VM is assigned a host only while no work is open; its volume's epoch is one above the floor."""
    host, claim = state.hosts[index], state.claim
    if host.fenced or host.runs is not User.NOBODY or host.left is not User.NOBODY:
        return
    runs = state.host_is(index, host._replace(runs=User.GUEST))._replace(worn=True)
    if claim.holder == NOBODY and not claim.half and not state.order.open:
        taken = Claim(index, claim.epoch + 1, User.GUEST)
        yield Step(f"the VM starts on h{index} under epoch {taken.epoch}", runs._replace(claim=taken))
    elif claim.holder == index and (claim.user is User.GUEST or Rule.UID_TELLS_WHOSE not in rules):
        yield Step(f"the VM starts on h{index}, which holds the claim", runs)


def _ends(state: Volume, rules: frozenset[Rule], index: int) -> Iterator[Step]:
    host, claim = state.hosts[index], state.claim
    if host.fenced:
        back = Host()
        if claim.holder != index:
            sentence = f"h{index} comes back: its processes are gone, the fence is lifted"
            yield Step(sentence, state.host_is(index, back))
        return
    if host.left is not User.NOBODY and Rule.SCAN_FINDS_WORK in rules:
        ended = state.host_is(index, host._replace(left=User.NOBODY))
        yield Step(f"hostd h{index} finds what is left in the process scan and ends it", ended)
    if host.runs is User.WORK:
        freed = claim.free(half=False) if claim.holder == index else claim
        done = state.host_is(index, host._replace(runs=User.NOBODY, order=0))
        done = done._replace(claim=freed, half=False, done=True, worn=False)
        if Rule.SPENT_IS_DONE not in rules:
            done = done._replace(order=Order())
        yield Step(f"h{index} has done the work and frees the claim", done)


def _disturbances(state: Volume) -> Iterator[Step]:
    if not state.order.open and not state.done and not state.half and state.backup is None:
        asked = state._replace(order=Order(True)).disturbed()
        yield Step("a user asks for the work", asked, True)
    if state.order.open and state.order.epoch:
        other = state.order._replace(host=1 - state.order.host)
        passed_on = state._replace(order=other).disturbed()
        yield Step(f"the leader gives the order to h{other.host} instead", passed_on, True)
        if state.backup is None:
            yield Step("the API is backed up", state._replace(backup=state.order), True)
    if state.backup:
        restored = state._replace(order=state.backup, backup=None).disturbed()
        yield Step("the API is restored from the backup", restored, True)
    for index in HOSTS:
        host, claim = state.hosts[index], state.claim
        if host.fenced or host.runs is User.NOBODY:
            continue
        fenced = state.host_is(index, host._replace(fenced=True)).disturbed()
        yield Step(f"h{index} is thought dead and is fenced", fenced, True)
        left = host._replace(left=host.runs, runs=User.NOBODY)
        if host.left is User.NOBODY:
            yield Step(
                f"hostd h{index} is killed, its process goes on", state.host_is(index, left).disturbed(), True
            )
        if host.runs is User.GUEST and claim.holder == index:
            stopped = state.host_is(index, host._replace(runs=User.NOBODY))
            yield Step(
                f"the VM on h{index} stops and releases",
                stopped._replace(claim=claim.free(half=False)).disturbed(),
                True,
            )
