"""What is done next about a volume: by tables. The claim is taken for all work on data that is there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from quantix_api import Image, Volume
from quantix_api.errors import InvariantError, TransientError, WaitingError
from quantix_hostd.claims import Claim, Holder, VolumePlace
from quantix_hostd.transfer.seen import TransferSeen
from quantix_hostd.volume.actions import BringImage, Copy, FreeClaim, Grow, Make, Remove, StopCopy
from quantix_hostd.volume.move_plan import CopyTo, RemoveOther, SetClaim
from quantix_hostd.volume.observed import OtherPlace, VolumeObserved
from quantix_hostd.volume.plan import plan_volume
from quantix_hostd.volume.recipe import Base, Recipe

_MIB = 1 << 20
_FREE = Claim(3, None, "", "c1")
_WORK = Claim(3, Holder("h1", 4), "u", "c1", written=3)
"""The claim, held by this host for work of its own."""
_FREED = Claim(4, None, "u", "c1", written=3)
_RESTORING = Claim(3, Holder("h1", 0), "r", "c1", restoring="r")
_OF_VM = Claim(3, Holder("h1", 4), "uid-of-a-vm", "c1")
_READY = {"type": "Ready", "status": "True", "reason": "Verified", "message": ""}
_IMAGE = Image.model_validate(
    {
        "metadata": {"name": "debian", "namespace": "default", "uid": "i"},
        "spec": {"url": "http://a.example/x"},
        "status": {"format": "Raw", "conditions": [_READY]},
    }
)
_UNREADY = _IMAGE.model_copy(update={"status": Image.model_validate({"spec": {"upload": {}}}).status})
_BASE = Base("i", "raw", 2 * _MIB)


def granted(size: str, status: str = "True") -> list[dict[str, Any]]:
    reason = "Granted" if status == "True" else "PoolFull"
    said = {"type": "SizeGranted", "status": status, "reason": reason, "message": "Pool local is full."}
    return [{**said, "observedGeneration": 1}]


def seen(
    spec: dict[str, Any] | None = None,
    status: dict[str, Any] | None = None,
    metadata: dict[str, Any] | None = None,
    **found: Any,
) -> VolumeObserved:
    about = {"name": "data", "namespace": "default", "uid": "u", "generation": 1, **(metadata or {})}
    manifest = {"metadata": about, "spec": {"size": "1Mi", **(spec or {})}, "status": status or {}}
    place = VolumePlace(Path("/pool"), "u")
    return VolumeObserved(Volume.model_validate(manifest), "h1", "c1", "local", place, **found)


def there(capacity_bytes: int = _MIB, claim: Claim | None = _FREE, **found: Any) -> dict[str, Any]:
    return {"there": True, "capacity_bytes": capacity_bytes, "claim": claim, **found}


_FROM = {"source": {"image": "debian"}}
_FULL = Recipe("u", _MIB, _BASE, full_copy=True)
_FULL_POOL = TransientError("PoolFull", "Pool local is full.")
_GOING = {"deletionTimestamp": "2026-01-01T00:00:00Z"}
_LARGER = {"size": "2Mi"}


def copying(copy: TransferSeen[None] | None, **status: str) -> VolumeObserved:
    """A full copy that this host has said it makes."""
    said = {"host": "h1", **status}
    return seen({**_FROM, "copyMode": "Full"}, said, image=_IMAGE, base=_BASE, copy=copy)


@pytest.mark.parametrize(
    ("observed", "actions"),
    [
        (seen(), (Make(Recipe("u", _MIB)),)),
        (seen(_FROM, image=_IMAGE), (BringImage(_IMAGE),)),
        (seen(_FROM, image=_IMAGE, base=_BASE), (Make(Recipe("u", _MIB, _BASE)),)),
        (copying(None), (Copy(_FULL),)),
        (copying(TransferSeen(error=_FULL_POOL, delay_s=10.0, retry_in_s=0)), (Copy(_FULL),)),
        (
            seen({**_FROM, "copyMode": "Full"}, metadata=_GOING, copy=TransferSeen(running=True)),
            (StopCopy(),),
        ),
        (
            seen(_LARGER, {"conditions": granted("2Mi")}, **there()),
            (Grow(_FREE, _WORK, _FREED, 2 * _MIB),),
        ),
        # an earlier process held it when it died
        (
            seen(_LARGER, {"conditions": granted("2Mi")}, **there(claim=_WORK)),
            (Grow(_WORK, _WORK, _FREED, 2 * _MIB),),
        ),
        (seen(**there(claim=_WORK)), (FreeClaim(_WORK, _FREED),)),
        (seen(metadata=_GOING, **there()), (Remove(_FREE, _WORK),)),
        (seen(metadata=_GOING, **there(claim=_WORK)), (Remove(_WORK, _WORK),)),
    ],
)
def test_the_next_step(observed: VolumeObserved, actions: tuple[object, ...]) -> None:
    plan = plan_volume(observed)
    assert (plan.actions, plan.verdict, plan.error) == (actions, None, None)


@pytest.mark.parametrize(
    ("observed", "reason"),
    [
        (seen(status={"data": "Present"}), "DataMissing"),
        # in Ceph another image gets its name
        (seen(status={"data": "Present"}, there=True, claim=_RESTORING), "VolumeInUse"),
        (seen(_FROM), "SourceNotFound"),
        (seen({"source": {"volume": "v"}}), "SourceNotFound"),
        (seen(_FROM, image=_UNREADY), "ImageDownloading"),
        (copying(None, data="Absent"), "Creating"),
        (copying(TransferSeen(error=_FULL_POOL, delay_s=10.0, retry_in_s=0), data="Absent"), "Creating"),
        (copying(TransferSeen(running=True, queued=True)), "Copying"),
        (copying(TransferSeen(running=True)), "Copying"),
        (copying(TransferSeen(error=_FULL_POOL, delay_s=10.0, retry_in_s=4.0)), "PoolFull"),
        (seen(_LARGER, {"conditions": granted("2Mi")}, **there(claim=_OF_VM)), "InUse"),
        (seen(_LARGER, {"conditions": granted("2Mi")}, **there(claim=None)), "DataDamaged"),
        # nothing proves that no process has it
        (seen(metadata=_GOING, **there(claim=None)), "DataDamaged"),
        (seen(metadata=_GOING, **there(claim=_OF_VM)), "InUse"),
        (seen(metadata=_GOING, **there(claim=Claim(0, None, "", "another"))), "InUse"),
        (
            seen(metadata=_GOING, **there(claim=None, claim_problem=InvariantError("DataDamaged", "It is."))),
            "DataDamaged",
        ),
    ],
)
def test_what_it_waits_for(observed: VolumeObserved, reason: str) -> None:
    plan = plan_volume(observed)
    assert (plan.actions, plan.verdict) == ((), None)
    assert plan.error is not None
    assert plan.error.reason == reason


@pytest.mark.parametrize(
    ("observed", "reason"),
    [
        (seen(**there()), "Available"),
        (seen(**there(claim=_OF_VM)), "Available"),
        (seen(**there(claim=None, claim_problem=InvariantError("DataDamaged", "It is."))), "Available"),
        (seen(_LARGER, **there()), "Resizing"),
        (seen(_LARGER, {"conditions": granted("2Mi", "False")}, **there()), "PoolFull"),
        (seen(metadata=_GOING), "Deleting"),
    ],
)
def test_what_is_said_when_nothing_is_to_be_done(observed: VolumeObserved, reason: str) -> None:
    plan = plan_volume(observed)
    assert (plan.actions, plan.error) == ((), None)
    assert plan.verdict is not None
    assert plan.verdict.reason == reason


def test_a_disk_that_its_vm_makes_larger_is_looked_at_again_soon() -> None:
    of_vm = {"labels": {"quantix.io/virtual-machine-uid": "uid-of-a-vm"}}
    plan = plan_volume(seen(_LARGER, metadata=of_vm, **there(claim=_OF_VM)))
    assert plan.actions == ()
    assert plan.again_s < 10 < plan_volume(seen(**there())).again_s


def test_a_volume_that_leaves_for_a_pool_that_is_away_does_not_grow_meanwhile() -> None:
    """What is held beside a copy in another pool is taken to be held for that copy."""
    claim = replace(_FREE, moving_to="fast")
    away = OtherPlace("fast", problem=_FULL_POOL)
    larger = {"conditions": granted("2Mi")}
    assert plan_volume(seen(_LARGER, larger, **there(claim=claim, other=away))).actions == ()
    grown = plan_volume(seen(_LARGER, larger, **there(other=away))).actions
    assert [type(action) for action in grown] == [Grow]


def test_only_what_was_held_for_a_move_makes_a_copy_the_volume() -> None:
    held = Claim(3, Holder("h1", 0), "u", "c1")
    partial = Claim(3, None, "", "c1", partial=True)
    copy = OtherPlace("fast", VolumePlace(Path("/fast"), "u"), partial, there=True, has_disk=True)
    wish = {"pool": "fast"}, {"movingTo": "fast"}
    (freed,) = plan_volume(seen(*wish, **there(claim=held, other=copy))).actions
    assert isinstance(freed, SetClaim)
    assert (freed.wanted.holder, freed.wanted.moved) == (None, False)
    leaving = replace(held, holder=Holder("h1", 4), moving_to="fast")
    handed, _ = plan_volume(seen(*wish, **there(claim=leaving, other=copy))).actions
    assert isinstance(handed, SetClaim)
    assert handed.wanted.moved
    # the claim came to be and the disk did not, or not as its maker heard
    ended = TransferSeen[None](error=_FULL_POOL, retry_in_s=7.0)
    for found in ({"other": replace(copy, has_disk=False)}, {"other": copy, "copy": ended}):
        (freed,) = plan_volume(seen(*wish, **there(claim=leaving, **found))).actions
        assert isinstance(freed, SetClaim)
        assert (freed.wanted.holder, freed.wanted.moved) == (None, False)
    waits = plan_volume(seen(*wish, **there(claim=freed.wanted, other=copy, copy=ended))).error
    assert waits is not None
    assert waits.reason == "PoolFull"
    again = plan_volume(seen(*wish, **there(claim=freed.wanted, other=copy))).actions
    assert again == (RemoveOther("fast"),)


def test_an_encrypted_volume_moves_once_its_passphrase_is_there_and_takes_no_claim_before() -> None:
    wish = {"pool": "fast", "encryption": {"secretRef": {"name": "k"}}}, {"movingTo": "fast"}
    missing = WaitingError("SecretNotFound", "Secret k is not there.")
    waiting = plan_volume(seen(*wish, **there(passphrase_problem=missing)))
    assert (waiting.actions, waiting.error) == ((), missing)
    told = plan_volume(seen(*wish, **there(passphrase="hush")))
    assert [type(action) for action in told.actions] == [SetClaim, CopyTo]
    assert "hush" not in repr(told)


def test_a_copy_that_another_passphrase_ended_is_told_as_that() -> None:
    wrong = TransientError("PassphraseWrong", "It is another one.")
    ended = TransferSeen[None](error=wrong, retry_in_s=7.0)
    wish = {"pool": "fast"}, {"movingTo": "fast"}
    error = plan_volume(seen(*wish, **there(copy=ended))).error
    assert isinstance(error, WaitingError)
    assert (error.reason, error.retry_after_s) == ("PassphraseWrong", 7.0)


def test_of_a_pool_in_ceph_that_takes_no_writes_a_volume_says_so_and_serves() -> None:
    plan = plan_volume(seen(**there(full="an OSD is full")))
    assert plan.verdict is not None
    assert (plan.verdict.reason, plan.verdict.serves, plan.again_s) == ("PoolFull", True, 30.0)
    assert plan.verdict.message.startswith(
        "Pool local takes no writes, since an OSD is full: what VMs write to data waits, and nothing is lost."
    )
    assert plan_volume(seen(**there())).verdict != plan.verdict


def test_what_another_hosts_guest_has_is_left_to_that_host_whatever_is_wanted() -> None:
    """The copy lies in a directory there: that none is seen here tells nothing."""
    theirs = Claim(3, Holder("h2", 4), "uid-of-a-vm", "c1", moving_to="fast")
    for pool in ("local", "fast"):
        looked = seen({"pool": pool}, {"data": "Present"}, **there(claim=theirs), other=OtherPlace("fast"))
        found = plan_volume(looked)
        assert found.actions == ()
        assert found.error is not None
        assert found.error.reason == "Moving"
