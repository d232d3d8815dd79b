"""The manifests of the API as shipped with this package, in the order in which they are applied.

Used by whoever installs Quantix into an API server: `qx up`, the tests, a chart. Reads files only.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from importlib.resources import files
from typing import Any

import yaml

from quantix_api.errors import InvariantError

STAGES = ("namespaces", "crds", "rbac", "policies")
"""In the order in which they are applied."""


def stage_manifests(stage: str) -> tuple[dict[str, Any], ...]:
    """The manifests of one stage, in a stable order. Raises InvariantError (ManifestsMissing) without any."""
    folder = files("quantix_api") / "manifests" / stage
    found: list[dict[str, Any]] = []
    for entry in sorted(folder.iterdir(), key=lambda item: item.name) if folder.is_dir() else ():
        found.extend(yaml.load_all(entry.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader))
    if not found:
        raise InvariantError("ManifestsMissing", f"{folder} holds no manifests", "a complete checkout")
    return tuple(found)


def all_manifests() -> tuple[dict[str, Any], ...]:
    """Everything: namespaces, then definitions, then roles, then policies.

    Objects of our kinds can be made once the definitions are Established. A server before Kubernetes 1.36
    does not know MutatingAdmissionPolicy and its binding: leave them out there.
    """
    return tuple(manifest for stage in STAGES for manifest in stage_manifests(stage))


def version_of(manifests: Iterable[Mapping[str, Any]]) -> str:
    """16 hex digits that change with what the manifests say, not with how they are written down."""
    written = json.dumps(list(manifests), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(written.encode()).hexdigest()[:16]
