"""What somebody made on a machine that tests share, taken away again. Used by end-to-end tests."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from quantix_lab.machine_view import MachineView
from quantix_lab.waiting import eventually

NAMESPACES = ("team-blue", "shop")
"""Those that pages of docs/ make."""
KINDS = ("vm", "volume", "image", "securitygroup", "secret", "floatingip", "router", "network", "storagepool")
_UNPROTECTED = ("--type=merge", "-p", '{"spec": {"deletionProtection": false}}')
_GONE = ("--ignore-not-found", "--timeout=80s")


@contextlib.contextmanager
def taken_away(view: MachineView) -> Iterator[None]:
    """Delete what is made meanwhile in the namespace `default`, and the namespaces of pages."""
    # the group `default` is everybody's once it was made
    there = {kind: {*_names(view, kind), "default"} for kind in KINDS}
    yield
    for namespace in NAMESPACES:
        _delete(view, "vm", _names(view, "vm", namespace), namespace)
        for volume in _names(view, "volume", namespace):
            # one that is its VM's may go with that meanwhile
            view.machine.kubectl("patch", "volume", volume, "-n", namespace, *_UNPROTECTED, check=False)
        view.machine.kubectl("delete", "namespace", namespace, "--ignore-not-found", timeout_s=90)
    for kind, before in there.items():
        _delete(view, kind, [name for name in _names(view, kind) if name not in before])


def _names(view: MachineView, kind: str, namespace: str = "default") -> list[str]:
    listed = view.machine.kubectl("get", kind, "-n", namespace, "-o", "name").stdout.split()
    return [entry.partition("/")[2] for entry in listed]


def _delete(view: MachineView, kind: str, left: list[str], namespace: str = "default") -> None:
    """No guest is given time to shut down; what is refused, as a volume of a VM is, is tried again."""
    if kind == "vm":
        for name in left:
            view.patch("vm", name, {"spec": {"gracePeriodSeconds": 0}}, namespace)
    if left:
        command = ("delete", kind, *left, "-n", namespace, *_GONE)
        eventually(
            f"{left} can be deleted",
            lambda: view.machine.kubectl(*command, check=False, timeout_s=90).returncode == 0,
            timeout_s=90,
        )
