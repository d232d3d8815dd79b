"""A kubectl that was there before us: `make up` leaves it, and says so where it does not fit our API server.

A kubectl works with API servers of its own minor version and of one beside it (Kubernetes' version skew
policy).
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from quantix_api.errors import PermanentError
from quantix_cli.up.run.programs import run
from quantix_cli.up.run.uplog import UpLog

_MINOR = re.compile(r"v(\d+)\.(\d+)\b")
_SKEW = 1

Minor = tuple[int, int]


async def misfit(kubectl: Path, controlplane: Path, log: UpLog) -> str:
    """That `kubectl` does not fit the API server of `controlplane`, and what does; "" when it fits."""
    theirs = await _minor_of([str(kubectl)], log)
    ours = await _minor_of([str(controlplane), "kubectl"], log)
    if theirs is None or ours is None or fits(theirs, ours):
        return ""
    versions = f"{_told(theirs)}, and the API server of {_told(ours)}"
    return f"{kubectl} is of Kubernetes {versions}: use quantix-controlplane kubectl"


def fits(kubectl: Minor, server: Minor) -> bool:
    """Whether a kubectl of that version is made for that API server. Pure."""
    return kubectl[0] == server[0] and abs(kubectl[1] - server[1]) <= _SKEW


def parse_minor(said: str) -> Minor | None:
    """The version in what `kubectl version --client -o json` says; None when it says something else. Pure."""
    try:
        version = json.loads(said)["clientVersion"]["gitVersion"]
    except (ValueError, KeyError, TypeError):
        return None
    found = _MINOR.match(str(version))
    return (int(found[1]), int(found[2])) if found else None


async def _minor_of(program: list[str], log: UpLog) -> Minor | None:
    try:
        done = await run([*program, "version", "--client", "-o", "json"], log)
    except (PermanentError, OSError):
        # it has gone, or is no program
        return None
    return parse_minor("\n".join(done.output)) if done.code == 0 else None


def _told(version: Minor) -> str:
    return f"{version[0]}.{version[1]}"
