"""Which Volumes a VM's disks make, adopt, change and leave alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from quantix_api import VirtualMachine
from quantix_operator.virtualmachine.disks import disk_wishes
from quantix_operator.virtualmachine.volume_model import (
    CreateVolume,
    DeleteVolume,
    DiskWish,
    Missing,
    Owner,
    PatchVolume,
    Surroundings,
    VolumeAction,
    VolumePlan,
    VolumeView,
)
from quantix_operator.virtualmachine.volume_plan import plan_volumes

OWNER = Owner("default", "web-1", "uid-web-1")
IMAGE = {"image": "shared/tiny"}
ROOT = DiskWish("root", "web-1-root", source=IMAGE, size="10Gi")
ATTACHED = DiskWish("data", "web-1-data", volume="data")
MINE = VolumeView(
    "web-1-root", "uid-volume", "7", {"pool": "local", "size": "10Gi", "source": IMAGE}, vm_uid=OWNER.uid
)
LEFT_BEHIND = replace(MINE, vm_uid="")
DATA = VolumeView("data", "uid-data", "9", {"size": "1Gi"})
AROUND = Surroundings(default_pool="local")


def plan(disks: Sequence[DiskWish], *volumes: VolumeView, around: Surroundings = AROUND) -> Any:
    return plan_volumes(OWNER, disks, {volume.name: volume for volume in volumes}, around)


def patch_of(actions: Sequence[VolumeAction]) -> dict[str, Any]:
    (action,) = actions
    assert isinstance(action, PatchVolume)
    patch = {key: dict(value) for key, value in action.patch.items()}
    assert patch["metadata"].pop("resourceVersion") == action.resource_version
    return {key: value for key, value in patch.items() if value}


def test_a_missing_volume_is_made_with_what_the_disk_says() -> None:
    (action,) = plan([ROOT]).actions
    assert isinstance(action, CreateVolume)
    assert action.manifest == {
        "metadata": {
            "name": "web-1-root",
            "namespace": "default",
            "labels": {
                "app.kubernetes.io/managed-by": "quantix",
                "quantix.io/virtual-machine-uid": "uid-web-1",
            },
            "annotations": {"quantix.io/virtual-machine": "web-1"},
        },
        "spec": {"pool": "local", "size": "10Gi", "source": IMAGE},
    }


def test_the_limits_of_a_disk_are_not_written_into_its_volume() -> None:
    """A copy could not be told from what a user wrote there, and would outlive the limits of the disk."""
    disk = {"name": "root", "image": "shared/tiny", "size": "10Gi", "qos": {"iops": 50}}
    vm = {"metadata": {"name": "web-1", "namespace": "default"}, "spec": {"disks": [disk]}}
    wishes = disk_wishes(VirtualMachine.model_validate(vm))
    (action,) = plan(wishes).actions
    assert isinstance(action, CreateVolume)
    assert "qos" not in action.manifest["spec"]
    for qos in ({}, {"qos": {"iops": 100}}):
        assert plan(wishes, replace(MINE, spec={**MINE.spec, **qos})).actions == ()


def test_a_volume_that_goes_with_its_vm_is_owned_by_it() -> None:
    (action,) = plan([replace(ROOT, reclaim_policy="Delete")]).actions
    assert isinstance(action, CreateVolume)
    assert action.manifest["metadata"]["ownerReferences"] == [OWNER.reference]


def test_a_volume_is_not_made_before_its_source_is_there() -> None:
    lack = Missing("root", "ImageNotFound", {"image": "tiny", "name": "web-1"})
    found = plan([ROOT], around=Surroundings({"root": lack}, "local"))
    assert (found.actions, found.missing) == ((), (lack,))


def test_a_volume_that_is_there_needs_no_source() -> None:
    lack = Missing("root", "ImageNotFound", {"image": "tiny", "name": "web-1"})
    found = plan([ROOT], MINE, around=Surroundings({"root": lack}, "local"))
    assert (found.actions, found.missing) == ((), ())


def test_what_a_vm_of_that_name_left_behind_is_adopted() -> None:
    assert patch_of(plan([ROOT], LEFT_BEHIND).actions) == {
        "metadata": {
            "labels": {"quantix.io/virtual-machine-uid": "uid-web-1"},
            "annotations": {"quantix.io/virtual-machine": "web-1"},
        }
    }


def test_an_adoption_names_the_disk_and_nothing_else_does() -> None:
    (adoption,) = plan([ROOT], LEFT_BEHIND).actions
    assert isinstance(adoption, PatchVolume)
    assert adoption.adopts == "root"
    (growth,) = plan([replace(ROOT, size="20Gi")], MINE).actions
    assert isinstance(growth, PatchVolume)
    assert growth.adopts == ""


def test_what_was_left_behind_is_adopted_once_its_host_is_confirmed() -> None:
    found = plan([ROOT], replace(LEFT_BEHIND, host="h1", settled=False))
    assert found.actions == ()
    assert [missing.reason for missing in found.missing] == ["Creating"]


def test_what_an_earlier_vm_left_and_is_deleted_is_waited_for_by_its_name() -> None:
    found = plan([ROOT], replace(LEFT_BEHIND, going=True))
    assert found == VolumePlan((), (Missing("root", "Creating", {"going": LEFT_BEHIND.name}),))


CONFLICTS: dict[str, VolumeView] = {
    "another VM has it": replace(MINE, vm_uid="uid-other"),
    "it is attached to another VM": replace(LEFT_BEHIND, attached_to=frozenset({"uid-other"})),
    "it was made from something else": replace(LEFT_BEHIND, spec={"source": {"image": "other"}}),
    "it was made blank": replace(LEFT_BEHIND, spec={"size": "10Gi"}),
}


@pytest.mark.parametrize("case", CONFLICTS, ids=str)
def test_a_volume_is_not_touched_when(case: str) -> None:
    found = plan([ROOT], CONFLICTS[case])
    assert found.actions == ()
    assert [missing.reason for missing in found.missing] == ["VolumeConflict"]


def test_a_larger_disk_grows_its_volume() -> None:
    assert patch_of(plan([replace(ROOT, size="20Gi")], MINE).actions) == {"spec": {"size": "20Gi"}}


def test_a_volume_does_not_grow_beyond_what_its_pool_may_promise() -> None:
    full = Missing("root", "PoolFull", {"pool": "local", "available": "0", "wanted": "10 GiB"})
    around = replace(AROUND, growths={"root": full})
    found = plan([replace(ROOT, size="20Gi")], MINE, around=around)
    assert (found.actions, found.missing) == ((), (full,))


def test_a_volume_that_grew_by_itself_is_not_made_smaller() -> None:
    grown = replace(MINE, spec={**MINE.spec, "size": "20Gi"})
    assert plan([ROOT], grown).actions == ()


def test_another_way_to_write_the_same_size_is_no_change() -> None:
    assert plan([replace(ROOT, size="10240Mi")], MINE).actions == ()


def test_the_owner_reference_follows_the_reclaim_policy() -> None:
    owned = replace(MINE, owner_references=({"uid": "uid-else"}, OWNER.reference))
    assert patch_of(plan([ROOT], owned).actions) == {"metadata": {"ownerReferences": [{"uid": "uid-else"}]}}
    patch = patch_of(plan([replace(ROOT, reclaim_policy="Delete")], MINE).actions)
    assert patch == {"metadata": {"ownerReferences": [OWNER.reference]}}


ATTACH_CASES: dict[str, tuple[VolumeView | None, str]] = {
    "a volume that is not there": (None, "VolumeNotFound"),
    "a volume that is going": (replace(DATA, going=True), "VolumeNotFound"),
    "a volume that another VM has": (replace(DATA, attached_to=frozenset({"uid-other"})), "VolumeInUse"),
    "a volume that was made for another VM": (replace(DATA, vm_uid="uid-other"), "VolumeInUse"),
    "a volume that is not given to it yet": (DATA, "Creating"),
    "a volume that waits for room": (
        replace(DATA, reason="PoolFull", message="Pool local is full."),
        "PoolFull",
    ),
    "a volume whose pool is missing": (
        replace(DATA, reason="PoolNotFound", message="There is no pool."),
        "PoolNotFound",
    ),
    "a volume whose reason is not a VM's": (
        replace(DATA, reason="WaitingForHost", message="It waits for a VM."),
        "Creating",
    ),
    "a volume that it has": (replace(DATA, attached_to=frozenset({OWNER.uid})), ""),
    "a volume that several may have": (
        replace(DATA, shared=True, attached_to=frozenset({"uid-other", OWNER.uid})),
        "",
    ),
}


@pytest.mark.parametrize("case", ATTACH_CASES, ids=str)
def test_attaching(case: str) -> None:
    volume, reason = ATTACH_CASES[case]
    found = plan([ATTACHED], *([volume] if volume else []))
    assert found.actions == ()
    assert [missing.reason for missing in found.missing] == ([reason] if reason else [])


def test_of_a_volume_that_goes_under_its_guest_the_loss_is_told() -> None:
    around = Surroundings(default_pool="local", open_uids=frozenset({DATA.uid}))
    goes = replace(DATA, going=True, attached_to=frozenset({OWNER.uid}))
    assert plan([ATTACHED], goes, around=around).missing == (
        Missing("data", "VolumeInUse", {"lost": "data"}),
    )


def test_a_vm_repeats_what_the_volume_that_it_attaches_says() -> None:
    waiting = replace(DATA, reason="PoolFull", message="Pool local has 1 GiB free; 2 GiB are needed.")
    assert plan([ATTACHED], waiting).missing == (
        Missing("data", "PoolFull", message="Pool local has 1 GiB free; 2 GiB are needed."),
    )


def test_a_volume_whose_host_has_no_right_to_it_is_left_to_nobody_yet() -> None:
    assert plan([], replace(MINE, denied=True)).actions == ()


def test_a_disk_that_left_spec_leaves_its_volume_behind() -> None:
    assert patch_of(plan([], MINE).actions) == {
        "metadata": {
            "labels": {"quantix.io/virtual-machine-uid": None},
            "annotations": {"quantix.io/virtual-machine": None},
            "ownerReferences": [],
        }
    }


def test_a_disk_that_left_spec_takes_a_volume_along_that_it_owned() -> None:
    release, delete = plan([], replace(MINE, owner_references=(OWNER.reference,))).actions
    assert isinstance(release, PatchVolume)
    assert delete == DeleteVolume("web-1-root", "uid-volume")


def test_a_disk_that_left_spec_leaves_a_protected_volume_that_it_owned() -> None:
    kept = replace(MINE, spec={"deletionProtection": True}, owner_references=(OWNER.reference,))
    assert patch_of(plan([], kept).actions)["metadata"]["ownerReferences"] == []


def test_a_disk_that_qemu_has_open_is_not_let_go() -> None:
    around = Surroundings(default_pool="local", open_uids=frozenset({"uid-volume"}))
    assert plan([], MINE, around=around).actions == ()
