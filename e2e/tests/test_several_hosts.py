"""Several hosts of one cluster. While its tests run, an auditor looks whether any VM runs twice."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from quantix_api.conditions import condition_of
from quantix_lab.guest_console import guest_console
from quantix_lab.lab import Lab
from quantix_lab.machine import INTERNET
from quantix_lab.machine_view import SHARED, MachineView, Manifest
from quantix_lab.vm_manifests import ipv4, small_vm

PAIR = {"app": "pair"}

pytestmark = pytest.mark.usefixtures("audited")


@pytest.fixture
def cluster(lab: Lab) -> MachineView:
    """The cluster as its first host shows it."""
    return MachineView(lab.first)


@pytest.fixture
def pair(cluster: MachineView) -> tuple[Manifest, Manifest]:
    """Two VMs that may not be on one host, from the image that was sent to h1; they stay for other tests."""
    apart: dict[str, Any] = {"antiAffinity": [{"vmSelector": PAIR}]}
    for name in ("left", "right"):
        vm = small_vm(name, placement=apart, readiness={"tcpPort": 22}, gracePeriodSeconds=0)
        vm["metadata"]["labels"] = PAIR
        cluster.apply(vm)
    left, right = (cluster.wait_ready(name, reason="Running", timeout_s=90) for name in ("left", "right"))
    return left, right


def host_of(vm: Manifest) -> str:
    host: str = vm["status"]["assignment"]["host"]
    return host


def test_an_image_that_was_sent_to_one_host_runs_on_others(
    lab: Lab, cluster: MachineView, pair: tuple[Manifest, Manifest]
) -> None:
    hosts = [host for host in lab.hosts if host.name in {host_of(vm) for vm in pair}]
    assert len(hosts) == 2
    image = cluster.get("image", "tiny", SHARED)
    assert (image["status"]["host"], condition_of(image)["reason"]) == ("h1", "Verified")
    copies = [host.layout.local_pool / "images" / image["metadata"]["uid"] for host in (lab.first, hosts[1])]
    first, second = (copy.read_bytes() for copy in copies)
    assert first == second
    assert len({copy.stat().st_ino for copy in copies}) == 2


def test_what_a_loss_would_mean_is_said_before_it_happens(lab: Lab, pair: tuple[Manifest, Manifest]) -> None:
    lost = host_of(pair[0])
    said = lab.first.qx("plan", "host-loss", lost, "-o", "json", check=False)
    assert said.returncode == 3, said.stderr
    plan = json.loads(said.stdout)
    reasons = {item["name"]: item["reason"] for item in plan["misfits"]}
    assert (plan["host"], reasons[pair[0]["metadata"]["name"]]) == (lost, "LocalStorage")


def test_guests_on_two_hosts_reach_each_other(lab: Lab, pair: tuple[Manifest, Manifest]) -> None:
    for vm, other in (pair, pair[::-1]):
        with guest_console(lab.first, vm["metadata"]["name"]) as console:
            # the first packet finds no way yet in the switches and waits, or is lost
            said = console.ask(f"ping -c 1 -W 5 {ipv4(other)} >/dev/null; ping -c 3 -W 5 {ipv4(other)}")
            assert " 0% packet loss" in said, said
            asked = f"printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 9 {ipv4(other)} 80"
            said = console.ask(f"{asked} | grep -o 'hostname=[a-z]*'")
            assert said.endswith(f"hostname={other['metadata']['name']}"), said


def test_guests_reach_the_world_and_no_host(
    lab: Lab, cluster: MachineView, pair: tuple[Manifest, Manifest]
) -> None:
    """Each by its own host: as far as a packet is forwarded there, it has the address of that host."""
    told = [cluster.get("host", host.name)["status"]["addresses"] for host in lab.hosts]
    central = told[0]["api"].rpartition(":")[0]
    doors = [tuple(each["api"].rsplit(":", 1)) for each in told] + [(central, "6443"), (central, "6642")]
    with lab.first.serving(Path("/usr/share/ovn")):
        for vm in pair:
            with guest_console(lab.first, vm["metadata"]["name"]) as console:
                assert console.ask(f"nc -w 9 {INTERNET} 8000 </dev/null; echo got $?").endswith("got 0")
                for address, port in doors:
                    said = console.ask(f"nc -w 2 {address} {port} </dev/null; echo got $?")
                    assert said.endswith("got 1"), (vm["metadata"]["name"], address, port, said)
