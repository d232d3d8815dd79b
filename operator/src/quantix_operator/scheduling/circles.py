"""Which of those that wait for others wait for each other. Pure; used by `order`.

The strongly connected components of a graph (Tarjan 1972), without recursion: tenants decide how deep it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence


class Circles:
    """`waits` names for each those that it waits for; who is not in it waits for nobody.

    The work is in proportion to the names, however they are tangled.
    """

    def __init__(self, waits: Mapping[str, Sequence[str]]) -> None:
        self._waits = waits
        self._found: dict[str, frozenset[str]] = {}
        self._number: dict[str, int] = {}
        # the lowest number that is reached from a name, among those that belong to no circle yet
        self._lowest: dict[str, int] = {}
        self._path: list[str] = []
        self._place: dict[str, int] = {}
        for name in waits:
            if name not in self._number:
                self._walk(name)

    def of(self, name: str) -> frozenset[str]:
        """Those that wait for `name` and that it waits for, itself among them."""
        return self._found.get(name, frozenset({name}))

    def _walk(self, start: str) -> None:
        trail = [(start, self._enter(start))]
        while trail:
            name, rest = trail[-1]
            following = next(rest, None)
            if following is None:
                trail.pop()
                self._leave(name)
                if trail:
                    self._reach(trail[-1][0], self._lowest[name])
            elif following not in self._number:
                trail.append((following, self._enter(following)))
            elif following not in self._found:
                self._reach(name, self._number[following])

    def _enter(self, name: str) -> Iterator[str]:
        self._number[name] = self._lowest[name] = len(self._number)
        self._place[name] = len(self._path)
        self._path.append(name)
        return (other for other in self._waits[name] if other in self._waits)

    def _reach(self, name: str, number: int) -> None:
        self._lowest[name] = min(self._lowest[name], number)

    def _leave(self, name: str) -> None:
        if self._lowest[name] != self._number[name]:
            return
        first = self._place[name]
        circle = frozenset(self._path[first:])
        del self._path[first:]
        self._found |= dict.fromkeys(circle, circle)
