"""Disks on other buses and the other model of NIC, seen by the firmware of guests: their kernels have no
drivers for them.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator

import pytest

from quantix_lab.machine_view import MachineView
from quantix_lab.vm_manifests import READY, ipv4, small_vm
from quantix_lab.waiting import wait_for

BUSES = ("SATA", "SCSI")
NETWORK_BOOT = "e1000e"
BOOT_S = 240.0
"""Emulated on two busy cores; 20 s on quiet ones."""


@pytest.fixture(scope="module")
def guests(view: MachineView) -> Iterator[None]:
    disk = {"name": "root", "image": "shared/tiny", "reclaimPolicy": "Delete"}
    vms = [small_vm(bus.lower(), disks=[{**disk, "bus": bus}]) for bus in BUSES]
    nic = {"name": "eth0", "network": "shared/default", "model": "E1000e"}
    # with 128 MiB this firmware does not start
    memory, boot = {"size": "256Mi"}, {"order": ["eth0"]}
    vms.append(small_vm(NETWORK_BOOT, memory=memory, boot=boot, firmware={"type": "UEFI"}, nics=[nic]))
    view.apply(*vms)
    yield
    names = [vm["metadata"]["name"] for vm in vms]
    for name in names:
        view.patch("vm", name, {"spec": {"gracePeriodSeconds": 0}})
    view.machine.kubectl("delete", "vm", *names, "--timeout=90s", timeout_s=120)


def told(view: MachineView, name: str, *words: str) -> tuple[bool, object]:
    """Whether the VM's serial port has shown a line with all of the words."""
    printed = view.printed(view.get("vm", name))
    return any(all(word in line for word in words) for line in printed.splitlines()), printed[-500:]


@pytest.mark.parametrize("bus", BUSES)
def test_a_guest_boots_from_a_disk_on_another_bus(view: MachineView, guests: None, bus: str) -> None:
    vm = view.wait_ready(bus.lower(), reason="Running")
    assert f"bus='{bus.lower()}'" in view.virsh("dumpxml", f"qx-{vm['metadata']['uid']}")
    wait_for("the guest", functools.partial(told, view, bus.lower(), READY, ipv4(vm)), BOOT_S)


def test_a_guests_firmware_gets_its_address_by_the_other_model_of_nic(
    view: MachineView, guests: None
) -> None:
    vm = view.wait_ready(NETWORK_BOOT, reason="Running")
    chip = functools.partial(told, view, NETWORK_BOOT, "net0:", "using 82574l")
    wait_for("iPXE to find the Intel 82574L", chip, BOOT_S)
    wait_for("its lease", functools.partial(told, view, NETWORK_BOOT, "net0:", f"{ipv4(vm)}/"), BOOT_S)
