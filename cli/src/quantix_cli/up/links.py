"""The links outside our own directories that make `qx`, `kubectl` and `quantix-controlplane` work when typed;
only for the machine's own installation, and never in the place of something that is there.
"""

from __future__ import annotations

import os
from pathlib import Path

from quantix_cli.supervision.table import CONTROL_PLANE_PROGRAM
from quantix_cli.up.settings import UpSettings

BIN = Path("/usr/local/bin")


def wanted(settings: UpSettings, controlplane: Path | None) -> dict[Path, Path]:
    """Link → target. kubectl is linked only where none is on the search path (but our own)."""
    links = {BIN / "qx": settings.venv / "bin/qx"}
    if controlplane is not None:
        links[BIN / CONTROL_PLANE_PROGRAM] = controlplane
        if foreign_kubectl(settings) is None:
            links[BIN / "kubectl"] = controlplane
        if settings.home is not None:
            links[settings.home / ".kube/config"] = settings.admin_kubeconfig
    return links


def foreign_kubectl(settings: UpSettings) -> Path | None:
    """The first kubectl on the search path that is none of ours."""
    found = (Path(folder, "kubectl") for folder in settings.search_path.split(os.pathsep))
    return next((path for path in found if os.access(path, os.X_OK) and not is_ours(path, settings)), None)


def is_ours(link: Path, settings: UpSettings) -> bool:
    """Whether it is a link that `ensure_links` made, of this checkout or this installation."""
    if not link.is_symlink():
        return False
    target = link.readlink()
    ours = (settings.venv, settings.cache, settings.layout.etc)
    return any(target.is_relative_to(place) for place in ours)


def ensure_links(settings: UpSettings, controlplane: Path | None) -> list[Path]:
    """Make the links; those that were made or moved."""
    if not settings.is_machines_own:
        return []
    made = []
    for link, target in wanted(settings, controlplane).items():
        there = link.exists() or link.is_symlink()
        if (there and not is_ours(link, settings)) or (there and link.readlink() == target):
            continue
        link.parent.mkdir(parents=True, exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(target)
        made.append(link)
    return made


def remove_links(settings: UpSettings) -> None:
    """Remove the links that are ours."""
    places = [BIN / "qx", BIN / "kubectl", BIN / CONTROL_PLANE_PROGRAM]
    if settings.home is not None:
        places.append(settings.home / ".kube/config")
    for link in places:
        if is_ours(link, settings):
            link.unlink()
