"""What is done next about a volume that is made from another one, and about that one meanwhile: by tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from quantix_api import Volume
from quantix_api.errors import WaitingError
from quantix_hostd.claims import CephPool, Claim, Holder, VolumePlace
from quantix_hostd.transfer.seen import TransferSeen
from quantix_hostd.volume.actions import Copy, FreeClaim, Grow, Remove
from quantix_hostd.volume.move_plan import RemoveOther, SetClaim
from quantix_hostd.volume.observed import OtherPlace, Unmade, VolumeObserved
from quantix_hostd.volume.plan import plan_volume
from quantix_hostd.volume.recipe import Origin, Recipe

_MIB = 1 << 20
_FREE = Claim(3, None, "", "c1")
_OF_VM = Claim(3, Holder("h1", 4), "uid-of-a-vm", "c1")
_STILL = Claim(3, Holder("h1", 0), "s", "c1")
"""The source's claim while a copy of it is made."""
_LEAVING = Claim(3, None, "", "c1", moving_to="fast")
_PARTIAL = Claim(3, None, "", "c1", moved_from="fast", partial=True)
_PLACE = VolumePlace(Path("/pool"), "s")
_ORIGIN = Origin("default/source", "s", _PLACE, 4 * _MIB, "i", "qcow2")
_LOCKED = Origin("default/source", "s", _PLACE, 4 * _MIB, "i", "qcow2", encrypted=True)
_IN_CEPH = Origin("default/source", "s", VolumePlace(CephPool("fast"), "s"), 4 * _MIB)
_GOING: dict[str, Any] = {"deletionTimestamp": "2026-01-01T00:00:00Z"}
_KEY = {"encryption": {"secretRef": {"name": "k"}}}
_NO_SECRET = WaitingError("SecretNotFound", "Secret k is not there.")


def source(**said: Any) -> Volume:
    metadata = {"name": "source", "namespace": "default", "uid": "s", **said.pop("metadata", {})}
    spec = {"size": "4Mi", **said.pop("spec", {})}
    status = {"host": "h1", "data": "Present", "pool": "local", "handle": "s", **said}
    return Volume.model_validate({"metadata": metadata, "spec": spec, "status": status})


def clone(spec: dict[str, Any] | None = None, **found: Any) -> VolumeObserved:
    """A clone that this host has said it makes, of a source that nobody has."""
    metadata = {"name": "copy", "namespace": "default", "uid": "u", "generation": 1}
    manifest = {
        "metadata": metadata,
        "spec": {"source": {"volume": "source"}, **(spec or {})},
        "status": {"host": "h1"},
    }
    seen = {"source": source(), "origin": _ORIGIN, "origin_claim": _FREE, **found}
    place = VolumePlace(Path("/pool"), "u")
    return VolumeObserved(Volume.model_validate(manifest), "h1", "c1", "local", place, **seen)


@pytest.mark.parametrize(
    ("observed", "recipe"),
    [
        (clone(), Recipe("u", 0, origin=_ORIGIN)),
        (clone({"size": "8Mi", "copyMode": "Full"}), Recipe("u", 8 * _MIB, None, True, _ORIGIN)),
        # it is kept until this one is made
        (clone(source=source(metadata=_GOING)), Recipe("u", 0, origin=_ORIGIN)),
        # every host of a pool in Ceph reaches it
        (clone(source=source(host="h2"), origin=_IN_CEPH), Recipe("u", 0, origin=_IN_CEPH)),
        # another copy of it is being made: this one waits for its turn
        (clone(origin_claim=_STILL, origin_lent=True), Recipe("u", 0, origin=_ORIGIN)),
        (
            clone(_KEY, origin=_LOCKED, passphrase="new", origin_passphrase="old"),
            Recipe("u", 0, origin=_LOCKED, passphrase="new", origin_passphrase="old"),
        ),
    ],
)
def test_a_clone_is_copied(observed: VolumeObserved, recipe: Recipe) -> None:
    plan = plan_volume(observed)
    assert (plan.actions, plan.error) == ((Copy(recipe),), None)
    assert recipe.final_size_bytes >= 4 * _MIB


@pytest.mark.parametrize(
    ("observed", "reason", "words"),
    [
        (clone(source=None), "SourceNotFound", "no volume source"),
        # its data were removed before this one was there
        (clone(source=source(metadata=_GOING), origin=None), "SourceNotFound", "no volume source"),
        (clone(source=source(metadata=_GOING, data="Absent")), "SourceNotFound", "no volume source"),
        (clone(source=source(host="h2")), "SourceNotFound", "kept by host h2"),
        (clone(origin=None), "Creating", "source is being made"),
        (clone(source=source(data="Absent")), "Creating", "source is being made"),
        (clone(origin_claim=_OF_VM, origin_user="web-1"), "VolumeInUse", "once VM web-1 is off"),
        (clone(origin_claim=_OF_VM), "VolumeInUse", "once host h1 has let go"),
        # an earlier process held it when it died: the look at the source frees it
        (clone(origin_claim=_STILL), "VolumeInUse", "once host h1 has let go"),
        (clone(origin_claim=None), "DataDamaged", "lost its claim"),
        # nobody has it, but what is held beside a copy in another pool is taken for that move's
        (clone(origin_claim=_LEAVING), "VolumeInUse", "once it is in pool fast"),
        (clone(origin_claim=_PARTIAL), "VolumeInUse", "once it is in pool local"),
        (clone(source=source(spec=_KEY), origin=_LOCKED), "ConfigRefused", "would be readable"),
        (clone(source=source(spec=_KEY, data="Absent"), origin=None), "ConfigRefused", "would be readable"),
        (clone(_KEY, passphrase_problem=_NO_SECRET), "SecretNotFound", "not there"),
        (clone(copy=TransferSeen(running=True)), "Copying", "source is being copied"),
    ],
)
def test_a_clone_waits_and_says_why(observed: VolumeObserved, reason: str, words: str) -> None:
    plan = plan_volume(observed)
    assert (plan.actions, plan.verdict) == ((), None)
    assert plan.error is not None
    assert plan.error.reason == reason
    assert words in plan.error.message


def lent(spec: dict[str, Any] | None = None, lent_to: str = "copy", **metadata: Any) -> VolumeObserved:
    """The source, held still for a copy."""
    about = {"name": "source", "namespace": "default", "uid": "s", "generation": 1, **metadata}
    granted = {"type": "SizeGranted", "status": "True", "reason": "Granted", "message": "Yes."}
    manifest = {
        "metadata": about,
        "spec": {"size": "4Mi", **(spec or {})},
        "status": {"conditions": [{**granted, "observedGeneration": 1}]},
    }
    found: dict[str, Any] = {"there": True, "capacity_bytes": 4 * _MIB, "claim": _STILL, "lent_to": lent_to}
    return VolumeObserved(Volume.model_validate(manifest), "h1", "c1", "local", _PLACE, **found)


def test_a_source_is_left_as_it_is_while_it_is_copied_and_freed_where_a_copy_died() -> None:
    assert plan_volume(lent()).actions == ()
    assert plan_volume(lent(lent_to="")).actions == (FreeClaim(_STILL, Claim(3, None, "s", "c1")),)
    assert plan_volume(lent({"size": "8Mi"})).actions == ()
    assert isinstance(plan_volume(lent({"size": "8Mi"}, lent_to="")).actions[0], Grow)


def test_a_source_is_not_removed_under_its_copy() -> None:
    waiting = plan_volume(lent(**_GOING)).error
    assert waiting is not None
    assert (waiting.reason, "being copied for volume copy" in waiting.message) == ("InUse", True)
    assert plan_volume(lent(lent_to="", **_GOING)).actions == (Remove(_STILL, _STILL),)


def kept(claim: Claim, **found: Any) -> VolumeObserved:
    """A source that is deleted while something is still to be made from it."""
    manifest = {
        "metadata": {"name": "source", "namespace": "default", "uid": "s", "generation": 2, **_GOING},
        "spec": {"size": "8Mi", "pool": "fast"},
        "status": {"host": "h1", "data": "Present", "pool": "local", "capacity": "4Mi", "movingTo": "fast"},
    }
    about: dict[str, Any] = {"there": True, "claim": claim, "unmade": Unmade(("copy",), 15.0), **found}
    return VolumeObserved(Volume.model_validate(manifest), "h1", "c1", "local", _PLACE, **about)


def test_a_source_that_is_deleted_stays_until_what_is_to_be_made_from_it_is_made() -> None:
    plan = plan_volume(kept(_FREE))
    assert (plan.actions, plan.error) == ((), None)
    assert plan.verdict is not None
    assert (plan.verdict.reason, plan.verdict.capacity_bytes) == ("InUse", 4 * _MIB)
    assert "still to be made from it is made: copy." in plan.verdict.message
    assert plan.again_s == 15, "nothing else tells that the copy was deleted"
    assert plan_volume(kept(_OF_VM)).actions == (), "a VM that is going, too, has it"
    assert isinstance(plan_volume(kept(_FREE, unmade=Unmade())).actions[0], Remove)


def test_many_copies_are_counted() -> None:
    verdict = plan_volume(kept(_FREE, unmade=Unmade(tuple("abcde")))).verdict
    assert verdict is not None
    assert "is made: a, b, c and 2 more." in verdict.message


def test_what_would_keep_copies_from_being_made_of_a_deleted_source_is_cleared_up() -> None:
    other = OtherPlace("fast", VolumePlace(Path("/fast"), "s"), _PARTIAL, there=True)
    ours = Claim(3, Holder("h1", 4), "s", "c1", moving_to="fast")
    freed = Claim(3, None, "s", "c1")
    # left by a hostd that was killed while it copied, and by a guest whose host was not able to free it
    assert plan_volume(kept(_STILL)).actions == (FreeClaim(_STILL, freed),)
    gone = plan_volume(kept(_OF_VM, holder_gone=True)).actions
    assert gone == (FreeClaim(_OF_VM, Claim(4, None, "uid-of-a-vm", "c1")),)
    # it was on its way to another pool
    assert plan_volume(kept(ours, other=other)).actions == (RemoveOther("fast"),)
    back = plan_volume(kept(ours, other=OtherPlace("fast"))).actions
    assert [type(action) for action in back] == [SetClaim]
    moved = Claim(3, None, "", "c1", moved_from="slow")
    old = OtherPlace("slow", VolumePlace(Path("/slow"), "s"), _LEAVING, there=True)
    assert plan_volume(kept(moved, other=old)).actions == (RemoveOther("slow"),)


def test_a_passphrase_is_in_no_text_of_what_is_planned() -> None:
    observed = clone(_KEY, origin=_LOCKED, passphrase="hush-1", origin_passphrase="hush-2")
    assert "hush" not in repr(observed)
    assert "hush" not in repr(plan_volume(observed))
