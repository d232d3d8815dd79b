"""Names of objects for a shell, quickly or not at all: from a cache of 5 s, else from the API.

Whatever goes wrong, nothing is offered and nothing is said.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import time
from dataclasses import dataclass
from pathlib import Path

from quantix_api.errors import QuantixError

_FRESH_S = 5.0
_AWAY = (QuantixError, OSError, ValueError, KeyError, TypeError)


@dataclass(frozen=True)
class Place:
    """Where names are looked up; `cache` is a directory of the user's own, None where there is no home."""

    kubeconfig: Path
    context: str | None
    namespace: str | None
    cache: Path | None


def names_of(noun: str, place: Place) -> list[str]:
    """The names of the objects of `noun`, with shared/NAME for what all may use; [] when the API is away."""
    file = _file(noun, place)
    try:
        if file is not None and file.exists() and 0 <= time.time() - file.stat().st_mtime < _FRESH_S:
            known: list[str] = json.loads(file.read_text())
            return known
        from quantix_cli.completing.asking import ask  # loads ssl and yaml, which the cache does without

        names = ask(noun, place.kubeconfig, place.context, place.namespace)
        if file is not None:
            with contextlib.suppress(OSError):
                # without a home that can be written to, the next Tab asks again
                _keep(file, names)
    except _AWAY:
        return []
    return names


def _file(noun: str, place: Place) -> Path | None:
    if place.cache is None:
        return None
    asked = json.dumps([str(place.kubeconfig), place.context, place.namespace, noun])
    return place.cache / f"{hashlib.sha256(asked.encode()).hexdigest()[:32]}.json"


def _keep(file: Path, names: list[str]) -> None:
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    new = file.with_suffix(".new")
    new.write_text(json.dumps(names))
    new.replace(file)
