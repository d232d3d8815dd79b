"""A breadth-first search through all states of a model: the shortest way to a broken invariant, as sentences.

Used by the tests of the rules of high availability. It knows nothing of hosts or volumes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple, Protocol, TypeVar

S = TypeVar("S", bound=Hashable)

STUCK = "no way leads to where all is well"


class Step(NamedTuple):
    """What somebody does, in a sentence, and the state after it. `disturbs`: it need never happen."""

    sentence: str
    after: Hashable
    disturbs: bool = False


class Model(Protocol[S]):
    """`settled` states are those in which all is well; each state must lead to one without disturbances."""

    def start(self) -> S: ...

    def steps(self, state: S) -> Iterable[Step]: ...

    def broken(self, state: S) -> str | None: ...

    def settled(self, state: S) -> bool: ...


@dataclass(frozen=True)
class Outcome:
    """`broken` names the invariant, None when all hold; `path` are the sentences that lead there."""

    broken: str | None
    path: tuple[str, ...]
    states: int

    def __str__(self) -> str:
        lines = [f"{self.broken or 'all invariants hold'} ({self.states} states)"]
        return "\n".join(lines + [f"{number:3} {line}" for number, line in enumerate(self.path, 1)])


class TooManyStatesError(Exception):
    """The model is larger than the test that asked for it allows."""


def explore(model: Model[S], limit: int = 1_000_000) -> Outcome:
    """Visit every state: first come broken invariants, then states from which none that is settled is
    reached. Raises TooManyStatesError.
    """
    first = model.start()
    came_from: dict[S, tuple[S, str] | None] = {first: None}
    before: dict[S, list[S]] = {}
    waiting = deque([first])
    while waiting:
        state = waiting.popleft()
        for sentence, after, disturbs in _typed(model, state):
            if not disturbs:
                before.setdefault(after, []).append(state)
            if after in came_from:
                continue
            came_from[after] = (state, sentence)
            if broken := model.broken(after):
                return Outcome(broken, _path(came_from, after), len(came_from))
            waiting.append(after)
        if len(came_from) > limit:
            raise TooManyStatesError(f"more than {limit} states")
    return _progress(model, came_from, before)


def _typed(model: Model[S], state: S) -> Iterator[tuple[str, S, bool]]:
    return model.steps(state)  # type: ignore[return-value]


def _path(came_from: dict[S, tuple[S, str] | None], state: S) -> tuple[str, ...]:
    sentences = []
    while link := came_from[state]:
        state, sentence = link
        sentences.append(sentence)
    return tuple(reversed(sentences))


def _progress(model: Model[S], came_from: dict[S, tuple[S, str] | None], before: dict[S, list[S]]) -> Outcome:
    alive = {state for state in came_from if model.settled(state)}
    waiting = deque(alive)
    while waiting:
        for earlier in before.get(waiting.popleft(), ()):
            if earlier not in alive:
                alive.add(earlier)
                waiting.append(earlier)
    for state in came_from:
        if state not in alive:
            return Outcome(STUCK, (*_path(came_from, state), f"and there it ends: {state}"), len(came_from))
    return Outcome(None, (), len(came_from))
