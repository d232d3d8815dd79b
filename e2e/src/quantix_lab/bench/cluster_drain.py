"""How long a host takes to be empty of ten VMs, beside ten bare migrations one after the other."""

from __future__ import annotations

import time

from quantix_lab.bench.figures import Figure, told
from quantix_lab.bench.guests import TIMEOUT_S, bench_vm
from quantix_lab.bench.progress import step
from quantix_lab.guest_console import wait_booted
from quantix_lab.lab import Lab
from quantix_lab.machine_view import MachineView

VMS = 10
_DRAIN_S = 600.0


def measure_drain(lab: Lab, bare_move_s: float) -> list[Figure]:
    """`qx host drain` of the second host; `bare_move_s` is what one migration takes by hand."""
    view, host = MachineView(lab.first), lab.hosts[1]
    disks = [{"name": "root", "image": "shared/tiny", "pool": "fast", "reclaimPolicy": "Delete"}]
    placement = {"hostSelector": {"quantix.io/host": host.name}}
    names = [f"drained-{number}" for number in range(VMS)]
    step(f"drain: {VMS} guests on {host.name}")
    view.apply(*(bench_vm(name, disks=disks, placement=placement, gracePeriodSeconds=0) for name in names))
    for name in names:
        # ten that boot have all cores to themselves
        wait_booted(view, name, on=MachineView(host), timeout_s=TIMEOUT_S)
        view.patch("virtualmachine", name, {"spec": {"placement": {"hostSelector": None}}})
    step(f"drain: qx host drain {host.name}")
    began_s = time.monotonic()
    lab.first.qx("host", "drain", host.name, timeout_s=_DRAIN_S)
    took_s = time.monotonic() - began_s
    lab.first.qx("host", "resume", host.name)
    view.machine.kubectl("delete", "vm", *names, "--wait=true", timeout_s=TIMEOUT_S)
    return [
        told(f"drain of {VMS} VMs", took_s, "s"),
        told(f"drain of {VMS} VMs, to as many bare migrations in a row", took_s / (VMS * bare_move_s), "x"),
    ]
