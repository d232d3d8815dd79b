"""Pools of directories on one disk: each shows its room, which is there only once. Pure.

No pool says which file system it lies on; those that show the very same room are named, and why that may be.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from quantix_cli.nouns import Manifest, look


def told_once(pools: Iterable[Manifest]) -> Iterator[str]:
    """A sentence for each set of pools that show the same room."""
    by_room: dict[tuple[str, str], list[str]] = {}
    for pool in pools:
        room = look(pool, "status.capacity"), look(pool, "status.available")
        if look(pool, "spec.dir") and all(room):
            by_room.setdefault(room, []).append(pool["metadata"]["name"])
    for names in by_room.values():
        if len(names) > 1:
            named = f"{', '.join(names[:-1])} and {names[-1]}"
            yield f"{named} show the same room: where they lie on one disk, it is there only once."
