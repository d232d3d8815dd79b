"""What is done next about a volume that is made from what a snapshot keeps of a disk: by tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from quantix_api import VirtualMachineSnapshot, Volume
from quantix_hostd.claims import VolumePlace
from quantix_hostd.snapshot_place import SnapshotPlace
from quantix_hostd.volume.actions import Copy
from quantix_hostd.volume.observed import VolumeObserved
from quantix_hostd.volume.plan import plan_volume
from quantix_hostd.volume.recipe import Origin, Recipe

_MIB = 1 << 20
_PLACE = SnapshotPlace(Path("/pool"), "s-root", "s")
_KEPT = Origin("default/first", "s-root", _PLACE, 4 * _MIB, "i", "qcow2")
_LOCKED = Origin("default/first", "s-root", _PLACE, 4 * _MIB, encrypted=True)
_GOING: dict[str, Any] = {"deletionTimestamp": "2026-01-01T00:00:00Z"}
_KEY = {"encryption": {"secretRef": {"name": "k"}}}


def snapshot(phase: str = "Ready", **metadata: Any) -> VirtualMachineSnapshot:
    about = {"name": "first", "namespace": "default", "uid": "s", **metadata}
    disk = {"name": "root", "volume": "web-1-root", "volumeUID": "v", "pool": "local"}
    status = {"host": "h1", "phase": phase, "disks": [disk]}
    return VirtualMachineSnapshot.model_validate(
        {"metadata": about, "spec": {"virtualMachine": "web-1"}, "status": status}
    )


def made(spec: dict[str, Any] | None = None, disk: str = "root", **found: Any) -> VolumeObserved:
    metadata = {"name": "copy", "namespace": "default", "uid": "u", "generation": 1}
    source = {"source": {"snapshot": {"name": "first", "disk": disk}}}
    manifest = {"metadata": metadata, "spec": {**source, **(spec or {})}, "status": {"host": "h1"}}
    seen = {"snapshot": snapshot(), "origin": _KEPT, **found}
    place = VolumePlace(Path("/pool"), "u")
    return VolumeObserved(Volume.model_validate(manifest), "h1", "c1", "local", place, **seen)


@pytest.mark.parametrize(
    ("observed", "recipe"),
    [
        (made(), Recipe("u", 0, origin=_KEPT)),
        (made({"size": "8Mi", "copyMode": "Full"}), Recipe("u", 8 * _MIB, None, True, _KEPT)),
        # it is kept until this one is made
        (made(snapshot=snapshot(**_GOING)), Recipe("u", 0, origin=_KEPT)),
        (
            made(_KEY, origin=_LOCKED, passphrase="new", origin_passphrase="new"),
            Recipe("u", 0, origin=_LOCKED, passphrase="new", origin_passphrase="new"),
        ),
        (made(_KEY, passphrase="new"), Recipe("u", 0, origin=_KEPT, passphrase="new")),
    ],
)
def test_it_is_copied_once_the_snapshot_is_taken(observed: VolumeObserved, recipe: Recipe) -> None:
    plan = plan_volume(observed)
    assert (plan.actions, plan.error) == ((Copy(recipe),), None)


@pytest.mark.parametrize(
    ("observed", "reason", "words"),
    [
        (made(snapshot=None, origin=None), "SnapshotNotFound", "no snapshot first"),
        (made(snapshot=snapshot("Taking"), origin=None), "SnapshotNotReady", "not taken yet"),
        (made(snapshot=snapshot("Failed"), origin=None), "SnapshotNotReady", "will not be"),
        (made(disk="swap", origin=None), "DiskMissing", "no disk swap"),
        (made(snapshot=snapshot(**_GOING), origin=None), "SnapshotNotFound", "being deleted"),
        (made(origin=None), "DataMissing", "first/root"),
        # what is encrypted is never made readable
        (made(origin=_LOCKED), "ConfigRefused", "web-1-root"),
    ],
)
def test_it_says_what_it_waits_for_or_why_it_cannot_be(
    observed: VolumeObserved, reason: str, words: str
) -> None:
    plan = plan_volume(observed)
    assert plan.error is not None
    assert (plan.actions, plan.error.reason) == ((), reason)
    assert words in plan.error.message
