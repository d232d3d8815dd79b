"""`make bench-idle`: what the platform's processes take while 20 guests run and nothing happens."""

from __future__ import annotations

import os
import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from quantix_cli.supervision import leftovers
from quantix_lab.bench.figures import Figure, at_most, report, told
from quantix_lab.bench.guests import Guest, bench_machine, bench_vm, delete, start_by_apply
from quantix_lab.bench.interruption import as_interrupt
from quantix_lab.bench.processes import Spent, spent_by
from quantix_lab.bench.progress import step
from quantix_lab.machine_view import MachineView

VMS = 20
AT_ONCE = 5
"""Guests that boot at a time: emulated ones that share two cores take minutes when all twenty do."""
SETTLE_S = 20.0
MEASURED_S = 30.0
MEMORY_GOALS_MB = {"hostd": 80.0, "operator": 120.0}
ALL_MEMORY_GOAL_MB = 700.0
CPU_GOAL_PERCENT = 1.0
QEMU = "QEMU"


@dataclass(frozen=True)
class Idle:
    """One kind of process over the time measured: MB (10^6 bytes) and percent of the whole machine."""

    rss_mb: float
    pss_mb: float
    cpu_percent: float
    processes: int


def main() -> None:
    """On a machine of its own."""
    with as_interrupt(), bench_machine() as view:
        measure_idle(view)


def measure_idle(view: MachineView) -> None:
    """Start the guests, let them settle, look twice."""
    guests: list[Guest] = []
    for first in range(0, VMS, AT_ONCE):
        step(f"idle: guests {first + 1} to {first + AT_ONCE} of {VMS} start")
        some = [bench_vm(f"idle-{number}") for number in range(first, first + AT_ONCE)]
        guests += start_by_apply(view, some)[1]
    for guest in guests:
        view.wait_ready(guest.name, reason="Running")
    step(f"idle: settles for {SETTLE_S:.0f} s, measured for {MEASURED_S:.0f} s")
    time.sleep(SETTLE_S)
    before, began_s = _look(view), time.monotonic()
    time.sleep(MEASURED_S)
    found = idle_by_name(before, _look(view), time.monotonic() - began_s, os.cpu_count() or 1)
    delete(view, guests)
    report(
        "idle", figures_of(found), f"{VMS} guests for {MEASURED_S:.0f} s; CPU in percent of the whole machine"
    )


def _look(view: MachineView) -> dict[int, tuple[str, Spent]]:
    """Every process of the machine: what it is called, and what it has spent."""
    services = leftovers.find(view.layout.root)
    found = {}
    for pid in view.machine.processes():
        spent = spent_by(pid)
        if spent is not None:
            name = QEMU if spent.command.startswith("qemu-system") else services.get(pid, spent.command)
            found[pid] = (name, spent)
    return found


def idle_by_name(
    before: Mapping[int, tuple[str, Spent]],
    after: Mapping[int, tuple[str, Spent]],
    seconds: float,
    cores: int,
) -> dict[str, Idle]:
    """What processes of a name took together. Of one that is new all counts, of one that went nothing."""
    groups: dict[str, list[int]] = defaultdict(list)
    for pid, (name, _) in after.items():
        groups[name].append(pid)
    return {
        name: Idle(
            rss_mb=sum(after[pid][1].rss_bytes for pid in pids) / 1e6,
            pss_mb=sum(after[pid][1].pss_bytes for pid in pids) / 1e6,
            cpu_percent=100
            * sum(after[pid][1].cpu_s - (before[pid][1].cpu_s if pid in before else 0.0) for pid in pids)
            / (seconds * cores),
            processes=len(pids),
        )
        for name, pids in groups.items()
    }


def figures_of(found: Mapping[str, Idle]) -> list[Figure]:
    """Each kind of process, what is not QEMU together, and QEMU."""
    figures = []
    ours = {name: idle for name, idle in found.items() if name != QEMU}
    for name, idle in sorted(ours.items(), key=lambda item: -item[1].rss_mb):
        shown = f"{name} ({idle.processes})" if idle.processes > 1 else name
        goal = MEMORY_GOALS_MB.get(name)
        memory = f"{shown}, memory"
        figures.append(
            told(memory, idle.rss_mb, "MB") if goal is None else at_most(memory, idle.rss_mb, "MB", goal)
        )
        figures.append(told(f"{shown}, CPU", idle.cpu_percent, "%"))
    rss_mb, pss_mb = sum(idle.rss_mb for idle in ours.values()), sum(idle.pss_mb for idle in ours.values())
    cpu = sum(idle.cpu_percent for idle in ours.values())
    figures += [
        at_most("all but QEMU, memory (RSS)", rss_mb, "MB", ALL_MEMORY_GOAL_MB),
        told("all but QEMU, memory (PSS: shared pages once)", pss_mb, "MB"),
        at_most("all but QEMU, CPU", cpu, "%", CPU_GOAL_PERCENT),
    ]
    if QEMU in found:
        figures.append(told(f"{QEMU} ({found[QEMU].processes}), memory", found[QEMU].rss_mb, "MB"))
        figures.append(told(f"{QEMU} ({found[QEMU].processes}), CPU", found[QEMU].cpu_percent, "%"))
    return figures


if __name__ == "__main__":
    main()
