"""What a VM is given where its spec leaves it open, and what of it stays."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quantix_api import InstanceType, VirtualMachine, to_manifest
from quantix_api.vm_status import OfType, Resolved, ResolvedDevice
from quantix_operator.scheduling.sizing import Sizing, kept, sizing
from quantix_operator.virtualmachine.platform import HostPlatform, common_machine_type, cpu_model
from quantix_operator.virtualmachine.resolved import ResolveInput, device_ports, resolve

H1 = HostPlatform("h1", machine_type="pc-q35-9.2", cpu_model="Broadwell", kvm_works=True)
H2 = HostPlatform("h2", machine_type="pc-q35-7.2", cpu_model="Broadwell", kvm_works=True)
TCG = HostPlatform("box", machine_type="pc-q35-7.2", cpu_model="Intel(R) Xeon(R)")


def vm(spec: dict[str, Any], **status: Any) -> VirtualMachine:
    metadata = {"name": "web-1", "namespace": "default", "uid": "uid-web-1", "generation": 3}
    return VirtualMachine.parse({"metadata": metadata, "spec": spec, "status": status})


def resolved(
    spec: dict[str, Any],
    *,
    running: bool = False,
    of_type: OfType | None = None,
    to_itself: dict[str, Any] | None = None,
    **status: Any,
) -> Resolved:
    machine = vm(spec, **status)
    names = ("web-1-root", "web-1-data", "data")
    uids = {name: f"uid-{name}" for name in names}
    size = Sizing(2, 4, "2Gi", "8Gi", **(to_itself or {}))
    return resolve(ResolveInput(machine, size, uids, [H1, H2], "h1", running, of_type))


def test_a_plain_vm_gets_what_all_hosts_have() -> None:
    given = resolved({"disks": [{"name": "root"}], "nics": [{"name": "eth0", "network": "lan"}]})
    assert given.model_dump(exclude_none=True, exclude={"disks", "devices"}) == {
        "generation": 3,
        "uuid": "uid-web-1",
        "instance_id": "uid-web-1",
        "machine_type": "pc-q35-7.2",
        "automatic_machine_type": "pc-q35-7.2",
        "cpu_model": "Broadwell",
        "automatic_cpu_model": "Broadwell",
        "cpu_features": (),
        "firmware": "BIOS",
        "cores": 2,
        "max_cores": 4,
        "memory": "2Gi",
        "max_memory": "8Gi",
    }
    assert [(device.name, device.port) for device in given.devices] == [("root", 1), ("eth0", 2)]
    assert [(disk.name, disk.volume, disk.volume_uid) for disk in given.disks] == [
        ("root", "web-1-root", "uid-web-1-root")
    ]


def test_what_spec_says_wins() -> None:
    given = resolved(
        {
            "identity": {"uuid": "chosen", "machineType": "pc-q35-6.2"},
            "cloudInit": {"instanceID": "7"},
            "cpu": {"model": "EPYC", "features": [{"name": "vmx"}, {"name": "svm", "policy": "Disable"}]},
            "firmware": {"type": "UEFI", "secureBoot": True},
        }
    )
    assert (given.uuid, given.instance_id, given.machine_type) == ("chosen", "7", "pc-q35-6.2")
    assert (given.cpu_model, given.cpu_features, given.firmware) == (
        "EPYC",
        ("vmx", "-svm"),
        "UEFISecureBoot",
    )


def test_a_machine_type_once_given_stays() -> None:
    assert resolved({}, resolved={"machineType": "pc-q35-7.0"}).machine_type == "pc-q35-7.0"


WISHES: dict[str, tuple[dict[str, Any], str, tuple[str | None, str | None]]] = {
    "machine type": ({"identity": {"machineType": "pc-q35-99.9"}}, "pc-q35-6.0", ("pc-q35-99.9", "Haswell")),
    "CPU model": ({"cpu": {"model": "Nehalem"}}, "pc-q35-6.0", ("pc-q35-6.0", "Nehalem")),
}


@pytest.mark.parametrize("case", WISHES, ids=str)
def test_what_is_taken_back_is_as_if_it_had_not_been_said(case: str) -> None:
    wish, machine_type, wished = WISHES[case]
    first = {"machineType": machine_type, "cpuModel": "Haswell"}
    plain = to_manifest(resolved({}, running=True, resolved=first))
    changed = resolved(wish, running=True, resolved=plain)
    assert (changed.machine_type, changed.cpu_model) == wished
    assert to_manifest(resolved({}, running=True, resolved=to_manifest(changed))) == plain


@pytest.mark.parametrize("case", WISHES, ids=str)
def test_so_it_is_for_what_an_earlier_operator_resolved(case: str) -> None:
    wish = WISHES[case][0]
    first = {"machineType": "pc-q35-6.0", "cpuModel": "Haswell"}
    changed = to_manifest(resolved(wish, running=True, resolved=first))
    back = resolved({}, running=True, resolved=changed)
    assert (back.machine_type, back.cpu_model) == ("pc-q35-6.0", "Haswell")


def test_a_vm_that_started_with_what_it_named_gets_what_all_hosts_have_when_it_names_it_no_more() -> None:
    spec = {"identity": {"machineType": "pc-q35-6.2"}, "cpu": {"model": "Nehalem"}}
    first = to_manifest(resolved(spec))
    again = to_manifest(resolved(spec, running=True, resolved=first))
    assert again == first
    back = resolved({}, running=True, resolved=again)
    assert (back.machine_type, back.cpu_model) == ("pc-q35-7.2", "Broadwell")


@pytest.mark.parametrize(("running", "model"), [(True, "Haswell"), (False, "Broadwell")])
def test_an_automatic_cpu_model_stays_until_the_next_start(running: bool, model: str) -> None:
    assert resolved({}, running=running, resolved={"cpuModel": "Haswell"}).cpu_model == model


@pytest.mark.parametrize(("running", "first"), [(True, "root"), (False, "data")])
def test_the_first_disk_stays_first_while_the_guest_runs(running: bool, first: str) -> None:
    before = {"disks": [{"name": "root", "volume": "web-1-root", "volumeUID": "uid-web-1-root"}]}
    given = resolved({"disks": [{"name": "data"}, {"name": "root"}]}, running=running, resolved=before)
    assert given.disks[0].name == first


CPU_CASES: dict[str, tuple[str, str, list[HostPlatform], str]] = {
    "the model that all hosts name": ("Auto", "h1", [H1, H2], "Broadwell"),
    "emulated, the plain one": ("Auto", "box", [TCG], "qemu64"),
    "no passthrough of an emulated CPU": ("HostPassthrough", "box", [TCG], "qemu64"),
    "passthrough where KVM works": ("HostPassthrough", "h1", [H1, H2], "HostPassthrough"),
    "no other model of an emulated CPU": ("Pentium9000", "box", [TCG], "qemu64"),
    "the model that is named where KVM works": ("Nehalem", "h1", [H1, TCG], "Nehalem"),
    "a mixed fleet gets what all can give": ("Auto", "h1", [H1, TCG], "qemu64"),
    "a product's name is no model": (
        "Auto",
        "h1",
        [HostPlatform("h1", cpu_model="Intel(R) Xeon(R) CPU", kvm_works=True)],
        "qemu64",
    ),
    "a host that takes nothing does not count": (
        "Auto",
        "h1",
        [H1, HostPlatform("h3", taken=False, cpu_model="EPYC", kvm_works=True)],
        "Broadwell",
    ),
}


@pytest.mark.parametrize("case", CPU_CASES, ids=str)
def test_cpu_model(case: str) -> None:
    wanted, host, fleet, expected = CPU_CASES[case]
    assert cpu_model(wanted, host, fleet) == expected


def test_the_machine_type_is_compared_by_its_numbers() -> None:
    newer = HostPlatform("h3", machine_type="pc-q35-10.0")
    assert common_machine_type([newer, H1]) == "pc-q35-9.2"
    assert common_machine_type([HostPlatform("h4", machine_type="odd")]) == "pc-q35-7.2"


def test_numbers_of_devices_that_left_are_not_given_to_others_while_the_guest_runs() -> None:
    before = [ResolvedDevice(name="a", port=1), ResolvedDevice(name="b", port=2)]
    running = device_ports(["b", "c"], before, keep_gone=True)
    assert {item.name: item.port for item in running} == {"a": 1, "b": 2, "c": 3}
    stopped = device_ports(["b", "c"], before, keep_gone=False)
    assert {item.name: item.port for item in stopped} == {"b": 2, "c": 1}


@given(
    st.lists(st.sampled_from("abcdefgh"), unique=True),
    st.lists(st.sampled_from("abcdefgh"), unique=True),
    st.booleans(),
)
def test_no_two_devices_share_a_port_and_none_moves(first: list[str], then: list[str], keep: bool) -> None:
    before = device_ports(first, [], keep_gone=keep)
    after = device_ports(then, before, keep_gone=keep)
    ports = {item.name: item.port for item in after}
    assert len(set(ports.values())) == len(ports)
    assert set(then) <= set(ports)
    assert all(ports[item.name] == item.port for item in before if item.name in then)
    assert device_ports(then, after, keep_gone=keep) == after


def test_a_vm_beside_its_type_keeps_its_own_word() -> None:
    kind = InstanceType.parse(
        {
            "metadata": {"name": "small"},
            "spec": {"cpu": {"cores": 2, "maxCores": 8}, "memory": {"size": "2Gi"}},
        }
    )
    machine = vm({"instanceType": "small", "cpu": {"maxCores": 4}, "memory": {"maxSize": "4Gi"}})
    assert sizing(machine, kind) == Sizing(2, 4, "2Gi", "4Gi")
    assert sizing(machine, None) is None


def test_what_the_type_says_is_kept_when_it_goes_and_let_go_with_it() -> None:
    says = {"cpu": {"features": [{"name": "vmx"}], "model": "Nehalem"}, "memory": {"hugepages": "2Mi"}}
    of_type = OfType.model_validate(says)
    first = resolved({"instanceType": "small"}, of_type=of_type)
    assert (first.of_type, first.cpu_model, first.cpu_features) == (of_type, "Nehalem", ("vmx",))
    assert resolved({"instanceType": "small"}, resolved={"ofType": says}).of_type == of_type
    assert resolved({"cpu": {"cores": 2}}, resolved={"ofType": says}).of_type is None


def test_a_type_gives_cpus_of_its_own_and_huge_pages_and_the_vm_wins_over_it() -> None:
    spec = {"cpu": {"cores": 2, "dedicated": True}, "memory": {"size": "2Gi", "hugepages": "2Mi"}}
    kind = InstanceType.parse({"metadata": {"name": "fast"}, "spec": spec})
    found = sizing(vm({"instanceType": "fast"}), kind)
    assert found == Sizing(2, 2, "2Gi", "2Gi", dedicated=True, hugepages="2Mi")
    other = sizing(vm({"instanceType": "fast", "cpu": {"dedicated": False}}), kind)
    assert other is not None
    assert (other.dedicated, other.reservation_millis) == (False, None)


def test_a_vm_whose_type_went_counts_as_before() -> None:
    of_type = {"cpu": {"dedicated": True}, "memory": {}}
    before = {"uuid": "u", "cores": 2, "memory": "2Gi", "ofType": of_type}
    machine = vm({"instanceType": "gone"}, resolved=before)
    assert kept(machine) == Sizing(2, 2, "2Gi", "2Gi", dedicated=True)


def test_what_a_vm_has_to_itself_is_kept_as_granted() -> None:
    spec = {
        "cpu": {"cores": 3, "dedicated": True, "numa": "Strict"},
        "memory": {"size": "1Gi", "hugepages": "2Mi"},
        "hostDevices": [{"name": "gpu0", "class": "gpu"}],
    }
    size = sizing(vm(spec), None)
    assert size is not None
    to_itself = ("dedicated", "mirrors_numa", "hugepages", "devices")
    found = resolved(spec, to_itself={name: getattr(size, name) for name in to_itself})
    assert found.granted is not None
    assert to_manifest(found.granted) == {
        "dedicated": True,
        "numa": "Strict",
        "hugepages": "2Mi",
        "hostDevices": [{"name": "gpu0", "class": "gpu"}],
    }
    assert resolved(spec, resolved=to_manifest(found)).granted is None, "it is given no more"
