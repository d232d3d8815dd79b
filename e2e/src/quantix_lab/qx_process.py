"""`qx` as a process, as a script runs it, and the objects that its contract tests show it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from quantix_lab.control_plane import ControlPlane

NAMESPACE = "qx-contract"
TIMEOUT_S = 60.0
"""The longest that a run may take."""


class Qx:
    """Runs `qx` the way a script does: no terminal, output in pipes."""

    def __init__(self, control_plane: ControlPlane) -> None:
        self.control_plane = control_plane

    def __call__(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "quantix_cli.main", *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
            env=self.environment(environment),
        )

    def environment(self, more: Mapping[str, str]) -> dict[str, str]:
        """All that a run sees of it."""
        kubeconfig = str(self.control_plane.admin_kubeconfig)
        # PYTHONPATH: the sources that these tests are run on
        inherited = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
        return {**inherited, "LANG": "C.UTF-8", "QUANTIX_KUBECONFIG": kubeconfig, **more}

    @contextmanager
    def following(self, *arguments: str) -> Iterator[subprocess.Popen[str]]:
        """`qx` that does not end by itself, its output in a pipe; ended when the block is left."""
        command = [sys.executable, "-m", "quantix_cli.main", *arguments, "-n", NAMESPACE]
        pipe = subprocess.PIPE
        with subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, text=True, env=self.environment({})
        ) as process:
            # a test that waits in vain for a line must end, too
            watchdog = threading.Timer(TIMEOUT_S, process.kill)
            watchdog.start()
            try:
                yield process
            finally:
                watchdog.cancel()
                process.kill()

    def in_namespace(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self(*arguments, "-n", NAMESPACE)


def virtual_machine(name: str) -> dict[str, Any]:
    return {
        "apiVersion": "quantix.io/v1alpha1",
        "kind": "VirtualMachine",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {"cpu": {"cores": 2}, "memory": {"size": "2Gi"}},
    }


def say_ready(control_plane: ControlPlane, name: str, status: str, reason: str, message: str) -> None:
    """Play the operator: one Ready condition."""
    vm = json.loads(control_plane.kubectl("get", "vm", name, "-n", NAMESPACE, "-o", "json"))
    condition = {
        "type": "Ready",
        "status": status,
        "reason": reason,
        "message": message,
        "observedGeneration": vm["metadata"]["generation"],
        "lastTransitionTime": vm["metadata"]["creationTimestamp"],
    }
    patch = json.dumps({"status": {"conditions": [condition]}})
    control_plane.kubectl(
        "patch", "vm", name, "-n", NAMESPACE, "--subresource=status", "--type=merge", "-p", patch
    )
