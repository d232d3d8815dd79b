"""A guest with room to grow: for tests of what changes under a guest that runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from quantix_api.conditions import condition_of
from quantix_lab.guest_console import wait_booted
from quantix_lab.machine_view import MachineView, Manifest
from quantix_lab.vm_manifests import small_vm

NAME = "roomy"
# a kernel that may be given memory above 4 GiB sets 64 MiB aside for devices (swiotlb)
MEMORY = {"size": "256Mi", "maxSize": "512Mi"}


@contextmanager
def roomy_guest(view: MachineView) -> Iterator[Manifest]:
    """The VM, whose guest has booted; it is removed when the block is left."""
    view.apply(small_vm(NAME, cpu={"cores": 1, "maxCores": 2}, memory=MEMORY, gracePeriodSeconds=0))
    yield wait_booted(view, NAME)
    view.machine.kubectl("delete", "vm", NAME, "--timeout=60s", timeout_s=90)


@contextmanager
def same_qemu(view: MachineView) -> Iterator[None]:
    """Nothing within the block restarts the guest, and nothing is left to restart it for."""
    before = view.qemu(view.get("virtualmachine", NAME))
    yield
    after = view.get("virtualmachine", NAME)
    assert view.qemu(after) == before
    assert condition_of(after, "RestartRequired") == {}


def change(view: MachineView, **spec: Any) -> Manifest:
    """Patch the VM's spec and wait until it is as spec wants it."""
    view.patch("virtualmachine", NAME, {"spec": spec})
    return view.wait_ready(NAME, reason="Running")
