"""What the operator says of an Image: its host, its users, when it may go."""

from __future__ import annotations

from typing import Any

import pytest

from quantix_api import Image
from quantix_operator.image.plan import Observed, means, plan_image, users_of


def image(namespace: str = "default", *, deleting: bool = False, **status: Any) -> Image:
    metadata: dict[str, Any] = {"name": "tiny", "namespace": namespace, "uid": "uid-tiny"}
    if deleting:
        metadata["deletionTimestamp"] = "2026-11-24T12:00:00Z"
    return Image.parse({"metadata": metadata, "spec": {"upload": {}}, "status": status})


def test_an_image_goes_to_a_host_of_its_pool() -> None:
    plan = plan_image(Observed(image(), pool="local", place="h1"))
    assert (plan.host, plan.ready) == ("h1", None)


def test_an_image_stays_where_it_is() -> None:
    assert plan_image(Observed(image(host="h2"), pool="local", place="h1")).host == "h2"


def test_an_image_without_a_pool_says_so() -> None:
    plan = plan_image(Observed(image()))
    assert plan.ready is not None
    assert (plan.host, plan.ready.reason) == (None, "PoolNotFound")


def test_users_are_counted_and_the_first_are_named() -> None:
    users = tuple(f"default/VirtualMachine/vm-{number:02}" for number in range(20))
    plan = plan_image(Observed(image(host="h1"), used_by=users))
    assert (plan.users, plan.used_by) == (20, users[:16])


def test_users_of_other_namespaces_are_counted_and_not_named() -> None:
    users = ("quantix-shared/Volume/own", "tenant-a/VirtualMachine/secret", "tenant-b/Volume/plans")
    plan = plan_image(Observed(image("quantix-shared"), place="h1", used_by=users))
    assert (plan.users, plan.used_by) == (3, ("quantix-shared/Volume/own",))
    going = plan_image(Observed(image("quantix-shared", deleting=True), used_by=users))
    assert (going.users, going.used_by) == (3, ("quantix-shared/Volume/own",))


MEANING = {
    ("tiny", "default", "default"): True,
    ("tiny", "other", "default"): False,
    ("shared/tiny", "other", "quantix-shared"): True,
    ("shared/tiny", "default", "default"): False,
    ("tiny", "quantix-shared", "quantix-shared"): True,
    ("other", "default", "default"): False,
    (None, "default", "default"): False,
}


@pytest.mark.parametrize(("said", "meant"), MEANING.items(), ids=str)
def test_a_name_means_the_image(said: tuple[str | None, str, str], meant: bool) -> None:
    reference, namespace, home = said
    assert means(reference, namespace, image(home)) is meant


def test_a_volume_goes_without_saying_beside_its_vm() -> None:
    found = users_of(
        ["default/web-1"],
        {"default/web-1-root": "default/web-1", "default/left-root": "default/left", "default/own": ""},
    )
    assert found == ("default/VirtualMachine/web-1", "default/Volume/left-root", "default/Volume/own")


RELEASES: dict[str, tuple[dict[str, Any], bool]] = {
    "no host has it": ({}, True),
    "its file is there": ({"host": "h1", "data": "Present"}, False),
    "its host has not said": ({"host": "h1"}, False),
    "its file is gone": ({"host": "h1", "data": "Absent"}, True),
}


@pytest.mark.parametrize("case", RELEASES, ids=str)
def test_the_finalizer_goes(case: str) -> None:
    status, release = RELEASES[case]
    assert plan_image(Observed(image(deleting=True, **status))).release is release
