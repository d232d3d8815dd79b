"""Which directories of a machine no pool may lie in: those of the system. Pure.

Held against what spec says by the API server (`NOT_THE_SYSTEMS`), and by each host against where that leads
there.
"""

from __future__ import annotations

from pathlib import PurePath

from quantix_api.markers import Rule

_TREES = ["bin", "boot", "dev", "etc", "lib", "lib32", "lib64", "libx32", "proc", "run", "sbin", "sys", "usr"]
_VAR, _STATE = PurePath("/var"), PurePath("/var/lib")

NOT_THE_SYSTEMS = Rule(
    f"!self.matches('^/({'|'.join(_TREES)})(/|$)') "
    f"&& (!self.matches('^{_VAR}(/|$)') || self.matches('^{_STATE}/.'))",
    f"must not be in a directory of the system, such as /etc, /usr or {_VAR} (below {_STATE} it may): "
    "take one such as /srv/vms",
)


def system_tree(place: PurePath) -> PurePath | None:
    """The directory of the system that an absolute path without links is in, None for none."""
    tree = PurePath(*place.parts[:2])
    if tree == _VAR:
        return None if _STATE in place.parents else _VAR
    return tree if tree == PurePath("/") or tree.name in _TREES else None
