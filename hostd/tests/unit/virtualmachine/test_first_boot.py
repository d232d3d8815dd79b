"""Another word of first-boot settings waits for the next start; the guest's domain is its network's."""

from __future__ import annotations

from quantix_api import Network, VirtualMachine
from quantix_hostd.virtualmachine.changes import PendingChange
from quantix_hostd.virtualmachine.first_boot import first_boot_change, first_boot_mark, guest_domain
from quantix_lab.vm_world import VmHandle


def machine(cloud_init: dict[str, object] | None) -> VirtualMachine:
    spec = {} if cloud_init is None else {"cloudInit": cloud_init}
    metadata = {"name": "web-1", "namespace": "shop", "uid": "0a1b"}
    return VirtualMachine.model_validate({"metadata": metadata, "spec": spec})


def test_each_field_makes_another_mark() -> None:
    fields: list[dict[str, object]] = [
        {},
        {"instanceID": "2"},
        {"hostname": "db"},
        {"sshAuthorizedKeys": ["ssh-ed25519 AAAA"]},
        {"userData": "#cloud-config\n"},
        {"userDataSecretRef": {"name": "web"}},
        {"userDataSecretRef": {"name": "web", "key": "other"}},
        {"networkData": "version: 2\n"},
    ]
    marks = {first_boot_mark(machine(field)) for field in fields}
    assert len(marks) == len(fields)
    assert first_boot_mark(machine({"hostname": "db"})) in marks


def test_what_was_started_with_no_known_mark_is_not_told_as_changed() -> None:
    assert first_boot_change(machine({"hostname": "db"}), "") is None


def test_settings_that_come_or_go_are_the_drives_change() -> None:
    assert first_boot_change(machine(None), first_boot_mark(machine({}))) is None


def test_other_settings_are_a_pending_change() -> None:
    before, after = machine({"userData": "a"}), machine({"userData": "b"})
    change = first_boot_change(after, first_boot_mark(before))
    assert change == PendingChange("spec.cloudInit", first_boot_mark(before), first_boot_mark(after))


async def test_a_running_vm_lists_it_until_it_is_taken_back(vm: VmHandle) -> None:
    vm.change("spec", "cloudInit", value={"hostname": "one"})
    await vm.reconcile()
    assert not vm.status["runtime"].get("pendingChanges")
    vm.change("spec", "cloudInit", value={"hostname": "two"})
    await vm.reconcile()
    assert [item["path"] for item in vm.status["runtime"]["pendingChanges"]] == ["spec.cloudInit"]
    vm.change("spec", "cloudInit", value={"hostname": "one"})
    await vm.reconcile()
    assert not vm.status["runtime"].get("pendingChanges")


async def test_answers_for_windows_in_place_of_cloud_init_are_each_told_once(vm: VmHandle) -> None:
    vm.change("spec", "cloudInit", value={})
    await vm.reconcile()
    vm.change("spec", "cloudInit", value=None)
    vm.change("spec", "sysprep", value={"secretRef": {"name": "answers"}})
    await vm.reconcile()
    pending = [item["path"] for item in vm.status["runtime"]["pendingChanges"]]
    assert pending == ["spec.cloudInit", "spec.sysprep"]
    vm.ask_restart("Force")
    await vm.look_after(1)
    assert not vm.status["runtime"].get("pendingChanges")
    vm.change("spec", "sysprep", value={"secretRef": {"name": "other"}})
    await vm.reconcile()
    assert [item["path"] for item in vm.status["runtime"]["pendingChanges"]] == ["spec.sysprep"]


def test_the_domain_is_the_networks_name_below_the_namespace() -> None:
    spec = {"dns": {"domain": "corp.example"}}
    network = Network.model_validate({"metadata": {"name": "n", "uid": "1"}, "spec": spec})
    assert guest_domain(machine({}), network) == "shop.corp.example"
    assert guest_domain(machine({}), None) == ""
