"""The manifests of the API as shipped with this package, in the order in which they are applied.

Used by whoever installs Quantix into an API server: `qx up`, the tests, a chart. Reads files only.
"""

from __future__ import annotations

from importlib.resources import files
from typing import Any

import yaml

_STAGES = ("namespaces", "crds", "rbac", "policies")


def stage_manifests(stage: str) -> tuple[dict[str, Any], ...]:
    """The manifests of one stage, in a stable order."""
    folder = files("quantix_api") / "manifests" / stage
    found: list[dict[str, Any]] = []
    for entry in sorted(folder.iterdir(), key=lambda item: item.name):
        found.extend(yaml.safe_load_all(entry.read_text(encoding="utf-8")))
    return tuple(found)


def all_manifests() -> tuple[dict[str, Any], ...]:
    """Everything: namespaces, then definitions, then roles, then policies.

    Objects of our kinds can be made once the definitions are Established. A server before Kubernetes 1.36
    does not know MutatingAdmissionPolicy and its binding: leave them out there.
    """
    return tuple(manifest for stage in _STAGES for manifest in stage_manifests(stage))
