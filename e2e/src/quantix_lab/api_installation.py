"""Quantix' API in a control plane, as `qx up` installs it, for tests that start no platform."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any

import yaml

from quantix_lab.control_plane import ControlPlane, ControlPlaneError

_SERVED_S = 30.0
_LOOK_S = 0.2
_PROBE = {"apiVersion": "quantix.io/v1alpha1", "kind": "Host", "metadata": {"name": "probe"}, "spec": {}}


def install(plane: ControlPlane, manifests: Iterable[Mapping[str, Any]]) -> None:
    """Apply `manifests` of `quantix_api.installation`; returns once the server takes objects of our kinds.

    Raises ControlPlaneError when it does not within 30 s.
    """
    plane.kubectl("apply", "--server-side", "-f", "-", stdin=yaml.safe_dump_all(manifests))
    plane.kubectl("wait", "--for=condition=Established", "crd", "--all", f"--timeout={_SERVED_S:.0f}s")
    wait_until_served(plane)


def wait_until_served(plane: ControlPlane) -> None:
    """A policy that changes objects knows a new kind some seconds after it is Established; until then the
    server answers 503.
    """
    deadline = time.monotonic() + _SERVED_S
    while True:
        try:
            plane.kubectl("create", "--dry-run=server", "-f", "-", stdin=yaml.safe_dump(_PROBE))
        except ControlPlaneError:
            if time.monotonic() > deadline:
                raise
            time.sleep(_LOOK_S)
        else:
            return
