"""The models: what the API serves is read, what was set is written, nothing more."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from quantix_api import KINDS, Host, Nic, VirtualMachine, VirtualMachineStatus, to_manifest, volume_name
from quantix_api.host_spec import HostOvercommit
from quantix_api.policies import Overcommit
from quantix_api.resources import QUANTIX_RESOURCES
from quantix_api.vm_status import Assignment, NicStatus, Runtime

VM = {
    "apiVersion": "quantix.io/v1alpha1",
    "kind": "VirtualMachine",
    "metadata": {
        "name": "web-1",
        "namespace": "dev",
        "uid": "u-1",
        "managedFields": [{"manager": "kubectl"}],
    },
    "spec": {
        "cpu": {"cores": 2, "hologram": True},
        "memory": {"size": "2Gi"},
        "disks": [{"name": "root", "image": "shared/tiny", "snapshotDisk": "root"}],
        "nics": [{"name": "eth0", "network": "shared/default"}],
        "hostDevices": [{"name": "gpu0", "class": "nvidia"}],
        "restart": {"at": "2026-11-23T10:00:00Z"},
    },
    "status": {"runtime": {"observedEpoch": 3}, "assignment": {"epoch": 3, "host": "h1"}},
}


def test_unknown_members_are_ignored_and_the_rest_survives_the_way_back() -> None:
    vm = VirtualMachine.parse(VM)
    back = to_manifest(vm)
    assert back["spec"] == {**VM["spec"], "cpu": {"cores": 2}}  # type: ignore[dict-item]
    assert back["status"] == VM["status"]
    assert back["apiVersion"] == "quantix.io/v1alpha1"
    assert back["kind"] == "VirtualMachine"
    assert VirtualMachine.parse(back) == vm


def test_documented_defaults_count_where_the_manifest_is_silent() -> None:
    vm = VirtualMachine.parse(VM)
    assert vm.spec.power_state == "Running"
    assert vm.spec.disks[0].bus == "Virtio"
    assert vm.spec.disks[0].reclaim_policy == "Retain"
    assert vm.spec.ha.restart == "OnFailure"
    assert vm.spec.host_devices[0].class_ == "nvidia"
    assert vm.spec.nics[0].effective_security_groups == ("default",)
    assert vm.key == "dev/web-1"


@pytest.mark.parametrize(
    ("nic", "groups"),
    [
        ({"securityGroups": ["web"]}, ("web",)),
        ({"securityGroups": []}, ()),
        ({"portSecurity": "Disabled"}, ()),
    ],
)
def test_the_security_groups_that_count(nic: dict[str, object], groups: tuple[str, ...]) -> None:
    found = Nic.model_validate({"name": "eth0", "network": "n", **nic})
    assert found.effective_security_groups == groups


def test_an_apply_sends_what_its_sender_said_and_no_more() -> None:
    status = VirtualMachineStatus(
        assignment=Assignment(epoch=4), nics=(NicStatus(name="eth0", addresses=("10.0.0.5",)),)
    )
    assert to_manifest(status) == {
        "assignment": {"epoch": 4},
        "nics": [{"name": "eth0", "addresses": ["10.0.0.5"]}],
    }
    assert to_manifest(Runtime(restarts=0)) == {"restarts": 0}


def test_objects_are_frozen() -> None:
    vm = VirtualMachine.parse(VM)
    with pytest.raises(ValidationError, match="frozen"):
        vm.spec.power_state = "Stopped"  # type: ignore[misc]


def test_acronyms_keep_the_api_spelling() -> None:
    host = Host.parse(
        {
            "metadata": {"name": "h1"},
            "spec": {"reserved": {"hugepages2Mi": 4}},
            "status": {
                "hostUID": "h",
                "bootID": "b",
                "network": {"underlayMTU": 1500},
                "hostLeg": {"port": "p", "gatewayIPv6": "fd00::1"},
            },
        }
    )
    assert (host.status.host_uid, host.status.boot_id) == ("h", "b")
    assert host.spec.reserved.hugepages_2mi == 4
    assert host.status.network is not None
    assert host.status.network.underlay_mtu == 1500
    assert host.status.host_leg is not None
    assert host.status.host_leg.gateway_ipv6 == "fd00::1"


def test_a_hosts_own_overcommit_comes_before_the_clusters() -> None:
    policy = Overcommit(cpu_percent=400, memory_percent=100)
    assert HostOvercommit(cpu_percent=200).over(policy) == Overcommit(cpu_percent=200, memory_percent=100)


def test_every_resource_of_ours_has_its_model() -> None:
    assert {kind.DEFINITION.resource for kind in KINDS} == set(QUANTIX_RESOURCES)
    for kind in KINDS:
        assert kind.DEFINITION.resource.kind == kind.__name__


name = st.from_regex(r"[a-z0-9]([-a-z0-9.]{0,250}[a-z0-9])?", fullmatch=True)
device = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", fullmatch=True)


@given(vm=name, disk=device)
def test_volume_names_fit_and_say_both_parts_where_they_can(vm: str, disk: str) -> None:
    found = volume_name(vm, disk)
    assert len(found) <= 253
    assert found == f"{vm}-{disk}" or found.startswith(vm[:200].rstrip("-."))
    assert found == volume_name(vm, disk)


def test_long_names_that_are_cut_stay_different() -> None:
    long = "a" * 250
    assert volume_name(long, "root") != volume_name(long, "data")
