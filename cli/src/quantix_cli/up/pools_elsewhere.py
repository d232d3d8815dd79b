"""The data of guests that `make clean` leaves: in pools outside of the directories that it removes.

Goes by hostd's note of them, so that it works while nothing runs. Standard library only.
"""

from __future__ import annotations

import json
from pathlib import Path

from quantix_api.layout import Layout

# what hostd makes in the directory of a pool
_MADE = ("images", "volumes")


def pools_elsewhere(layout: Layout) -> list[Path]:
    """The directories that hold data, such as /srv/fast/volumes. [] where the note is damaged or missing."""
    try:
        noted = json.loads(layout.used_pools.read_bytes())
    except (OSError, ValueError):
        return []
    places = noted.values() if isinstance(noted, dict) else ()
    paths = {Path(place) for place in places if isinstance(place, str)}
    removed = (layout.etc, layout.data, layout.run, layout.cache, layout.log)
    outside = [path for path in paths if not any(path.is_relative_to(folder) for folder in removed)]
    return [path / made for path in sorted(outside) for made in _MADE if _has_content(path / made)]


def _has_content(folder: Path) -> bool:
    try:
        return any(folder.iterdir())
    except OSError:
        # none was made, or its disk is away
        return False


def left_told(folders: list[Path]) -> str:
    """`Left: guests' data in /srv/fast/volumes, of a pool.`; "" for none."""
    if not folders:
        return ""
    pools = {folder.parent for folder in folders}
    whose = "of a pool" if len(pools) == 1 else f"of {len(pools)} pools"
    return f"Left: guests' data in {', '.join(map(str, folders))}, {whose}."
