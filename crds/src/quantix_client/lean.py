"""Keeps out of a service what only tools of development brought along. Called first by each entrance."""

from __future__ import annotations

import sys


def keep_out_what_draws() -> None:
    """Of no use once structlog was imported: it loads `rich`, where there is one, to draw tracebacks that no
    service prints: 6 MB.
    """
    # None makes every import of it fail (the import system's reference, "The module cache")
    sys.modules.setdefault("rich", None)  # type: ignore[arg-type]
