"""Who else writes an object: tools that make it from Git or a chart, and would undo a change. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from quantix_api.message_text import text_of

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
"""The annotation in which `kubectl apply` keeps what it was given."""

_ARGO = "argocd.argoproj.io/tracking-id"
_HELM = "meta.helm.sh/release-name"
_FLUX = ("kustomize.toolkit.fluxcd.io/name", "helm.toolkit.fluxcd.io/name")


def warning(obj: Mapping[str, Any]) -> str:
    """The sentence for whoever changes `obj` by hand; "" where no such tool says that it is its own."""
    owner = _owner(obj["metadata"])
    if not owner:
        return ""
    name = obj["metadata"]["name"]
    way_out = "change it there, or leave the field out of the manifest"
    return text_of(f"{name} is managed by {owner}: it may undo this.", way_out)


def is_applied(obj: Mapping[str, Any]) -> bool:
    """Whether somebody keeps a manifest of its spec and applies it, by `kubectl apply` or server-side."""
    metadata = obj["metadata"]
    if LAST_APPLIED in (metadata.get("annotations") or {}):
        return True
    return any(
        field.get("operation") == "Apply" and "f:spec" in (field.get("fieldsV1") or {})
        for field in metadata.get("managedFields") or []
    )


def _owner(metadata: Mapping[str, Any]) -> str:
    annotations, labels = metadata.get("annotations") or {}, metadata.get("labels") or {}
    if application := annotations.get(_ARGO, "").partition(":")[0]:
        return f"Argo CD (app {application})"
    for label in _FLUX:
        if label in labels:
            return f"Flux ({labels[label]})"
    return f"Helm (release {annotations[_HELM]})" if _HELM in annotations else ""
