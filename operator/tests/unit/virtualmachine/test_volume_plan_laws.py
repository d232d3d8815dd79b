"""What holds of every plan of Volumes: it comes to an end, and keeps off what another VM has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from quantix_operator.virtualmachine.volume_model import (
    CreateVolume,
    DeleteVolume,
    DiskWish,
    Owner,
    PatchVolume,
    Surroundings,
    VolumeAction,
    VolumeView,
)
from quantix_operator.virtualmachine.volume_plan import plan_volumes

OWNER = Owner("default", "web-1", "uid-web-1")
IMAGE = {"image": "shared/tiny"}
AROUND = Surroundings(default_pool="local")

disks_strategy = st.lists(
    st.builds(
        lambda name, size, policy, source, pool: DiskWish(
            name, f"web-1-{name}", size=size, reclaim_policy=policy, source=source, pool=pool
        ),
        st.sampled_from("abcd"),
        st.sampled_from(["1Gi", "2Gi", "2048Mi"]),
        st.sampled_from(["Retain", "Delete"]),
        st.sampled_from([None, IMAGE]),
        st.sampled_from(["", "fast"]),
    ),
    unique_by=lambda disk: disk.name,
)
volumes_strategy = st.lists(
    st.builds(
        lambda name, size, vm, owned, source: VolumeView(
            f"web-1-{name}",
            f"uid-{name}",
            "1",
            {"size": size, "source": source} if source else {"size": size},
            vm_uid=vm,
            owner_references=(OWNER.reference,) if owned else (),
        ),
        st.sampled_from("abcd"),
        st.sampled_from(["1Gi", "3Gi"]),
        st.sampled_from(["", OWNER.uid, "uid-other"]),
        st.booleans(),
        st.sampled_from([None, IMAGE]),
    ),
    unique_by=lambda volume: volume.name,
)


@given(disks_strategy, volumes_strategy)
def test_after_the_plan_was_carried_out_nothing_is_left_to_do(
    disks: list[DiskWish], volumes: list[VolumeView]
) -> None:
    there = {volume.name: volume for volume in volumes}
    for action in plan_volumes(OWNER, disks, there, AROUND).actions:
        _carry_out(there, action)
    assert plan_volumes(OWNER, disks, there, AROUND).actions == ()


@given(disks_strategy, volumes_strategy)
def test_what_belongs_to_another_vm_is_never_changed(
    disks: list[DiskWish], volumes: list[VolumeView]
) -> None:
    foreign = {volume.name for volume in volumes if volume.vm_uid == "uid-other"}
    actions = plan_volumes(OWNER, disks, {volume.name: volume for volume in volumes}, AROUND).actions
    assert not foreign & {getattr(action, "name", "") for action in actions}


def _carry_out(there: dict[str, VolumeView], action: VolumeAction) -> None:
    """What the API server does with it."""
    match action:
        case CreateVolume(manifest):
            metadata = manifest["metadata"]
            there[metadata["name"]] = VolumeView(
                metadata["name"],
                "uid-new",
                "1",
                manifest["spec"],
                vm_uid=metadata["labels"]["quantix.io/virtual-machine-uid"],
                owner_references=tuple(metadata.get("ownerReferences", ())),
            )
        case PatchVolume(name, _, patch):
            there[name] = _patched(there[name], patch)
        case DeleteVolume(name, _):
            del there[name]


def _patched(volume: VolumeView, patch: Mapping[str, Any]) -> VolumeView:
    metadata = patch["metadata"]
    labels = metadata.get("labels", {})
    return replace(
        volume,
        spec={**volume.spec, **patch.get("spec", {})},
        vm_uid=labels.get("quantix.io/virtual-machine-uid", volume.vm_uid) or "",
        owner_references=tuple(metadata.get("ownerReferences", volume.owner_references)),
    )
