"""Clones and snapshots in Ceph by Quantix, beside `rbd` doing the same on the same pool."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median

from quantix_lab.bench.figures import Figure, at_most, spread, told
from quantix_lab.bench.guests import READY, TIMEOUT_S, applied, bench_vm
from quantix_lab.bench.progress import step
from quantix_lab.ceph_pools import FAST
from quantix_lab.lab import Lab
from quantix_lab.machine_view import SHARED, MachineView, Manifest

ROUNDS = 6
CLONE_GOAL_S = 1.0
_GUEST = "snapped"


def measure_storage(lab: Lab) -> list[Figure]:
    """Both."""
    return [*_clones(lab), *_snapshots(lab)]


def _clones(lab: Lab) -> list[Figure]:
    """Of an image, copy on write."""
    view, ceph = MachineView(lab.first), lab.ceph.cluster
    image = view.get("image", "tiny", SHARED)["metadata"]["uid"]
    step("storage: the image comes into Ceph")
    applied(lab.first, _volume("warm"), READY)
    ours, theirs = [], []
    for number in range(ROUNDS):
        step(f"storage: clones, round {number + 1} of {ROUNDS}")
        ours.append(applied(lab.first, _volume(f"clone-{number}"), READY))
        theirs.append(_timed(lambda n=number: ceph.rbd("clone", *_bare_clone(image, n))))  # type: ignore[misc]
    for number in range(ROUNDS):
        ceph.rbd("rm", f"{FAST}/by-hand-{number}")
    volumes = ["warm", *(f"clone-{number}" for number in range(ROUNDS))]
    view.machine.kubectl("delete", "volume", *volumes, "--wait=true", timeout_s=TIMEOUT_S)
    return [
        at_most("clone of an image, apply → Available", median(ours), "s", CLONE_GOAL_S, noise=spread(ours)),
        told("clone of an image, rbd clone", median(theirs), "s", noise=spread(theirs)),
        told("clone of an image, ratio", median(ours) / median(theirs), "x"),
    ]


def _snapshots(lab: Lab) -> list[Figure]:
    """Of the disk of a guest that runs."""
    view, ceph = MachineView(lab.first), lab.ceph.cluster
    disks = [{"name": "root", "image": "shared/tiny", "pool": "fast", "reclaimPolicy": "Delete"}]
    step("storage: a guest to take snapshots of")
    view.apply(bench_vm(_GUEST, disks=disks, gracePeriodSeconds=0))
    view.wait_ready(_GUEST, reason="Running", timeout_s=TIMEOUT_S)
    handle = view.get("volume", f"{_GUEST}-root")["status"]["handle"]
    ours, theirs = [], []
    for number in range(ROUNDS):
        step(f"storage: snapshots, round {number + 1} of {ROUNDS}")
        ours.append(applied(lab.first, _snapshot(f"snapshot-{number}"), READY))
        bare = f"{FAST}/{handle}@by-hand-{number}"
        theirs.append(_timed(lambda bare=bare: ceph.rbd("snap", "create", bare)))  # type: ignore[misc]
        ceph.rbd("snap", "rm", bare)
    names = [f"snapshot-{number}" for number in range(ROUNDS)]
    view.machine.kubectl("delete", "virtualmachinesnapshot", *names, "--wait=true", timeout_s=TIMEOUT_S)
    view.machine.kubectl("delete", "vm", _GUEST, "--wait=true", timeout_s=TIMEOUT_S)
    return [
        told("snapshot of a VM that runs, apply → Ready", median(ours), "s", noise=spread(ours)),
        told("snapshot of its disk, rbd snap create", median(theirs), "s", noise=spread(theirs)),
        told("snapshot, ratio", median(ours) / median(theirs), "x"),
    ]


def _bare_clone(image: str, number: int) -> tuple[str, ...]:
    return ("--rbd-default-clone-format", "2", f"{FAST}/image.{image}@base", f"{FAST}/by-hand-{number}")


def _volume(name: str) -> Manifest:
    return {
        "apiVersion": "quantix.io/v1alpha1",
        "kind": "Volume",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"pool": "fast", "source": {"image": "shared/tiny"}},
    }


def _snapshot(name: str) -> Manifest:
    return {
        "apiVersion": "quantix.io/v1alpha1",
        "kind": "VirtualMachineSnapshot",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"virtualMachine": _GUEST, "quiesce": "Never"},
    }


def _timed(act: Callable[[], object]) -> float:
    began_s = time.monotonic()
    act()
    return time.monotonic() - began_s
