"""A person who only types `qx`: makes a VM, sees it, changes it, plugs it, and looks the machine over."""

from __future__ import annotations

import os
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from quantix_lab.guest_console import guest_console
from quantix_lab.machine import QX
from quantix_lab.machine_view import MachineView

PORT = 5999
GREETING = "import socket; print(socket.create_connection(('127.0.0.1', {port}), 5).recv(12).decode())"
VIEWER = """
import socket, sys
from urllib.parse import urlsplit
at = urlsplit(sys.argv[1])
print(socket.create_connection((at.hostname, at.port), 5).recv(12).decode())
"""


@pytest.fixture(scope="module")
def typed(view: MachineView) -> Iterator[MachineView]:
    """The machine with VM `typed-1`, made by `qx vm create` from what it offers."""
    words = ("vm", "create", "typed-1", "--image", "shared/tiny", "--size", "1GiB")
    made = view.machine.qx(*words, timeout_s=120)
    assert made.stderr.startswith(
        "typed-1: type small, disk root 1GiB of shared/tiny, network shared/default"
    )
    assert "typed-1 runs at 10." in made.stderr
    # whether guests shut down when they are told is looked at elsewhere; what still boots hears of nothing
    view.patch("vm", "typed-1", {"spec": {"gracePeriodSeconds": 0}})
    yield view
    view.machine.qx("vm", "delete", "typed-1", "--volumes", "--yes", timeout_s=120)


def test_a_picture_of_the_screen_is_kept_as_a_png(typed: MachineView, tmp_path: Path) -> None:
    file = tmp_path / "typed-1.png"
    shown = typed.machine.qx("vm", "screenshot", "typed-1", str(file))
    assert shown.stdout == f"{file}\n"
    assert file.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")


def test_a_viewer_finds_the_screen_at_the_port(typed: MachineView) -> None:
    with typed.machine.start_qx("vm", "view", "typed-1", "--port", str(PORT)) as viewing:
        try:
            assert viewing.stderr is not None
            assert f"127.0.0.1:{PORT} (VNC)" in viewing.stderr.readline()
            said = typed.machine.run("python3", "-c", GREETING.format(port=PORT))
            assert said.stdout.startswith("RFB 003.")
        finally:
            viewing.kill()


def test_a_viewer_that_is_installed_is_started_and_its_end_ends_it(
    typed: MachineView, tmp_path: Path
) -> None:
    programs = tmp_path / "viewers"
    programs.mkdir()
    viewer = programs / "remote-viewer"
    viewer.write_text(f"#!{sys.executable}\n{VIEWER}")
    viewer.chmod(0o755)
    path = {"PATH": f"{programs}:{os.environ['PATH']}"}
    seen = typed.machine.run(str(QX), "vm", "view", "typed-1", environment=path)
    assert seen.stdout.startswith("RFB 003.")


def test_what_the_running_guest_cannot_take_is_told_and_there_after_a_restart(typed: MachineView) -> None:
    changed = typed.machine.qx("vm", "set", "typed-1", "--cpu", "1", "--memory", "512MiB", timeout_s=60)
    assert "memory.size" in changed.stderr
    assert "at the next restart" in changed.stderr
    typed.machine.qx("vm", "restart", "typed-1", timeout_s=120)
    assert typed.get("virtualmachine", "typed-1")["status"]["resolved"]["memory"] == "512Mi"
    again = typed.machine.qx("vm", "set", "typed-1", "--memory", "512MiB")
    assert again.stderr == "typed-1 is so already.\n"


def test_a_disk_comes_and_goes_and_its_volume_stays(typed: MachineView) -> None:
    plugged = typed.machine.qx("vm", "attach", "typed-1", "--disk", "1GiB", "--name", "data", timeout_s=60)
    assert plugged.stderr == "typed-1: disk data (volume typed-1-data) is plugged in.\n"
    opened = typed.get("virtualmachine", "typed-1")["status"]["runtime"]["disks"]
    assert "data" in {disk["name"] for disk in opened}
    typed.machine.qx("vm", "restart", "typed-1", timeout_s=120)
    grown = typed.machine.qx("volume", "resize", "typed-1-data", "2GiB", timeout_s=60)
    assert grown.stderr == "typed-1-data has 2GiB.\n"
    # firmware lets nothing go
    with guest_console(typed.machine, "typed-1") as console:
        console.ask("true")
    left = typed.machine.qx("vm", "detach", "typed-1", "data", timeout_s=60)
    assert left.stderr == "typed-1: disk data (volume typed-1-data) is unplugged.\n"
    assert typed.get("volume", "typed-1-data")["status"]["capacity"] == "2Gi"
    typed.machine.qx("volume", "delete", "typed-1-data", "--yes", timeout_s=60)


def test_the_reset_button_starts_the_guest_anew_in_the_same_qemu(typed: MachineView) -> None:
    before = typed.qemus()
    pressed = typed.machine.qx("vm", "reset", "typed-1", "--yes", timeout_s=60)
    assert pressed.stderr.startswith("typed-1 was reset after ")
    assert typed.qemus() == before


def test_networks_groups_and_routers_are_ready_when_they_are_made(typed: MachineView) -> None:
    for words in (
        ("network", "create", "typed", "--subnet", "10.33.0.0/24"),
        ("securitygroup", "create", "typed", "--allow", "tcp:80", "--from", "10.0.0.0/8"),
        ("router", "create", "typed", "--network", "typed"),
        ("securitygroup", "set", "typed", "--allow", "icmp"),
    ):
        typed.machine.qx(*words, timeout_s=60)
    explained = typed.machine.qx("securitygroup", "explain", "typed").stdout
    assert "in           tcp:80 from 10.0.0.0/8\n  in           icmp from anyone" in explained
    for noun in ("router", "network", "securitygroup"):
        typed.machine.qx(noun, "delete", "typed", "--yes", timeout_s=60)


def test_a_port_that_no_rule_opens_is_told_with_what_opens_it(typed: MachineView) -> None:
    qx, ssh = typed.machine.qx, ("vm", "ssh", "typed-1", "--user", "root")
    qx("securitygroup", "create", "shut", "--allow", "icmp")
    qx("vm", "set", "typed-1", "--group", "shut")
    refused = qx(*ssh, check=False)
    assert refused.returncode == 6
    assert "No rule of security group shut lets TCP 22 in to typed-1." in refused.stderr
    command = "qx securitygroup set shut --allow tcp:22"
    assert f"Try: {command}" in refused.stderr
    qx(*command.split()[1:])
    # the guest has no SSH server, and says so itself
    assert qx(*ssh, check=False).returncode == 255
    qx("vm", "set", "typed-1", "--group", "default")
    qx("securitygroup", "delete", "shut", "--yes")


def test_the_doctor_finds_a_machine_that_runs_well_and_one_whose_api_is_away(typed: MachineView) -> None:
    well = typed.machine.qx("doctor", check=False)
    assert (well.returncode, "✕" in well.stdout) == (0, False), well.stdout
    for line in ("processes", "certificates", "libvirt", "OVN", "hostd", "control plane", "KVM", "I/O"):
        assert any(told.startswith(line) for told in well.stdout.splitlines()), line


def test_a_support_bundle_has_the_logs_and_no_secret(typed: MachineView, tmp_path: Path) -> None:
    file = tmp_path / "support.tar.gz"
    typed.machine.qx("support-bundle", str(file), timeout_s=120)
    with tarfile.open(file) as tar:
        names = {name.partition("/")[2] for name in tar.getnames()}
        texts = [extracted.read() for member in tar if (extracted := tar.extractfile(member))]
    assert {"README.txt", "doctor.txt", "logs/hostd.log", "logs/operator.log", "api/hosts.yaml"} <= names
    assert not [text for text in texts if b"PRIVATE KEY-----" in text]


def test_tab_offers_the_vm(typed: MachineView) -> None:
    offered = typed.machine.qx("completion", "bash", "--", "vm", "stop", "typed")
    assert offered.stdout == "typed-1\n"
