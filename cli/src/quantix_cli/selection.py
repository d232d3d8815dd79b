"""Which objects a command means: names, globs, labels, states. Pure but for reading stdin for `-`."""

from __future__ import annotations

import difflib
import fnmatch
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from quantix_cli.exits import CommandError, Exit

_MAX_STDIN_BYTES = 1 << 20


@dataclass(frozen=True)
class Selection:
    """`names` may hold globs and "-" (names from stdin). Empty with no filter means everything."""

    names: tuple[str, ...] = ()
    labels: str = ""
    host: str = ""
    states: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    everything: bool = False

    @property
    def by_filter(self) -> bool:
        return bool(self.labels or self.host or self.states or self.reasons or self.everything)


@dataclass(frozen=True)
class Picked:
    """The objects, and whether a person typed each of their names out (then nothing is asked)."""

    objects: tuple[dict[str, Any], ...]
    typed_out: bool = field(default=True)


def expand(names: Sequence[str]) -> tuple[str, ...]:
    """Names with "-" replaced by those on stdin; `NOUN/NAME` and kubectl's `kind.group/NAME` too."""
    given: list[str] = []
    for name in names:
        given += sys.stdin.read(_MAX_STDIN_BYTES).split() if name == "-" else [name]
    return tuple(name.rsplit("/", 1)[-1] for name in given)


def pick(objects: Sequence[dict[str, Any]], names: Sequence[str], noun: str) -> Picked:
    """Those of `objects` that `names` mean, in the order of the names; all of them without names.

    Raises CommandError (5) naming the nearest when a name or a glob matches nothing.
    """
    if not names:
        return Picked(tuple(objects), typed_out=False)
    found: dict[tuple[str, str], dict[str, Any]] = {}
    typed_out = True
    for name in names:
        glob = any(c in name for c in "*?[")
        hits = [o for o in objects if _matches(o["metadata"]["name"], name, glob)]
        if not hits:
            raise not_found(name, [o["metadata"]["name"] for o in objects], noun)
        typed_out = typed_out and not (glob and len(hits) > 1)
        found |= {(o["metadata"].get("namespace", ""), o["metadata"]["name"]): o for o in hits}
    return Picked(tuple(found.values()), typed_out)


def not_found(name: str, known: Sequence[str], noun: str) -> CommandError:
    """The error for a name that is not there, with the nearest one that is."""
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    hint = f"did you mean {near[0]}?" if near else f"qx {noun} list"
    return CommandError(Exit.NOT_FOUND, f"There is no {noun} {name} here.", hint)


def _matches(candidate: str, wanted: str, glob: bool) -> bool:
    return fnmatch.fnmatchcase(candidate, wanted) if glob else candidate == wanted
