"""Live migration by Quantix and by `virsh migrate`: the same domain, disk in Ceph, between the same hosts."""

from __future__ import annotations

from statistics import median

from quantix_lab.bench import bare_moves
from quantix_lab.bench.figures import Figure, at_most, side_by_side
from quantix_lab.bench.guests import SUCCEEDED, TIMEOUT_S, applied, bench_vm
from quantix_lab.bench.progress import step
from quantix_lab.guest_console import wait_booted
from quantix_lab.lab import Lab
from quantix_lab.machine_view import MachineView
from quantix_lab.moving_guest import pinged
from quantix_lab.simulated_host import SimulatedHost
from quantix_lab.vm_manifests import ipv4
from quantix_lab.waiting import eventually

ROUNDS = 6
TOTAL_GOAL, STILL_GOAL = 1.2, 1.05
_NAME = "moved"
_EVERY_S = 0.02
_OPEN = {
    "apiVersion": "quantix.io/v1alpha1",
    "kind": "SecurityGroup",
    "metadata": {"name": "pinged", "namespace": "default"},
    "spec": {"ingress": [{"protocol": "ICMP"}]},
}


def measure_moves(lab: Lab) -> tuple[list[Figure], float]:
    """To the second host and back, first by us, then by hand, while the third host pings; also the seconds
    that one by hand takes.
    """
    view = MachineView(lab.first)
    # the disk stays when the VM goes: what is moved by hand has it next
    disks = [{"name": "root", "image": "shared/tiny", "pool": "fast", "reclaimPolicy": "Retain"}]
    nics = [{"name": "eth0", "network": "shared/default", "securityGroups": ["pinged"]}]
    placement = {"hostSelector": {"quantix.io/host": "h1"}}
    step("migration: a guest")
    view.apply(_OPEN, bench_vm(_NAME, disks=disks, nics=nics, placement=placement, gracePeriodSeconds=0))
    vm = wait_booted(view, _NAME, timeout_s=TIMEOUT_S)
    view.patch("virtualmachine", _NAME, {"spec": {"placement": {"hostSelector": None}}})
    address, hosts = ipv4(vm), lab.hosts[:2]
    _reached(lab.hosts[2], address)
    ours = [_our_move(lab, address, number) for number in range(ROUNDS)]
    bare = bare_moves.bare_domain(lab, hosts[0], vm["metadata"]["uid"])
    view.machine.kubectl("delete", "vm", _NAME, "--wait=true", timeout_s=TIMEOUT_S)
    step("migration: the same by hand")
    with bare_moves.running(lab, hosts, bare):
        _reached(lab.hosts[2], address)
        theirs = [_bare_move(lab, address, bare.name, number) for number in range(ROUNDS)]
    view.machine.kubectl("delete", "volume", f"{_NAME}-root", "--wait=true", timeout_s=TIMEOUT_S)
    total = _compared("total", 0, ours, theirs, TOTAL_GOAL)
    silence = _compared("silence", 1, ours, theirs, STILL_GOAL)
    return [*total, *silence], median(took for took, _ in theirs)


def _compared(
    what: str, place: int, ours: list[tuple[float, float]], theirs: list[tuple[float, float]], goal: float
) -> tuple[Figure, ...]:
    names = (f"migration, {what}", f"migration by virsh, {what}", f"migration, {what}, ratio")
    mine, bare = ([turn[place] for turn in side] for side in (ours, theirs))
    return side_by_side(names, mine, bare, "s", at_most, goal)


def _our_move(lab: Lab, address: str, number: int) -> tuple[float, float]:
    """Seconds from `kubectl apply` to Succeeded, and those without an answer of the guest."""
    source, target = _ends(lab, number)
    step(f"migration: {source.name} to {target.name}, round {number + 1} of {ROUNDS}")
    manifest = {
        "apiVersion": "quantix.io/v1alpha1",
        "kind": "VirtualMachineMigration",
        "metadata": {"name": f"move-{number}", "namespace": "default"},
        "spec": {"virtualMachine": _NAME, "targetHost": target.name},
    }
    with pinged(lab.hosts[2], address, _EVERY_S) as gaps:
        took_s = applied(lab.first, manifest, SUCCEEDED)
    return took_s, gaps[0]


def _bare_move(lab: Lab, address: str, name: str, number: int) -> tuple[float, float]:
    source, target = _ends(lab, number)
    with pinged(lab.hosts[2], address, _EVERY_S) as gaps:
        took_s = bare_moves.move(lab, source, target, name)
    return took_s, gaps[0]


def _ends(lab: Lab, number: int) -> tuple[SimulatedHost, SimulatedHost]:
    first, second, *_ = lab.hosts
    return (second, first) if number % 2 else (first, second)


def _reached(host: SimulatedHost, address: str) -> None:
    ping = ("ping", "-c", "1", "-W", "1", address)
    eventually(f"{address} answers", lambda: host.run(*ping, check=False).returncode == 0, TIMEOUT_S)
