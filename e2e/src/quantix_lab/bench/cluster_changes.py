"""How soon a change of a security group is in force on all hosts: from `kubectl patch` to a first connection
to a guest on each.
"""

from __future__ import annotations

import json
import sys
from statistics import median

from quantix_lab.bench.figures import Figure, spread, told
from quantix_lab.bench.guests import TIMED, TIMEOUT_S, bench_vm
from quantix_lab.bench.progress import step
from quantix_lab.guest_console import wait_booted
from quantix_lab.lab import Lab
from quantix_lab.machine_view import MachineView
from quantix_lab.vm_manifests import ipv4

ROUNDS = 8
_GROUP = "opened"


def measure_changes(lab: Lab) -> list[Figure]:
    """Port after port of one guest on each host."""
    view = MachineView(lab.first)
    view.apply(
        {
            "apiVersion": "quantix.io/v1alpha1",
            "kind": "SecurityGroup",
            "metadata": {"name": _GROUP, "namespace": "default"},
            "spec": {"ingress": []},
        }
    )
    nics = [{"name": "eth0", "network": "shared/default", "securityGroups": [_GROUP]}]
    names = [f"on-{host.name}" for host in lab.hosts]
    step("networks: a guest on each host")
    for host, name in zip(lab.hosts, names, strict=True):
        placement = {"hostSelector": {"quantix.io/host": host.name}}
        view.apply(bench_vm(name, nics=nics, placement=placement, gracePeriodSeconds=0))
    addresses = [
        ipv4(wait_booted(view, name, on=MachineView(host), timeout_s=TIMEOUT_S))
        for host, name in zip(lab.hosts, names, strict=True)
    ]
    first, last = zip(*(_change(lab, addresses, 7000 + number) for number in range(ROUNDS)), strict=True)
    view.machine.kubectl("delete", "vm", *names, "--wait=true", timeout_s=TIMEOUT_S)
    return [
        told(
            "rule of a security group → in force on the first host", median(first), "s", noise=spread(first)
        ),
        told("rule of a security group → in force on all hosts", median(last), "s", noise=spread(last)),
    ]


def _change(lab: Lab, addresses: list[str], port: int) -> tuple[float, float]:
    """Seconds until the first and until the last guest is reached at this port."""
    step(f"networks: port {port} is opened")
    places = [f"{address}:{port}" for address in addresses]
    knocking = lab.first.start(sys.executable, "-m", "quantix_lab.bench.first_connections", *places)
    assert knocking.stdout is not None
    assert knocking.stdout.readline() == "trying\n"
    rule = {"protocol": "TCP", "ports": [{"port": port}]}
    patch = json.dumps({"spec": {"ingress": [rule]}})
    command = lab.first.kubectl_argv("patch", "securitygroup", _GROUP, "--type=merge", "-p", patch)
    began_s = float(lab.first.run("sh", "-ec", TIMED, "sh", *command).stdout.split()[0])
    said, _ = knocking.communicate(timeout=TIMEOUT_S)
    times = [float(line.split()[1]) - began_s for line in said.splitlines()]
    assert len(times) == len(places), said
    return min(times), max(times)
