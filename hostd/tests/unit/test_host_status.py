"""What a Host says of itself, from what was observed."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from quantix_api import Condition, Host
from quantix_api.conditions import checked
from quantix_hostd.facts.devices import DeviceUse, OfferedDevice, Seat
from quantix_hostd.facts.machine import Accelerator, KvmVerdict, MachineFacts, NumaFacts
from quantix_hostd.facts.orphans import OrphanGuest, OrphanVolume
from quantix_hostd.host.model import HostObserved, ImageCopy, NetworkFacts, PoolFacts
from quantix_hostd.host.status import derive_status

_NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
_GIB = 1 << 30
_MACHINE = MachineFacts(
    host_uid="11111111-2222-3333-4444-555555555555",
    boot_id="66666666-2222-3333-4444-555555555555",
    cpus=64,
    memory_bytes=512 * _GIB + 12345,
    arch="x86_64",
    cpu_model="A CPU",
    cpu_vendor="GenuineIntel",
    numa=(NumaFacts(0, "0-63", 512 * _GIB),),
)
_HEALTHY = HostObserved(
    host=Host.model_validate({"metadata": {"name": "h1", "generation": 3}, "spec": {}}),
    machine=_MACHINE,
    kvm=KvmVerdict(Accelerator.KVM),
    network=NetworkFacts(underlay_mtu=9000, wire_mtus={"site": 1500}, tunnel_address="10.0.0.1"),
    api_address="10.0.0.1:9443",
    libvirt=True,
    confined=True,
    versions={"qemu": "7.2"},
)


def condition(status: dict[str, Any], kind: str) -> tuple[str, str]:
    found = next(entry for entry in status["conditions"] if entry["type"] == kind)
    return found["status"], found["reason"]


def test_a_healthy_host_is_ready_and_tells_what_it_has() -> None:
    status = derive_status(_HEALTHY, _NOW)
    assert condition(status, "Ready") == ("True", "Healthy")
    assert (status["phase"], status["cpus"], status["memory"]) == ("Ready", 64, "512Gi")
    wires = [{"name": "site", "mtu": 1500}]
    assert status["network"] == {"underlayMTU": 9000, "physical": wires, "datapath": "Kernel"}
    assert status["addresses"] == {"api": "10.0.0.1:9443", "tunnel": "10.0.0.1"}
    assert status["numa"] == [{"id": 0, "cpus": "0-63", "memory": "512Gi"}]


@pytest.mark.parametrize("bits", [46, None])
def test_the_addresses_of_its_cpus_are_told_where_they_are_known(bits: int | None) -> None:
    status = derive_status(replace(_HEALTHY, machine=replace(_MACHINE, address_bits=bits)), _NOW)
    assert status.get("cpuAddressBits") == bits


def test_huge_pages_of_a_size_that_there_are_none_of_are_not_told() -> None:
    status = derive_status(replace(_HEALTHY, huge_pages={"2Mi": 16, "1Gi": 0}), _NOW)
    assert status["hugepages"] == [{"size": "2Mi", "total": 16}]


def asked_for(**reserved: int) -> Host:
    spec = {"reserved": reserved}
    return Host.model_validate({"metadata": {"name": "h1", "generation": 3}, "spec": spec})


def test_a_host_that_has_fewer_huge_pages_than_were_asked_for_says_how_many_and_what_to_do() -> None:
    host = asked_for(hugepages2Mi=99999, hugepages1Gi=1)
    status = derive_status(replace(_HEALTHY, host=host, huge_pages={"2Mi": 1200}), _NOW)
    assert condition(status, "Ready") == ("True", "Healthy")
    assert condition(status, "HugePagesSetAside") == ("False", "TooFewPages")
    message = next(item["message"] for item in status["conditions"] if item["type"] == "HugePagesSetAside")
    assert message == (
        "It was asked for 99999 huge pages of 2 MiB and has 1200: the rest of its memory is in use, or kept "
        "for itself and its VMs. Try: set spec.reserved.hugepages2Mi of host h1 to 1200, or stop VMs on it."
    )


def test_a_host_that_has_the_huge_pages_says_so_and_one_that_was_asked_for_none_says_nothing() -> None:
    host = asked_for(hugepages2Mi=16)
    status = derive_status(replace(_HEALTHY, host=host, huge_pages={"2Mi": 16, "1Gi": 0}), _NOW)
    assert condition(status, "HugePagesSetAside") == ("True", "PagesSetAside")
    silent = derive_status(replace(_HEALTHY, huge_pages={"2Mi": 16}), _NOW)
    assert "HugePagesSetAside" not in {item["type"] for item in silent["conditions"]}


@pytest.mark.parametrize(
    ("change", "kind", "expected"),
    [
        ({"libvirt": False}, "Ready", ("False", "LibvirtDown")),
        ({"shutting_down": True}, "Ready", ("False", "ShuttingDown")),
        ({"network": NetworkFacts(problem=("NetworkDown", "x"))}, "Ready", ("False", "NetworkDown")),
        (
            {"network": NetworkFacts(problem=("OVNAlreadyConfigured", "x"))},
            "Ready",
            ("False", "OVNAlreadyConfigured"),
        ),
        (
            {"kvm": KvmVerdict(Accelerator.TCG, {"nested": "vmx or svm"})},
            "KVMAvailable",
            ("False", "KVMUnusable"),
        ),
        (
            {"kvm": KvmVerdict(Accelerator.TCG)},
            "KVMAvailable",
            ("False", "KVMUnusable"),
        ),
        ({"kvm": KvmVerdict(Accelerator.TCG, {"why": "it hangs"})}, "Ready", ("True", "Healthy")),
        ({"confined": False}, "Confined", ("False", "NoAppArmor")),
        (
            {"network": NetworkFacts(traffic_problem=("HostFirewallDropsGuests", "x"))},
            "GuestTraffic",
            ("False", "HostFirewallDropsGuests"),
        ),
        (
            {"network": NetworkFacts(traffic_problem=("InternalError", "x"))},
            "GuestTraffic",
            ("False", "InternalError"),
        ),
    ],
)
def test_every_trouble_has_its_condition(
    change: dict[str, Any], kind: str, expected: tuple[str, str]
) -> None:
    status = derive_status(replace(_HEALTHY, **change), _NOW)
    assert condition(status, kind) == expected
    checked("Host", [Condition.model_validate(entry) for entry in status["conditions"]])


def test_a_guest_without_a_vm_is_named_since_when_and_with_its_way_out() -> None:
    one = OrphanGuest("0a1b", "qx-0a1b", "default/web-1")
    first = derive_status(replace(_HEALTHY, orphans=(one,)), _NOW)
    assert condition(first, "GuestsKnown") == ("False", "OrphanGuest")
    assert condition(first, "Ready") == ("True", "Healthy")
    manifest = {"metadata": {"name": "h1", "generation": 3}, "spec": {}, "status": first}
    other = OrphanGuest("2c3d", "qx-2c3d", "")
    seen = replace(_HEALTHY, host=Host.model_validate(manifest), orphans=(one, other))
    later = derive_status(seen, _NOW + timedelta(hours=1))
    message = next(item["message"] for item in later["conditions"] if item["type"] == "GuestsKnown")
    assert message.startswith(
        "Since 2026-11-23T10:00:00Z it has domain qx-0a1b, whose VM default/web-1 is no longer in the API, "
        "and 1 more such. Try: qx host end-orphan 0a1b on it, as root"
    )
    assert condition(derive_status(_HEALTHY, _NOW), "GuestsKnown") == ("True", "Known")


def test_a_condition_keeps_its_time_until_its_status_changes() -> None:
    first = derive_status(_HEALTHY, _NOW)
    manifest = {"metadata": {"name": "h1", "generation": 3}, "spec": {}, "status": first}
    later = replace(_HEALTHY, host=Host.model_validate(manifest))
    assert derive_status(later, _NOW + timedelta(hours=1)) == first
    changed = derive_status(replace(later, libvirt=False), _NOW + timedelta(hours=1))
    since = {item["type"]: item["lastTransitionTime"] for item in changed["conditions"]}
    assert since.pop("Ready") == "2026-11-23T11:00:00Z"
    assert set(since.values()) == {"2026-11-23T10:00:00Z"}


def test_the_room_of_a_pool_moves_in_whole_percents() -> None:
    def available(free_bytes: int) -> str:
        pools = (PoolFacts("local", 1000 * _GIB, free_bytes),)
        return str(derive_status(replace(_HEALTHY, pools=pools), _NOW)["pools"][0]["available"])

    assert available(500 * _GIB) == available(509 * _GIB) == "500Gi"
    assert available(510 * _GIB) == "510Gi"
    assert available(0) == "0"


def test_an_image_in_two_pools_is_one_entry() -> None:
    images = (ImageCopy("u1", "fast", 1024), ImageCopy("u1", "local", 1024), ImageCopy("u2", "local", 2048))
    found = derive_status(replace(_HEALTHY, images=images), _NOW)["images"]
    assert [(entry["uid"], entry["pool"], entry["size"]) for entry in found] == [
        ("u1", "fast", "1Ki"),
        ("u2", "local", "2Ki"),
    ]


def test_a_pool_that_cannot_be_used_says_why() -> None:
    pools = (PoolFacts("nfs", problem="there is no directory /mnt/nfs"),)
    found = derive_status(replace(_HEALTHY, pools=pools), _NOW)["pools"][0]
    assert found == {"name": "nfs", "state": "Unreachable", "message": "there is no directory /mnt/nfs"}


def test_a_pool_whose_place_is_wrong_says_so_by_a_reason() -> None:
    pools = (PoolFacts("fast", problem="h1 has no directory /srv/fast.", reason="DirectoryMissing"),)
    found = derive_status(replace(_HEALTHY, pools=pools), _NOW)["pools"][0]
    assert (found["state"], found["reason"]) == ("Unreachable", "DirectoryMissing")


def test_no_empty_list_is_sent_since_nobody_would_own_it() -> None:
    assert [] not in derive_status(replace(_HEALTHY, machine=replace(_MACHINE, numa=())), _NOW).values()


def test_data_of_no_volume_is_named_with_what_to_do_and_keeps_the_host_ready() -> None:
    one, other = OrphanVolume("local", "/pool/volumes/a"), OrphanVolume("local", "/pool/volumes/b")
    status = derive_status(replace(_HEALTHY, orphan_volumes=(one, other)), _NOW)
    assert condition(status, "Ready") == ("True", "Healthy")
    assert condition(status, "VolumesKnown") == ("False", "OrphanVolume")
    message = next(item["message"] for item in status["conditions"] if item["type"] == "VolumesKnown")
    assert message.startswith(
        "Pool local has data that belongs to no Volume in the API: /pool/volumes/a, and 1 more such. Try: "
    )
    assert condition(derive_status(_HEALTHY, _NOW), "VolumesKnown") == ("True", "Owned")
    unasked = derive_status(replace(_HEALTHY, orphan_volumes=None), _NOW)
    assert "VolumesKnown" not in {item["type"] for item in unasked["conditions"]}


def test_a_host_tells_which_devices_it_has_who_has_them_and_what_is_wrong() -> None:
    seats = (Seat("0000:3b:00.0", "14"),)
    gpu = OfferedDevice("gpu", "0000:3b:00.0", "10de:2236", 0, seats)
    missing = OfferedDevice("fpga", "1172:e001", message="Nothing here is 1172:e001.")
    uses = (DeviceUse(gpu, 0, _MACHINE.host_uid), DeviceUse(missing, 0))
    status = derive_status(replace(_HEALTHY, devices=uses), _NOW)
    assert status["devices"] == [
        {
            "address": "0000:3b:00.0",
            "class": "gpu",
            "id": "10de:2236",
            "numaNode": 0,
            "virtualMachineUID": _MACHINE.host_uid,
            "total": 1,
            "free": 0,
        },
        {
            "address": "1172:e001",
            "class": "fpga",
            "message": "Nothing here is 1172:e001.",
            "total": 0,
            "free": 0,
        },
    ]
    assert Host.model_validate({"metadata": {"name": "h1"}, "spec": {}, "status": status}).status.devices


def test_a_pool_in_ceph_that_takes_no_writes_is_reached_and_says_why() -> None:
    pools = (PoolFacts("fast", 16 * _GIB, 0, degraded="1 osds down", full="an OSD is full"),)
    found = derive_status(replace(_HEALTHY, pools=pools), _NOW)["pools"][0]
    assert (found["state"], found["reason"], found["full"]) == ("Reachable", "Degraded", "an OSD is full")
    assert found["available"] == "0"
