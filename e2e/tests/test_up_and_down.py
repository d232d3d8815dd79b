"""`qx up` on a fresh machine, again, interrupted, down and away: what a user sees, and what is left."""

import re
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from quantix_api.conditions import condition_of
from quantix_lab.guest_console import guest_console
from quantix_lab.machine import QX, Machine
from quantix_lab.machine_view import MachineView
from quantix_lab.vm_manifests import READY, ipv4, small_vm

VM = "web-1"
FOLLOWER = "web-2"
MARK = "written-before-down"
SECTOR = 80000
"""Near the end of the disk of 40 MiB, which the few files of the guest do not reach."""


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    with Machine() as machine:
        yield machine


@pytest.fixture(scope="module")
def first_run(machine: Machine) -> str:
    return machine.up()


def address(machine: Machine) -> str:
    path = "{.status.nics[0].addresses[0]}"
    return machine.kubectl("get", "vm", VM, "-o", f"jsonpath={path}").stdout


@pytest.mark.usefixtures("heeded_interrupt")
def test_an_interrupted_run_says_so_and_is_gone_on_with(machine: Machine) -> None:
    run = machine.start_qx("up")
    deadline = time.monotonic() + 60
    while not machine.layout.admin_kubeconfig.exists():
        assert time.monotonic() < deadline, "the control plane never started"
        time.sleep(0.05)
    run.send_signal(signal.SIGINT)
    _, said = run.communicate(timeout=90)
    assert run.returncode == 130
    assert "Stopped. Finished steps are kept; make up goes on from here." in said


def test_the_first_run_ends_with_a_vm_that_answers(machine: Machine, first_run: str) -> None:
    lines = first_run.splitlines()
    assert re.fullmatch(r"Quantix 0\.1\.0 on box\..* Log: \S+/up\.log", lines[0])
    found = re.search(rf"^Ready in .* {VM} is Running at (\S+)\. kubeconfig: \S+$", first_run, re.M)
    assert found is not None
    assert found.group(1) == address(machine)
    page = machine.run("curl", "--silent", "--max-time", "10", f"http://{found.group(1)}/").stdout
    # its IPv6 address comes a moment later
    ready = f"{READY}: hostname={VM} address={found.group(1)}"
    assert re.fullmatch(rf"{re.escape(ready)}( address6=\S+)?\n", page), page


def test_every_step_that_did_something_has_its_line(first_run: str) -> None:
    ticked = re.findall(r"^ ✓ (.*?)  +\d", first_run, re.M)
    assert ticked[-2:] == ["join this machine as host box", f"start the VM {VM}"]


@pytest.mark.usefixtures("first_run")
def test_a_second_run_changes_nothing(machine: Machine) -> None:
    before = machine.kubectl("get", "vm", VM, "-o", "jsonpath={.metadata.resourceVersion}").stdout
    second = machine.up().splitlines()
    assert re.fullmatch(rf"Ready in \d\.\d s, nothing to change\. {VM} is Running at \S+\.", second[-1]), (
        second
    )
    assert machine.kubectl("get", "vm", VM, "-o", "jsonpath={.metadata.resourceVersion}").stdout == before


@pytest.mark.usefixtures("first_run")
def test_a_second_installation_beside_the_first_is_refused_before_it_changes_anything(
    machine: Machine,
) -> None:
    second = machine.root / "second"
    own = {"QUANTIX_ROOT": str(second), "QUANTIX_API_PORT": "7443"}
    refused = machine.run(str(QX), "up", environment=own, check=False)
    assert refused.returncode == 1
    assert f"Quantix of {machine.root} runs on this machine" in refused.stderr
    assert f"QUANTIX_ROOT={machine.root} make down" in refused.stderr
    assert refused.stdout == ""
    assert not second.exists()
    down = machine.run(str(QX), "down", environment=own)
    assert down.stdout == "Quantix does not run here; nothing to stop. Data kept.\n"
    # its log
    shutil.rmtree(second)
    assert machine.guests() != []


@pytest.mark.usefixtures("first_run")
def test_a_repeated_run_says_which_vm_waits_and_for_what(machine: Machine) -> None:
    view = MachineView(machine)
    spec = {"cpu": {"cores": 1}, "memory": {"size": "512Gi"}, "disks": [{"name": "root", "size": "1Gi"}]}
    big = {"apiVersion": "quantix.io/v1alpha1", "kind": "VirtualMachine", "metadata": {"name": "big"}}
    view.apply({**big, "spec": spec})
    view.wait_reason("vm", "big", "NotEnoughMemory")
    told = machine.up().splitlines()[-2:]
    assert re.fullmatch(
        rf"Ready in \S+ s, nothing to change\. {VM} is Running at \S+\. "
        r"1 VM waits: big, NotEnoughMemory: No host has 513 GiB free: .*\.",
        told[0],
    ), told
    assert told[1].endswith("qx vm explain big")
    waits = machine.qx("vm", "list", "big", "--state", "waiting", "-o", "name").stdout
    assert waits == "virtualmachines.quantix.io/big\n"
    machine.qx("vm", "delete", "big", "--volumes", "--yes")


@pytest.mark.usefixtures("first_run")
def test_the_image_of_the_first_vm_is_shown_by_its_shared_name(machine: Machine) -> None:
    assert "namespace: quantix-shared" in machine.qx("image", "show", "shared/tiny").stdout
    assert machine.qx("explain", "network/shared/default").stdout.startswith("default is Ready")


@pytest.fixture(scope="module")
def backup(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where what the API knew is kept, once it has been down."""
    return tmp_path_factory.mktemp("kept") / "backup"


@pytest.mark.usefixtures("first_run")
def test_down_shuts_the_guests_down_and_up_starts_them_again_in_their_order(
    machine: Machine, backup: Path
) -> None:
    view = MachineView(machine)
    view.patch("vm", VM, {"spec": {"readiness": {"tcpPort": 80}}})
    before = view.wait_ready(VM, reason="Running")
    view.apply(small_vm(FOLLOWER, ha={"after": [VM], "afterTimeoutSeconds": 600}, gracePeriodSeconds=0))
    view.wait_ready(FOLLOWER, reason="Running")
    with guest_console(machine, VM) as console:
        console.ask(f"echo {MARK} | dd of=/dev/vda seek={SECTOR} bs=512 conv=sync; sync")
    told, *_, said = machine.down().splitlines()
    names = ", ".join(sorted((VM, FOLLOWER)))
    assert told == f"{names} have at most 60 s to shut down; a guest that has not by then is ended without."
    assert re.fullmatch(
        r"Stopped in \d+\.\d s\. 2 VMs were shut down \((.+)\); make up starts them again\. Data kept\.", said
    ), said
    assert all(name in said for name in (VM, FOLLOWER))
    assert machine.guests() == []
    assert machine.down().splitlines()[-1] == "Quantix does not run here; nothing to stop. Data kept."
    shutil.copytree(machine.layout.control_plane_data, backup)
    assert f"{VM} is Running at {ipv4(before)}" in machine.up()
    after = view.wait_ready(VM, reason="Running")
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    assert after["status"]["runtime"]["lastExit"]["reason"] == "HostShutdown"
    follower = view.wait_ready(FOLLOWER, reason="Running")
    placed, ready = condition_of(follower, "Scheduled"), condition_of(after)
    assert placed["lastTransitionTime"] >= ready["lastTransitionTime"]
    with guest_console(machine, VM) as console:
        assert MARK in console.ask(f"dd if=/dev/vda skip={SECTOR} bs=512 count=1 2>/dev/null; echo")


@pytest.mark.usefixtures("first_run")
def test_a_restored_api_starts_the_vm_above_the_epochs_that_it_forgot(machine: Machine, backup: Path) -> None:
    """It forgets the start by `up` in the test before, and the one here."""
    view, data = MachineView(machine), machine.layout.control_plane_data
    # nobody waits for this guest
    view.patch("vm", VM, {"spec": {"gracePeriodSeconds": 0, "readiness": None}})
    for state in ("Stopped", "Running"):
        view.patch("vm", VM, {"spec": {"powerState": state}})
        forgotten = view.wait_ready(VM, reason=state)
    machine.down()
    shutil.rmtree(data)
    shutil.copytree(backup, data)
    assert f"{VM} is Running at {ipv4(forgotten)}" in machine.up()
    after = view.wait_ready(VM, reason="Running")
    assert after["metadata"]["uid"] == forgotten["metadata"]["uid"]
    assert after["status"]["assignment"]["epoch"] > forgotten["status"]["assignment"]["epoch"]
    assert len(view.qemus(after["metadata"]["uid"])) == 1
    machine.qx("vm", "delete", FOLLOWER, "--volumes", "--yes")


def abandoned_guest(machine: Machine) -> str:
    """The UID of a VM that was removed from the API by force while its guest runs."""
    view = MachineView(machine)
    machine.up()
    uid: str = view.wait_ready(VM, reason="Running")["metadata"]["uid"]
    view.remove_vm_by_force(VM)
    assert len(view.qemus(uid)) == 1
    return uid


@pytest.mark.usefixtures("first_run")
def test_clean_leaves_nothing(machine: Machine) -> None:
    foreign = machine.root / "var/lib/somebody/data"
    foreign.parent.mkdir()
    foreign.write_text("not ours\n")
    uid = abandoned_guest(machine)
    began_s = time.monotonic()
    said = machine.clean()
    assert f"Domain qx-{uid} (it was default/{VM}) has no VM in the API any more; it is shut down" in said, (
        said
    )
    assert time.monotonic() - began_s < 60, "the guest whose VM is gone was waited for"
    left = [path for path in machine.root.rglob("*") if not path.is_dir()]
    assert left == [foreign]
    assert machine.processes() == []
    links = machine.run("ip", "-br", "link").stdout.split()
    assert not [word for word in links if word.startswith("qx")]
    assert "quantix" not in machine.run("nft", "list", "tables").stdout
