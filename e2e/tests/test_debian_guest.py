"""A real guest, made as docs/cloud-init.md shows and seen from inside: what cloud-init was told is so, and
the stock agent does its part.
"""

from __future__ import annotations

import base64
import functools
import json
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from quantix_api.conditions import condition_of
from quantix_cli.debianimage.build import LOGIN_USER
from quantix_lab import lying_agent
from quantix_lab.cloud_init_page import EXAMPLE, NAME, Reader, reader
from quantix_lab.debian_guest import GREETING, DebianGuest, make_archive
from quantix_lab.debian_vm import OTHER_ADDRESS, TOKEN, debian_vm, image, user_data
from quantix_lab.leftovers import taken_away
from quantix_lab.machine import QX
from quantix_lab.machine_view import SHARED, MachineView, Manifest
from quantix_lab.vm_manifests import ipv4
from quantix_lab.waiting import wait_for

BOOT_S = 600.0
"""Emulated on two busy cores; a minute on quiet ones."""
PAUSE_S = 6.0
MEDIA = ("first-medium", "second-medium")

SCSI_DISKS = "ls /sys/block | grep '^sd' || true"
AGENT = "qemu-guest-agent"


@dataclass(frozen=True)
class Booted:
    """The guest once cloud-init is done, its VM at that time, and the file of the key that lets in."""

    guest: DebianGuest
    vm: Manifest
    key: Path


@pytest.fixture(scope="module")
def somebody(view: MachineView, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    """Who follows the page about cloud-init, where the file of its example has more in it."""
    home, folder = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("world")
    make_archive(folder / "archive")
    for medium in MEDIA:
        (folder / f"{medium}.raw").write_bytes(medium.encode().ljust(64 * 1024, b"\0"))
    example = folder / EXAMPLE.name
    # the page puts a key in place of all that stands behind the example's, in one line
    example.write_text(yaml.safe_dump(debian_vm(view), width=1000))
    with taken_away(view), view.machine.serving(folder, port=8001) as server:
        media = [image(medium, f"{server}/{medium}.raw", format="Raw") for medium in MEDIA]
        view.apply(*media, user_data(server))
        yield reader(view.machine, home, example)


@pytest.fixture(scope="module")
def booted(view: MachineView, somebody: Reader) -> Booted:
    """Its guest, as the page makes it and enters it."""
    somebody.type_until_let_in()
    guest = DebianGuest(view.machine, ipv4(view.get("vm", NAME)), somebody.key)
    wait_for("cloud-init to be done", lambda: finished(guest), BOOT_S, 2.0)
    return Booted(guest, view.get("vm", NAME), somebody.key)


def finished(guest: DebianGuest) -> tuple[bool, object]:
    """Once cloud-init is done, well or not."""
    said = guest.run("cloud-init status --wait", check=False, timeout_s=BOOT_S)
    return "status: " in said, said or "no SSH"


def test_cloud_init_did_what_it_was_told_without_an_error(booted: Booted) -> None:
    status = json.loads(booted.guest.run("cloud-init status --format json", check=False))
    assert (status["status"], status["errors"], status["recoverable_errors"]) == ("done", [], {}), status


def test_the_key_lets_in_and_the_guest_has_its_names(booted: Booted) -> None:
    said = booted.guest.run("id -un; hostname; hostname -f; sudo -n id -un").splitlines()
    assert said == [LOGIN_USER, NAME, f"{NAME}.default.quantix.internal", "root"]


def test_qx_logs_in_and_hands_back_what_the_guest_answers(
    view: MachineView, booted: Booted, tmp_path: Path
) -> None:
    """As a person does whose key is in an agent: nothing of ssh is typed."""
    typed = f'ssh-add -q {booted.key}; {QX} vm ssh {NAME} -- "hostname; exit 7"'
    home = {"HOME": str(tmp_path)}
    done = view.machine.run("ssh-agent", "sh", "-ec", typed, check=False, environment=home)
    assert (done.stdout, done.returncode) == (f"{NAME}\n", 7), done.stderr
    uid = booted.vm["metadata"]["uid"]
    # Debian's ssh hashes the names in it
    looks = ["ssh-keygen", "-F", f"quantix-{uid}", "-f", str(tmp_path / ".ssh/known_hosts.quantix")]
    assert "ssh-ed25519" in subprocess.run(looks, capture_output=True, text=True, check=True).stdout


def test_user_data_came_from_the_secret_and_its_package_from_an_archive(booted: Booted) -> None:
    said = booted.guest.run(
        "sudo cat /etc/token; echo; sudo cat /root/ran; sudo stat -c %a /etc/token"
    ).splitlines()
    assert said == [TOKEN, GREETING, "600"]


def test_nothing_tells_the_secret(view: MachineView, booted: Booted) -> None:
    assert TOKEN not in json.dumps(view.get("vm", NAME))
    logs = [path for path in view.layout.log.rglob("*.log") if path.name != "console.log"]
    assert logs
    assert [str(path) for path in logs if TOKEN in path.read_text(errors="replace")] == []
    assert TOKEN.encode() not in Path(f"/proc/{view.qemu(booted.vm)}/cmdline").read_bytes()


def test_the_network_is_what_network_data_says(view: MachineView, booted: Booted) -> None:
    said = booted.guest.run("ip -j -4 addr show scope global; echo; ls /run/systemd/netif/leases | wc -l")
    listed, _, leases = said.partition("\n")
    found = {entry["local"] for link in json.loads(listed) for entry in link["addr_info"]}
    static, by_dhcp = (nic["addresses"][0] for nic in booted.vm["status"]["nics"])
    assert (found, leases.strip()) == ({static, OTHER_ADDRESS, by_dhcp}, "1")
    mtu = view.get("network", "default", SHARED)["status"]["mtu"]
    assert booted.guest.run("cat /sys/class/net/en*/mtu").split() == [str(mtu)] * 2


def test_a_disk_that_was_another_vms_gets_a_machine_id_of_its_own(booted: Booted) -> None:
    """As in a clone: cloud-init has seen another instance before, and there is that one's machine-id."""
    known, another = "/etc/machine-id", "/var/lib/cloud/instances/another"
    own, others = str(booted.vm["status"]["resolved"]["uuid"]).replace("-", ""), "ab" * 16
    scripts = "/var/lib/cloud/instance/scripts/vendor"
    first, name = booted.guest.run(f"cat {known}; ls {scripts}").splitlines()
    asked = f"echo {others} | sudo tee {known} > /dev/null; sudo {scripts}/{name}; cat {known}"
    assert booted.guest.run(asked) == others, "of a disk that was nobody's before it is left alone"
    assert booted.guest.run(f"sudo mkdir {another}; {asked}; sudo rmdir {another}") == own
    booted.guest.run(f"echo {first} | sudo tee {known}")


@pytest.mark.soak
def test_a_clone_has_names_keys_and_a_machine_id_of_its_own(
    view: MachineView, booted: Booted, tmp_path: Path
) -> None:
    """A whole boot more; in CI the test above shows the step that matters."""
    tells = "cat /etc/machine-id; cut -d' ' -f2 /etc/ssh/ssh_host_ed25519_key.pub; hostname"
    first = booted.guest.run(tells).splitlines()
    view.machine.qx("vm", "stop", NAME, timeout_s=300)
    view.machine.qx("vm", "clone", NAME, "copy", timeout_s=300)
    view.wait_ready("copy", reason="Running", timeout_s=300)
    copy = DebianGuest(view.machine, ipv4(view.get("vm", "copy")), booted.key)
    wait_for("cloud-init to be done", lambda: finished(copy), BOOT_S, 2.0)
    second = copy.run(tells).splitlines()
    assert second[2] == "copy"
    assert set(first).isdisjoint(second)
    view.machine.qx("vm", "delete", "copy", "--yes", timeout_s=300)
    view.machine.qx("vm", "start", NAME, timeout_s=300)
    wait_for("the first to be back", lambda: finished(booted.guest), BOOT_S, 2.0)


def test_the_root_file_system_fills_the_disk(booted: Booted) -> None:
    assert int(booted.guest.run("df --output=size -B1 / | tail -1")) > 4.7 * 2**30


def test_the_agent_is_connected_and_tells_of_the_guest(view: MachineView, booted: Booted) -> None:
    assert condition_of(booted.vm, "AgentConnected")["reason"] == "Connected"
    told = booted.vm["status"]["guest"]
    assert told["hostname"] == NAME
    assert told["os"].startswith("Debian GNU/Linux 13")
    assert told["kernel"] == booted.guest.run("uname -r")

    def look() -> tuple[bool, object]:
        status = view.get("vm", NAME)["status"]
        return status["addresses"][0] == ipv4(booted.vm) and OTHER_ADDRESS in status["addresses"], status

    wait_for("the guest's own address in status", look, 90)


def test_few_writes_tell_all_of_that(view: MachineView, booted: Booted) -> None:
    """Beside the five of a slow start: that it is not ready yet, that the agent came, and its addresses."""
    writers = [who for who in view.writes("virtualmachines", NAME) if who.startswith("quantix")]
    assert len(writers) <= 9, writers


def test_the_clock_is_right_after_a_pause(view: MachineView, booted: Booted) -> None:
    view.patch("vm", NAME, {"spec": {"powerState": "Paused"}})
    view.wait_ready(NAME, reason="Paused")
    time.sleep(PAUSE_S)
    view.patch("vm", NAME, {"spec": {"powerState": "Running"}})
    view.wait_ready(NAME, reason="Running")

    def look() -> tuple[bool, object]:
        before_s = time.time()
        ahead_s = float(booted.guest.run("date +%s.%N")) - time.time()
        # the answer was given at some time while it was waited for
        return -(time.time() - before_s) - 1 < ahead_s < 1, f"{ahead_s:.1f} s ahead"

    wait_for("the guest's clock to be right", look, 30)


def test_media_are_put_in_changed_and_ejected(view: MachineView, booted: Booted) -> None:
    for medium in MEDIA:
        insert(view, {"image": medium})
        # the drives of the VM come before the one of cloud-init's seed
        read = f"sudo head -c {len(medium)} /dev/sr0"
        wait_for(f"{medium} in the drive", functools.partial(is_told, booted, read, medium), 30)
    insert(view, {})
    assert "No medium found" in booted.guest.run("sudo head -c 1 /dev/sr0 2>&1 || true")


def insert(view: MachineView, medium: dict[str, str]) -> None:
    """Put a medium into the drive, or take out what is in it."""
    view.patch("vm", NAME, {"spec": {"cdroms": [{"name": "tools", **medium}]}})
    assert condition_of(view.wait_ready(NAME, reason="Running"), "RestartRequired") == {}


def test_a_scsi_disk_comes_and_leaves(view: MachineView, booted: Booted) -> None:
    disks = view.get("vm", NAME)["spec"]["disks"]
    there = booted.guest.run(SCSI_DISKS).split()
    assert len(there) == 1
    extra = {"name": "extra", "size": "32Mi", "bus": "SCSI", "reclaimPolicy": "Delete"}
    view.patch("vm", NAME, {"spec": {"disks": [*disks, extra]}})
    vm = view.wait_ready(NAME, reason="Running")
    wait_for("another SCSI disk", lambda: (len(booted.guest.run(SCSI_DISKS).split()) == 2, ""), 30)
    (came,) = set(booted.guest.run(SCSI_DISKS).split()) - set(there)
    assert booted.guest.run(f"cat /sys/block/{came}/size") == str(32 * 2**20 // 512)
    volume = view.get("volume", f"{NAME}-extra")["metadata"]["uid"]
    assert booted.guest.run(f"lsblk -dno SERIAL /dev/{came}") == volume.replace("-", "")[:20]
    booted.guest.run(f"echo mark | sudo dd of=/dev/{came} conv=fsync status=none")
    assert condition_of(vm, "RestartRequired") == {}
    view.patch("vm", NAME, {"spec": {"disks": disks}})
    view.wait_ready(NAME, reason="Running")
    wait_for("it to leave", lambda: is_told(booted, SCSI_DISKS, there[0]), 30)


def is_told(booted: Booted, command: str, wanted: str) -> tuple[bool, object]:
    said = booted.guest.run(command, check=False)
    return said == wanted, said


def test_an_agent_that_lies_is_shown_cut_to_size(view: MachineView, booted: Booted) -> None:
    liar = base64.b64encode(Path(lying_agent.__file__).read_bytes()).decode()
    # systemd would take apart what it is given as an argument
    booted.guest.run(f"echo {liar} | base64 -d > liar.py; sudo systemctl stop {AGENT}")
    booted.guest.run("sudo systemd-run -q --unit=liar python3 /home/debian/liar.py")

    def look() -> tuple[bool, object]:
        status = view.get("vm", NAME)["status"]
        return status["guest"].get("hostname") == "l [31m" + "i" * 247, status

    wait_for("the liar's words in status", look, 60)
    status = view.get("vm", NAME)["status"]
    assigned = [address for nic in status["nics"] for address in nic["addresses"]]
    assert status["addresses"][: len(assigned)] == assigned
    assert len(status["addresses"]) == len(assigned) + 16
    assert set(status["guest"]) == {"hostname"}
    booted.guest.run(f"sudo systemctl stop liar; sudo systemctl start {AGENT}")
    wait_for("the honest agent", lambda: hostname_told(view), 60)


def hostname_told(view: MachineView) -> tuple[bool, object]:
    status = view.get("vm", NAME)["status"]
    return status["guest"].get("hostname") == NAME, status


def test_a_change_of_cloud_init_waits_for_the_next_start_as_the_page_shows(
    view: MachineView, booted: Booted, somebody: Reader
) -> None:
    somebody.type_the_rest()
    view.patch("vm", NAME, {"spec": {"cloudInit": {"instanceID": None}}})
    assert condition_of(view.wait_ready(NAME, reason="Running"), "RestartRequired") == {}


def test_a_stop_goes_through_the_agent_and_is_clean(view: MachineView, booted: Booted) -> None:
    view.patch("vm", NAME, {"spec": {"powerState": "Stopped", "gracePeriodSeconds": 200}})
    vm = view.wait_ready(NAME, reason="Stopped", timeout_s=150)
    assert vm["status"]["runtime"]["lastExit"]["reason"] == "Requested"
    assert "poweroff.target" in view.printed(vm)
    assert "guest" not in vm["status"]
