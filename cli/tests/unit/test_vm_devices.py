"""From the words of `qx vm attach|detach` to patches."""

from __future__ import annotations

from typing import Any

import pytest

from quantix_cli.commands.plugging import device_of, refuse_untold
from quantix_cli.exits import CommandError, Exit
from quantix_cli.vm.devices import Device, attached, detached, losses


def vm(**spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": "web-1", "namespace": "default"}, "spec": spec}


ROOT = {"name": "root", "image": "tiny"}


@pytest.mark.parametrize(
    ("spec", "device", "patch"),
    [
        ({"disks": [ROOT]}, Device(size="5Gi", pool="fast"),
         {"disks": [ROOT, {"name": "disk1", "size": "5Gi", "pool": "fast"}]}),
        ({"disks": [ROOT]}, Device(volume="web-1-data", read_only=True),
         {"disks": [ROOT, {"name": "data", "volume": "web-1-data", "readOnly": True}]}),
        ({}, Device(volume="v.1"), {"disks": [{"name": "disk1", "volume": "v.1"}]}),
        ({"nics": [{"name": "eth0", "network": "a"}]},
         Device(network="b,mac=02:00:00:AA:00:01", groups=("g",)),
         {"nics": [{"name": "eth0", "network": "a"},
                   {"name": "eth1", "network": "b", "mac": "02:00:00:aa:00:01", "securityGroups": ["g"]}]}),
        ({"cdroms": [{"name": "cd"}]}, Device(iso="i"), {"cdroms": [{"name": "cd", "image": "i"}]}),
        ({"cdroms": [{"name": "cd", "image": "a"}]}, Device(iso="b"),
         {"cdroms": [{"name": "cd", "image": "a"}, {"name": "install", "image": "b"}]}),
        ({"cdroms": [{"name": "cd", "image": "a"}]}, Device(iso="b", name="cd"),
         {"cdroms": [{"name": "cd", "image": "b"}]}),
    ],
    ids=["a disk", "a volume of its name", "a volume with a dot", "a NIC", "an empty drive", "a new drive",
         "another medium"],
)  # fmt: skip
def test_a_device_is_added_to_those_that_are_there(
    spec: dict[str, Any], device: Device, patch: dict[str, Any]
) -> None:
    assert attached(vm(**spec), device) == {"spec": patch}


@pytest.mark.parametrize(
    ("disk", "given"),
    [
        ({"size": "1Gi", "pool": "fast", "name": "data"}, {}),
        ({"size": "1Gi", "pool": "fast"}, {"device_name": "data"}),
        ({"size": "1Gi"}, {"device_name": "data", "pool": "fast"}),
    ],
)
def test_pool_and_name_of_a_disk_may_stand_behind_its_size(
    disk: dict[str, str], given: dict[str, str]
) -> None:
    said = {"device_name": "", "pool": "", "bus": None, "groups": ()} | given
    assert device_of(disk, said) == Device(size="1Gi", pool="fast", name="data")


@pytest.mark.parametrize(
    ("spec", "device"),
    [
        ({"disks": [{"name": "data", "volume": "v"}]}, Device(volume="v")),
        ({"cdroms": [{"name": "cd", "image": "i"}]}, Device(iso="i")),
    ],
)
def test_what_is_there_already_is_not_added_again(spec: dict[str, Any], device: Device) -> None:
    assert attached(vm(**spec), device) == {}


def test_a_name_that_is_taken_is_refused() -> None:
    with pytest.raises(CommandError, match="There is a device root already"):
        attached(vm(disks=[ROOT]), Device(size="5Gi", name="root"))


@pytest.mark.parametrize("given", [{}, {"size": "1Gi", "iso": "x"}, {"iso": "x", "pool": "fast"}])
def test_one_thing_is_attached_at_a_time(given: dict[str, Any]) -> None:
    with pytest.raises(CommandError) as refused:
        Device(**given)
    assert refused.value.exit_code is Exit.USAGE


FULL: dict[str, Any] = {
    "disks": [ROOT, {"name": "data", "size": "1Gi", "reclaimPolicy": "Delete"}],
    "cdroms": [{"name": "cd", "image": "i"}],
    "boot": {"order": ["cd", "root", "data"]},
}


def test_a_disk_leaves_the_boot_order_with_it_and_a_drive_stays_without_its_medium() -> None:
    assert detached(vm(**FULL), ["data", "cd"], drive=False) == {
        "spec": {"disks": [ROOT], "cdroms": [{"name": "cd"}], "boot": {"order": ["cd", "root"]}}
    }
    assert detached(vm(**FULL), ["cd"], drive=True) == {
        "spec": {"cdroms": [], "boot": {"order": ["root", "data"]}}
    }


def test_data_that_goes_with_a_disk_is_told_before() -> None:
    assert losses(vm(**FULL), ["root"]) == []
    assert losses(vm(**FULL), ["data"]) == ["disk data is deleted with its data (reclaimPolicy Delete)"]


def running(**spec: Any) -> dict[str, Any]:
    return {**vm(**spec), "status": {"runtime": {"domain": "Present"}}}


RUNS_FROM = (
    "is what web-1 runs from: without it the guest hangs or crashes, and what it has not saved is lost"
)


@pytest.mark.parametrize(
    ("spec", "name", "lost"),
    [
        (FULL, "root", [f"disk root {RUNS_FROM}; its volume stays"]),
        (FULL | {"boot": {"order": ["cd", "data"]}}, "root", []),
        (
            FULL | {"boot": {"order": ["cd", "data"]}},
            "data",
            [f"disk data {RUNS_FROM}", "disk data is deleted with its data (reclaimPolicy Delete)"],
        ),
        (FULL, "cd", []),
        ({}, "root", []),
    ],
    ids=["the first", "not the first of the order", "the first of the order", "a drive", "no disk"],
)
def test_a_running_guest_is_not_silently_taken_what_it_runs_from(
    spec: dict[str, Any], name: str, lost: list[str]
) -> None:
    assert losses(running(**spec), [name]) == lost


LAST = "disk root is the last one of web-1, which starts by itself: then without any disk"
FIRST = "disk root is what web-1 starts from, which it does by itself: then without this disk"


@pytest.mark.parametrize(
    ("spec", "status", "names", "lost"),
    [
        ({"disks": [ROOT]}, {}, ["root"], [LAST]),
        ({"disks": [ROOT, {"name": "data"}]}, {}, ["root"], [FIRST]),
        ({"disks": [ROOT, {"name": "data"}]}, {}, ["root", "data"], [LAST]),
        ({"disks": [ROOT, {"name": "data"}]}, {}, ["data"], []),
        ({"disks": [ROOT], "powerState": "Stopped"}, {}, ["root"], []),
        ({"disks": [ROOT]}, {"assignment": {"hold": "GuestShutdown"}}, ["root"], []),
    ],
    ids=["the last", "the first", "all", "another", "it is off on purpose", "it is held"],
)
def test_a_vm_that_starts_by_itself_is_not_silently_taken_what_it_starts_from(
    spec: dict[str, Any], status: dict[str, Any], names: list[str], lost: list[str]
) -> None:
    waits = {**vm(**{"powerState": "Running"} | spec), "status": status}
    assert losses(waits, names) == lost


def test_a_volume_that_is_still_owned_goes_whatever_spec_says_since_a_moment() -> None:
    kept = {"disks": [{"name": "root"}, {"name": "data", "reclaimPolicy": "Retain"}]}
    assert losses(vm(**kept), ["data"]) == []
    (loss,) = losses(vm(**kept), ["data"], ["web-1-data"])
    assert loss == "disk data is deleted with its data (volume web-1-data is still owned by the VM)"


def test_a_protected_volume_stays_whatever_its_disk_says() -> None:
    going = {"disks": [{"name": "root"}, {"name": "data", "reclaimPolicy": "Delete"}]}
    assert len(losses(vm(**going), ["data"], ["web-1-data"])) == 1
    assert losses(vm(**going), ["data"], ["web-1-data"], ["web-1-data"]) == []
    (loss,) = losses(
        running(disks=[{"name": "root", "reclaimPolicy": "Delete"}]), ["root"], (), ["web-1-root"]
    )
    assert loss.endswith("; its volume stays")


def test_what_was_not_told_is_not_lost() -> None:
    told = losses(vm(**FULL), ["root"])
    refuse_untold(vm(**FULL), ["root"], [], told)
    meanwhile = {**FULL, "disks": [{"name": "root", "reclaimPolicy": "Delete"}]}
    with pytest.raises(CommandError, match=r"has changed meanwhile: disk root is deleted with") as refused:
        refuse_untold(vm(**meanwhile), ["root"], [], told)
    assert refused.value.exit_code is Exit.REFUSED


def test_a_device_that_is_not_there_is_not_found() -> None:
    with pytest.raises(CommandError, match="It has: cd, data, root") as missed:
        detached(vm(**FULL), ["eth0"], drive=False)
    assert missed.value.exit_code is Exit.NOT_FOUND
