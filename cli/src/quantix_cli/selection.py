"""Which objects a command means: names, globs, labels, states. Pure but for reading stdin for `-`."""

from __future__ import annotations

import difflib
import fnmatch
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from quantix_api.references import shared_reference
from quantix_cli.exits import CommandError, Exit
from quantix_cli.naming import Name, reference
from quantix_cli.nouns import NOUNS

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
    """Names as they are written, with "-" replaced by those on stdin."""
    given: list[str] = []
    for name in names:
        given += sys.stdin.read(_MAX_STDIN_BYTES).split() if name == "-" else [name]
    return tuple(given)


def pick(
    objects: Sequence[dict[str, Any]], names: Sequence[Name], noun: str, home: str | None = None
) -> Picked:
    """Those of `objects` that `names` mean, in the order of the names; all of them without names.

    A name without a namespace is one of `home`, or of any where that is None. Raises CommandError (5) naming
    the nearest when a name or a glob matches nothing.
    """
    if not names:
        return Picked(tuple(objects), typed_out=False)
    found: dict[tuple[str, str], dict[str, Any]] = {}
    typed_out = True
    for name in names:
        hits = [o for o in objects if matches(o, name, home)]
        if not hits:
            known = [reference(o, noun, home or o["metadata"].get("namespace")) for o in objects]
            # who typed it has no need to hear of it
            typed = [str(other) for other in names]
            raise not_found(name, [one for one in known if one not in typed], noun)
        # one name in several namespaces was not typed out either
        typed_out = typed_out and len(hits) == 1
        found |= {(o["metadata"].get("namespace", ""), o["metadata"]["name"]): o for o in hits}
    return Picked(tuple(found.values()), typed_out)


def not_found(name: Name, known: Sequence[str], noun: str) -> CommandError:
    """The error for a name that is not there, with the nearest one that is."""
    shared = shared_reference(name.name)
    near = [shared] if shared in known else difflib.get_close_matches(str(name), known, n=1, cutoff=0.6)
    meant = f" Did you mean {near[0]}?" if near else ""
    missing = f"There is no {NOUNS[noun].singular} {name} here."
    # a list of a namespace only counts those that are shared
    which = f" '{shared_reference('*')}'" if near and near[0].startswith(shared_reference("")) else ""
    return CommandError(Exit.NOT_FOUND, f"{missing}{meant}", f"qx {noun} list{which}")


def matches(obj: Mapping[str, Any], wanted: Name, home: str | None) -> bool:
    """Whether `wanted`, typed where `home` is the namespace (None: all of them), means this object."""
    namespace, place = obj["metadata"].get("namespace"), wanted.namespace or home
    if None not in (namespace, place) and namespace != place:
        return False
    name = str(obj["metadata"]["name"])
    return fnmatch.fnmatchcase(name, wanted.name) if wanted.is_glob else name == wanted.name
