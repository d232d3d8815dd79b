"""A real guest, seen from inside: what cloud-init was told is so, and the stock agent does its part."""

from __future__ import annotations

import base64
import json
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path

import pytest

from quantix_cli.debianimage.build import LOGIN_USER, ensure_debian_image
from quantix_lab.debian_guest import GREETING, PACKAGE, DebianGuest, make_archive, make_key
from quantix_lab.machine import CACHE
from quantix_lab.machine_view import SHARED, MachineView, Manifest
from quantix_lab.vm_manifests import condition, ipv4, small_vm
from quantix_lab.waiting import wait_for

NAME = "deb-1"
TOKEN = "s3cr3t-of-the-tests"
"""in the Secret alone, and in the guest"""
OTHER_ADDRESS = "10.99.0.7"
"""which the guest gives itself besides"""
MAC = "52:54:00:12:34:56"
BOOT_S = 600.0
"""Emulated on two busy cores; a minute on quiet ones."""
PAUSE_S = 6.0

USER_DATA = """\
#cloud-config
apt:
  preserve_sources_list: false
  sources_list: "deb [trusted=yes] {server}/archive ./"
packages: [{package}]
write_files:
  - path: /etc/token
    permissions: "0600"
    content: {token}
  # so that ACPI's power button does nothing, and only the agent can shut the guest down
  - path: /etc/systemd/logind.conf.d/deaf.conf
    content: |
      [Login]
      HandlePowerKey=ignore
runcmd:
  - [sh, -c, "{package} > /root/ran"]
  - [systemctl, restart, systemd-logind]
"""
AGENT = "qemu-guest-agent"
LIAR = """
import json
import time
door = open("/dev/virtio-ports/org.qemu.guest_agent.0", "r+b", buffering=0)
mac = open(next(__import__("pathlib").Path("/sys/class/net").glob("en*/address"))).read().strip()
kinds = {"ip-address-type": "ipv4", "prefix": 24}
lies = {
    "guest-get-host-name": {"host-name": "l\\x1b[31m" + "i" * 100000},
    "guest-network-get-interfaces": [
        {
            "name": "en%d" % number,
            "hardware-address": mac,
            "ip-addresses": [{**kinds, "ip-address": "10.66.%d.%d" % (number, last)} for last in range(20)],
        }
        for number in range(60)
    ],
}
while True:
    line = door.readline()
    if not line:
        # nobody listens on the host yet
        time.sleep(0.2)
        continue
    try:
        asked = json.loads(line[line.rindex(b"\\xff") + 1:] if b"\\xff" in line else line)
    except ValueError:
        continue
    what, answer = asked["execute"], {}
    if what.startswith("guest-sync"):
        answer = {"return": asked["arguments"]["id"]}
    elif what in lies:
        answer = {"return": lies[what]}
    else:
        answer = {"error": {"class": "CommandNotFound", "desc": "no"}}
    rest = json.dumps(answer).encode() + b"\\n"
    while rest:
        rest = rest[door.write(rest):]
"""
"""An agent of many words, most of them false."""


@dataclass(frozen=True)
class Booted:
    """The guest once cloud-init is done, and its VM at that time."""

    guest: DebianGuest
    vm: Manifest
    took_s: float


@pytest.fixture(scope="module")
def booted(view: MachineView, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Booted]:
    folder = tmp_path_factory.mktemp("world")
    private, public = make_key(folder)
    make_archive(folder / "archive")
    shutil.copyfile(ensure_debian_image(CACHE), folder / "debian.qcow2")
    with view.machine.serving(folder, port=8001) as server:
        view.apply(image(server), secret(server), machine(view, public))
        began_s = time.monotonic()
        vm = view.wait_ready(NAME, reason="Running", timeout_s=BOOT_S)
        guest = DebianGuest(view.machine, ipv4(vm), private)
        wait_for("cloud-init to be done", lambda: finished(guest), BOOT_S, 2.0)
        yield Booted(guest, view.get("vm", NAME), time.monotonic() - began_s)
    view.machine.kubectl("delete", "vm", NAME, "--timeout=90s", timeout_s=120)


def image(server: str) -> Manifest:
    spec = {"url": f"{server}/debian.qcow2", "loginUser": LOGIN_USER}
    return {
        "apiVersion": "quantix.io/v1alpha1",
        "kind": "Image",
        "metadata": {"name": "debian"},
        "spec": spec,
    }


def secret(server: str) -> Manifest:
    text = USER_DATA.format(server=server, package=PACKAGE, token=TOKEN)
    data = {"userData": base64.b64encode(text.encode()).decode()}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": NAME}, "data": data}


def machine(view: MachineView, key: str) -> Manifest:
    """A VM with a static address; Ready is when its agent answers."""
    network = view.get("network", "default", SHARED)
    subnet = next(ip_network(cidr) for cidr in network["status"]["subnets"] if ":" not in cidr)
    address, gateway = subnet[200], subnet[1]
    ethernet = {
        "match": {"macaddress": MAC},
        "addresses": [f"{address}/{subnet.prefixlen}", f"{OTHER_ADDRESS}/32"],
        "routes": [{"to": "0.0.0.0/0", "via": str(gateway)}],
    }
    return small_vm(
        NAME,
        cpu={"cores": 2},
        memory={"size": "768Mi"},
        disks=[{"name": "root", "image": "debian", "size": "3Gi", "reclaimPolicy": "Delete"}],
        nics=[{"name": "eth0", "network": "shared/default", "mac": MAC, "addresses": [str(address)]}],
        readiness={"agent": {}},
        cloudInit={
            "hostname": "inside",
            "sshAuthorizedKeys": [key],
            "userDataSecretRef": {"name": NAME},
            "networkData": json.dumps({"version": 2, "ethernets": {"nic": ethernet}}),
        },
    )


def finished(guest: DebianGuest) -> tuple[bool, object]:
    """Once SSH answers, which is later than the agent does: after cloud-init is done, well or not."""
    said = guest.run("cloud-init status --wait", check=False, timeout_s=BOOT_S)
    return "status: " in said, said or "no SSH yet"


def test_cloud_init_did_what_it_was_told_without_an_error(booted: Booted) -> None:
    status = json.loads(booted.guest.run("cloud-init status --format json", check=False))
    assert (status["status"], status["errors"], status["recoverable_errors"]) == ("done", [], {}), status


def test_the_key_lets_in_and_the_guest_has_its_names(booted: Booted) -> None:
    said = booted.guest.run("id -un; hostname; hostname -f; sudo -n id -un").splitlines()
    assert said == [LOGIN_USER, "inside", "inside.default.quantix.internal", "root"]


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
    said = booted.guest.run("ip -j -4 addr show scope global; echo; ls /run/systemd/netif/leases")
    listed, _, leases = said.partition("\n")
    found = {entry["local"] for link in json.loads(listed) for entry in link["addr_info"]}
    assert found == {ipv4(booted.vm), OTHER_ADDRESS}
    assert leases.strip() == ""
    mtu = view.get("network", "default", SHARED)["status"]["mtu"]
    assert booted.guest.run("cat /sys/class/net/en*/mtu") == str(mtu)


def test_the_root_file_system_fills_the_disk(booted: Booted) -> None:
    assert int(booted.guest.run("df --output=size -B1 / | tail -1")) > 2.7 * 2**30


def test_the_agent_is_connected_and_tells_of_the_guest(view: MachineView, booted: Booted) -> None:
    assert condition(booted.vm, "AgentConnected")["reason"] == "Connected"
    told = booted.vm["status"]["guest"]
    assert told["hostname"] == "inside"
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


def test_an_agent_that_lies_is_shown_cut_to_size(view: MachineView, booted: Booted) -> None:
    liar = base64.b64encode(LIAR.encode()).decode()
    # systemd would take apart what it is given as an argument
    booted.guest.run(f"echo {liar} | base64 -d > liar.py; sudo systemctl stop {AGENT}")
    booted.guest.run("sudo systemd-run -q --unit=liar python3 /home/debian/liar.py")

    def look() -> tuple[bool, object]:
        status = view.get("vm", NAME)["status"]
        return status["guest"].get("hostname") == "l [31m" + "i" * 247, status

    wait_for("the liar's words in status", look, 60)
    status = view.get("vm", NAME)["status"]
    assigned = status["nics"][0]["addresses"]
    assert status["addresses"][: len(assigned)] == assigned
    assert len(status["addresses"]) == len(assigned) + 16
    assert set(status["guest"]) == {"hostname"}
    booted.guest.run(f"sudo systemctl stop liar; sudo systemctl start {AGENT}")
    wait_for("the honest agent", lambda: hostname_told(view), 60)


def hostname_told(view: MachineView) -> tuple[bool, object]:
    status = view.get("vm", NAME)["status"]
    return status["guest"].get("hostname") == "inside", status


def test_a_change_of_cloud_init_waits_for_the_next_start(view: MachineView, booted: Booted) -> None:
    view.patch("vm", NAME, {"spec": {"cloudInit": {"hostname": "other"}}})

    def look() -> tuple[bool, object]:
        runtime = view.get("vm", NAME)["status"]["runtime"]
        return "spec.cloudInit" in [item["path"] for item in runtime.get("pendingChanges", [])], runtime

    wait_for("spec.cloudInit to be pending", look, 30)
    view.patch("vm", NAME, {"spec": {"cloudInit": {"hostname": "inside"}}})


def test_a_stop_goes_through_the_agent_and_is_clean(view: MachineView, booted: Booted) -> None:
    view.patch("vm", NAME, {"spec": {"powerState": "Stopped", "gracePeriodSeconds": 200}})
    vm = view.wait_ready(NAME, reason="Stopped", timeout_s=150)
    assert vm["status"]["runtime"]["lastExit"]["reason"] == "Requested"
    assert "poweroff.target" in view.printed(vm)
    assert "guest" not in vm["status"]
