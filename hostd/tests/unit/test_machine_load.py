"""How busy a machine is, as its /proc tells it."""

from __future__ import annotations

import os
from pathlib import Path

from quantix_hostd.clients.machine_load import read_machine_load
from quantix_hostd.facts.load import MachineLoad

_FILES = {
    "stat": "cpu  300 10 200 4000 50 0 7 3 90 0\ncpu0 150 5 100 2000 25 0 4 2 0 0\n"
    "cpu1 150 5 100 2000 25 0 3 1 0 0\nintr 5\nbtime 1795819353\nprocesses 12\n",
    "loadavg": "2.25 1.30 1.47 3/512 4711\n",
    "meminfo": "MemTotal:       16384 kB\nMemAvailable:    8192 kB\nSwapTotal:           0 kB\n"
    "HugePages_Total: 7\n",
    "vmstat": "nr_free_pages 12\noom_kill 3\n",
    "pressure/memory": "some avg10=0.10 avg60=0.00 avg300=0.00 total=2500000\n"
    "full avg10=0.00 avg60=0.00 avg300=0.00 total=500000\n",
}


def machine(root: Path, *names: str) -> MachineLoad:
    for name in names:
        path = root / "proc" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(_FILES[name])
    return read_machine_load(root)


def test_everything_that_the_kernel_tells_is_read(tmp_path: Path) -> None:
    load = machine(tmp_path, *_FILES)
    ticks = os.sysconf("SC_CLK_TCK")
    assert load.cpus == 2
    assert load.cpu_s["user"] == 300 / ticks
    assert load.cpu_s["steal"] == 3 / ticks
    assert "guest" not in load.cpu_s
    assert load.averages == (2.25, 1.30, 1.47)
    assert load.booted_at == 1795819353
    assert load.memory_bytes["MemAvailable"] == 8192 * 1024
    assert load.oom_kills == 3
    assert load.pressure_s == {("memory", "some"): 2.5, ("memory", "full"): 0.5}


def test_what_a_kernel_does_not_tell_is_left_out(tmp_path: Path) -> None:
    assert machine(tmp_path) == MachineLoad()


def test_this_machine_can_be_read() -> None:
    load = read_machine_load()
    assert load.cpus >= 1
    assert 0 < load.memory_bytes["MemAvailable"] < load.memory_bytes["MemTotal"]
