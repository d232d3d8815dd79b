"""What goes with a VM, or is taken from a running guest, is told on a real API server with nobody to ask."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from quantix_lab.qx_process import NAMESPACE, Qx, virtual_machine

NAME = "losing"


@pytest.fixture(scope="module")
def losing(qx: Qx) -> Iterator[Qx]:
    """A VM that runs from `root`, of which one Volume goes with it and one stays."""
    plane = qx.control_plane
    vm = virtual_machine(NAME)
    vm["spec"]["disks"] = [{"name": name, "size": "1Gi"} for name in ("root", "data")]
    vm["spec"]["disks"][0]["reclaimPolicy"] = "Delete"
    plane.kubectl("apply", "--server-side", "-f", "-", stdin=json.dumps(vm))
    running = json.dumps({"status": {"runtime": {"domain": "Present"}}})
    where = (NAME, "-n", NAMESPACE)
    plane.kubectl("patch", "vm", *where, "--subresource=status", "--type=merge", "-p", running)
    uid = json.loads(plane.kubectl("get", "vm", *where, "-o", "json"))["metadata"]["uid"]
    owner = {"apiVersion": vm["apiVersion"], "kind": vm["kind"], "name": NAME, "uid": uid}
    for name, owners in (("root", [owner]), ("data", [])):
        labels = {"quantix.io/virtual-machine-uid": uid}
        metadata = {"name": f"{NAME}-{name}", "namespace": NAMESPACE, "labels": labels}
        volume = {
            "apiVersion": vm["apiVersion"],
            "kind": "Volume",
            "metadata": metadata | {"ownerReferences": owners},
            "spec": {"size": "1Gi"},
        }
        plane.kubectl("apply", "--server-side", "-f", "-", stdin=json.dumps(volume))
    yield qx
    for kind, name in (("vm", NAME), ("volume", f"{NAME}-data"), ("volume", f"{NAME}-root")):
        plane.kubectl("delete", kind, name, "-n", NAMESPACE, "--wait=false", "--ignore-not-found")


def disks(qx: Qx) -> list[str]:
    shown = json.loads(qx.in_namespace("vm", "show", NAME, "-o", "json").stdout)
    return [disk["name"] for disk in shown["spec"]["disks"]]


@pytest.mark.parametrize(
    ("command", "source"),
    [
        (("vm", "detach", NAME, "root"), f"{NAME}-root"),
        (("vm", "delete", NAME), f"{NAME}-root"),
        (("volume", "delete", "alone"), "alone"),
    ],
)
def test_what_a_copy_is_still_to_be_made_from_is_told(
    losing: Qx, command: tuple[str, ...], source: str
) -> None:
    plane, about = losing.control_plane, {"apiVersion": "quantix.io/v1alpha1", "kind": "Volume"}
    for name, spec in (("alone", {"size": "1Gi"}), ("copy", {"source": {"volume": source}})):
        volume = {**about, "metadata": {"name": name, "namespace": NAMESPACE}, "spec": spec}
        plane.kubectl("apply", "--server-side", "-f", "-", stdin=json.dumps(volume))
    made = json.dumps({"status": {"data": "Present"}})
    where = (source, "-n", NAMESPACE)
    plane.kubectl("patch", "volume", *where, "--subresource=status", "--type=merge", "-p", made)
    try:
        shown = losing.in_namespace(*command, "--dry-run", "--yes")
    finally:
        plane.kubectl("delete", "volume", "copy", "alone", "-n", NAMESPACE)
    told = f"Volume {source} goes once what is still to be made from it is made: copy."
    assert f"{told}   qx volume explain -n {NAMESPACE} copy" in shown.stderr.splitlines()
    assert disks(losing) == ["root", "data"]


def test_a_guests_boot_disk_is_not_taken_without_a_word(losing: Qx) -> None:
    asked = losing.in_namespace("vm", "detach", NAME, "root", "--no-wait")
    lost, goes, refused, way_out = asked.stderr.splitlines()
    assert asked.returncode == 2
    assert lost.startswith(f"  disk root is what {NAME} runs from: ")
    assert goes == "  disk root is deleted with its data (reclaimPolicy Delete)"
    assert (refused.startswith("✗ Detach it? Nobody can be asked here"), way_out) == (True, "Try: --yes")
    assert disks(losing) == ["root", "data"]
    sure = losing.in_namespace("vm", "detach", NAME, "root", "--dry-run")
    assert (sure.returncode, sure.stderr.splitlines()) == (0, [lost, goes])
    other = losing.in_namespace("vm", "detach", NAME, "data", "--no-wait")
    assert (other.returncode, other.stderr) == (0, f"{NAME} changed.\n")
    assert disks(losing) == ["root"]


def test_volumes_that_go_and_that_stay_are_told_with_yes_and_without_a_terminal(losing: Qx) -> None:
    told = f"  VM {NAME} (deletes {NAME}-root with all data; keeps {NAME}-data)"
    asked = losing("-n", NAMESPACE, "vm", "delete", NAME)
    assert (asked.returncode, asked.stderr.splitlines()[0]) == (2, told)
    deleted = losing("-n", NAMESPACE, "vm", "delete", NAME, "--yes")
    lines = deleted.stderr.splitlines()
    assert lines == [told, f"VM {NAME} deleted.", f"Volume {NAME}-data stays."]
