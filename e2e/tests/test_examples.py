"""Every example whose images come with Quantix runs; that the API takes all of them is a contract test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml

from quantix_lab.checkout import CHECKOUT
from quantix_lab.leftovers import taken_away
from quantix_lab.machine_view import DATA_EXAMPLE, EXAMPLE, MachineView

OWN_IMAGE = "shared/tiny"
ELSEWHERE = {EXAMPLE, DATA_EXAMPLE}
"""Examples that test_first_vm runs."""


def vms_of(path: Path) -> list[dict[str, Any]]:
    """The VMs of an example."""
    return [m for m in yaml.safe_load_all(path.read_text()) if m["kind"] == "VirtualMachine"]


def names_of(path: Path) -> list[str]:
    return [vm["metadata"]["name"] for vm in vms_of(path)]


def runs_here(path: Path) -> bool:
    """Whether it has VMs and all that they are made from comes with Quantix."""
    vms = vms_of(path)
    devices = [device for vm in vms for kind in ("disks", "cdroms") for device in vm["spec"].get(kind, ())]
    return bool(vms) and all(device.get("image", OWN_IMAGE) == OWN_IMAGE for device in devices)


RUNNING = sorted(path for path in set((CHECKOUT / "examples").glob("*.yaml")) - ELSEWHERE if runs_here(path))


@pytest.fixture(scope="module")
def applied(view: MachineView) -> Iterator[list[Path]]:
    """The examples that were applied; all of them are gone afterwards."""
    paths: list[Path] = []
    # disks with data outlive their VMs
    with taken_away(view):
        yield paths
        gone = ("--ignore-not-found", "--timeout=60s")
        for path in paths:
            # a network that has ports is not deleted
            view.machine.kubectl("delete", "vm", *names_of(path), *gone, timeout_s=90)
            view.machine.kubectl("delete", "-f", str(path), *gone, timeout_s=90)


def test_the_windows_example_starts_with_its_media_in_the_drives(
    view: MachineView, applied: list[Path], tmp_path: Path
) -> None:
    """Its media are of no system: firmware, TPM, clock and drives are what is looked at."""
    path = CHECKOUT / "examples/windows.yaml"
    for drive in vms_of(path)[0]["spec"]["cdroms"]:
        medium = tmp_path / f"{drive['image']}.iso"
        # a volume descriptor and nothing that it describes
        medium.write_bytes(b"\0" * 0x8001 + b"CD001" + bytes(2048))
        view.machine.qx("image", "upload", "--name", drive["image"], str(medium))
    view.machine.kubectl("apply", "--server-side", "-f", str(path))
    applied.append(path)
    vm = view.wait_ready("win-1", reason="Running")
    domain = ElementTree.fromstring(view.virsh("dumpxml", f"qx-{vm['metadata']['uid']}"))
    assert domain.find("os/loader[@secure='yes']") is not None
    assert domain.find("devices/tpm/backend[@type='emulator'][@version='2.0']") is not None
    assert domain.find("clock[@offset='timezone'][@timezone='Europe/Berlin']") is not None
    assert len(domain.findall("devices/disk[@device='cdrom']/source")) == 2
    view.machine.qx("vm", "stop", "win-1", "--now", "--yes")
    # its disk is kept
    view.machine.qx("vm", "delete", "win-1", "--volumes", "--yes")
    for drive in vms_of(path)[0]["spec"]["cdroms"]:
        view.machine.qx("image", "delete", drive["image"], "--yes")


@pytest.mark.parametrize("path", RUNNING, ids=lambda path: path.stem)
def test_the_vms_of_an_example_run(path: Path, view: MachineView, applied: list[Path]) -> None:
    view.machine.kubectl("apply", "--server-side", "-f", str(path))
    applied.append(path)
    names = names_of(path)
    try:
        for name in names:
            view.wait_ready(name, reason="Running", timeout_s=180)
    finally:
        # the next example wants their cores, and nobody waits for a guest that still boots
        for name in names:
            view.patch("vm", name, {"spec": {"gracePeriodSeconds": 0}})
        view.machine.kubectl("delete", "vm", *names, "--wait=false")
