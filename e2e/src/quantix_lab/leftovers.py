"""What somebody made on a machine that tests share, taken away again. Used by end-to-end tests."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from quantix_api.resources import (
    FLOATING_IPS,
    IMAGES,
    NAMESPACES,
    NETWORKS,
    ROUTERS,
    SECRETS,
    SECURITY_GROUPS,
    STORAGE_POOLS,
    VIRTUAL_MACHINES,
    VOLUMES,
    Resource,
)
from quantix_lab.machine_view import MachineView
from quantix_lab.waiting import eventually

OF_PAGES = ("team-blue", "shop")
"""The namespaces that pages of docs/ make."""
KINDS = (
    *(VIRTUAL_MACHINES, VOLUMES, IMAGES, SECURITY_GROUPS, SECRETS),
    *(FLOATING_IPS, ROUTERS, NETWORKS, STORAGE_POOLS),
)
_UNPROTECTED = ("--type=merge", "-p", '{"spec": {"deletionProtection": false}}')
_GONE = ("--ignore-not-found", "--timeout=80s")


@contextlib.contextmanager
def taken_away(view: MachineView) -> Iterator[None]:
    """Delete what is made meanwhile in the namespace `default`, and the namespaces of pages."""
    # the group `default` is everybody's once it was made
    there = {kind: {*_names(view, kind), "default"} for kind in KINDS}
    yield
    for namespace in OF_PAGES:
        if view.machine.api.get(NAMESPACES.path(name=namespace)) is None:
            continue
        _delete(view, VIRTUAL_MACHINES, _names(view, VIRTUAL_MACHINES, namespace), namespace)
        for volume in _names(view, VOLUMES, namespace):
            # one that is its VM's may go with that meanwhile
            view.machine.kubectl("patch", "volume", volume, "-n", namespace, *_UNPROTECTED, check=False)
        view.machine.kubectl("delete", "namespace", namespace, timeout_s=90)
    for kind, before in there.items():
        _delete(view, kind, [name for name in _names(view, kind) if name not in before])


def _names(view: MachineView, kind: Resource, namespace: str = "default") -> list[str]:
    listed = view.machine.api.get(kind.path(namespace)) or {"items": ()}
    return [item["metadata"]["name"] for item in listed["items"]]


def _delete(view: MachineView, kind: Resource, left: list[str], namespace: str = "default") -> None:
    """No guest is given time to shut down; what is refused, as a volume of a VM is, is tried again."""
    if kind is VIRTUAL_MACHINES:
        for name in left:
            view.patch("vm", name, {"spec": {"gracePeriodSeconds": 0}}, namespace)
    if left:
        command = ("delete", kind.plural, *left, "-n", namespace, *_GONE)
        eventually(
            f"{left} can be deleted",
            lambda: view.machine.kubectl(*command, check=False, timeout_s=90).returncode == 0,
            timeout_s=90,
        )
