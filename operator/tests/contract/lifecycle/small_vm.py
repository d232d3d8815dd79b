"""The VM that the tests of this folder declare."""

from __future__ import annotations

from typing import Any

SMALL: dict[str, Any] = {"cpu": {"cores": 1}, "memory": {"size": "256Mi"}}
BLANK = {"name": "root", "size": "1Gi", "reclaimPolicy": "Delete"}


def small(**more: Any) -> dict[str, Any]:
    """The spec of a VM with one blank disk, and what is asked beside."""
    return SMALL | {"disks": [BLANK]} | more
