"""`make bench-writes`: how often the platform writes a VM and its Volume until it runs.

Counted by the API server's own metrics (apiserver_request_total), the users' own writes taken off.
"""

from __future__ import annotations

import re
import time
from collections import Counter

from quantix_lab.bench.figures import at_most, report, told
from quantix_lab.bench.guests import bench_machine, bench_vm, delete, start_by_apply
from quantix_lab.bench.interruption import as_interrupt
from quantix_lab.bench.progress import step
from quantix_lab.machine_view import MachineView

VMS = 5
# what is written once all is said would come within it
SETTLE_S = 5.0
_WRITES = frozenset({"POST", "PUT", "PATCH", "APPLY"})
_SAMPLE = re.compile(r"^apiserver_request_total\{(?P<labels>[^}]*)\} (?P<value>\S+)$", re.MULTILINE)
_LABEL = re.compile(r'(\w+)="([^"]*)"')


def main() -> None:
    """On a machine of its own."""
    with as_interrupt(), bench_machine() as view:
        measure_writes(view)


def measure_writes(view: MachineView) -> None:
    """Start VMs one after the other, and count."""
    step(f"writes: {VMS} VMs, one after the other")
    guests = []
    before = counted(view)
    for number in range(VMS):
        vm = bench_vm(f"written-{number}")
        guests += start_by_apply(view, [vm])[1]
        view.wait_ready(f"written-{number}", reason="Running")
    time.sleep(SETTLE_S)
    spent = counted(view) - before
    delete(view, guests)
    # the user's apply of each is one of them
    vm_writes = spent["virtualmachines"] / VMS - 1
    figures = [
        at_most("writes of a VirtualMachine until it runs", vm_writes, "", 3),
        at_most("writes of its new Volume", spent["volumes"] / VMS, "", 2),
        told("events about both", spent["events"] / VMS, ""),
    ]
    report("writes", figures, f"mean of {VMS} VMs, by apiserver_request_total, without the user's apply")


def counted(view: MachineView) -> Counter[str]:
    """Successful writes so far, by the resource."""
    return parse_writes(view.machine.kubectl("get", "--raw", "/metrics").stdout)


def parse_writes(metrics: str) -> Counter[str]:
    """Resource → writes that succeeded, of Prometheus' text format."""
    found: Counter[str] = Counter()
    for sample in _SAMPLE.finditer(metrics):
        labels = dict(_LABEL.findall(sample["labels"]))
        done = labels.get("code", "").startswith("2") and not labels.get("dry_run")
        if done and labels.get("verb") in _WRITES:
            found[labels.get("resource", "")] += int(float(sample["value"]))
    return found


if __name__ == "__main__":
    main()
