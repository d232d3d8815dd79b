"""Since when an object is as `explain` tells it. Pure; used by `explaining`.

Ready's own time is when its status changed last: a device that comes makes it False for a moment while the
guest runs on, between Running and Stopped, which are both True, it may not change at all, and what is deleted
or emptied may be Ready for days.
"""

from __future__ import annotations

from collections.abc import Iterable

from quantix_api.conditions import condition_of
from quantix_cli.nouns import Manifest, look

# where the host tells when that which Ready gives as its reason began
_BEGAN = {"Running": "status.runtime.startedAt", "Stopped": "status.runtime.lastExit.at"}
_EMPTIED = ("Draining", "Maintenance")


def began(obj: Manifest, word: str, kinds: Iterable[str]) -> str | None:
    """When what the verdict tells began, as the API writes times; None where nothing tells. `word`: the state
    word; `kinds`: conditions that may give the reason of Ready, too.
    """
    if deleted := look(obj, "metadata.deletionTimestamp"):
        return str(deleted)
    if obj.get("kind") == "Host" and word in _EMPTIED:
        return condition_of(obj, "Drained").get("lastTransitionTime")
    ready = condition_of(obj)
    changed = ready.get("lastTransitionTime") or look(obj, "metadata.creationTimestamp")
    reason = ready.get("reason")
    if word == "Migrating":
        # the migration itself tells that
        return None
    if ready.get("status") == "True":
        since = look(obj, _BEGAN[reason]) if reason in _BEGAN else None
        # when it was paused is noted nowhere
        return None if reason == "Paused" else since or changed
    repeated = [fact for kind in kinds if _same(fact := condition_of(obj, kind), ready)]
    # RFC 3339 in UTC, to the second: as text they stand in the order of time
    marks = [changed, *(fact.get("lastTransitionTime") for fact in repeated)]
    return max((mark for mark in marks if mark), default=None)


def _same(fact: Manifest, ready: Manifest) -> bool:
    return fact.get("status") != "True" and fact.get("reason") == ready.get("reason")
