"""Reads how busy this machine is from /proc below `root` (a test makes its own).

Used for each scrape of metrics. Sources: proc(5); PSI: the kernel's Documentation/accounting/psi.rst.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from quantix_hostd.facts.load import MachineLoad

_MODES = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal")
_CPU = re.compile(r"^cpu\d+ ", re.MULTILINE)
_BOOT = re.compile(r"^btime (\d+)$", re.MULTILINE)
_MEMORY = re.compile(r"^(\w+):\s+(\d+) kB$", re.MULTILINE)
_OOM_KILLS = re.compile(r"^oom_kill (\d+)$", re.MULTILINE)
_PRESSURE = re.compile(r"^(some|full) .*total=(\d+)$", re.MULTILINE)
_AVERAGES = re.compile(r"^([\d.]+) ([\d.]+) ([\d.]+) ")


def read_machine_load(root: Path = Path("/")) -> MachineLoad:
    """Blocks for well under a millisecond, and raises nothing."""
    stat, boot, kills = _text(root, "stat"), None, None
    if found := _BOOT.search(stat):
        boot = float(found[1])
    if found := _OOM_KILLS.search(_text(root, "vmstat")):
        kills = int(found[1])
    averages = _AVERAGES.match(_text(root, "loadavg"))
    return MachineLoad(
        cpus=len(_CPU.findall(stat)),
        cpu_s=_cpu_seconds(stat),
        averages=(float(averages[1]), float(averages[2]), float(averages[3])) if averages else None,
        booted_at=boot,
        memory_bytes={name: int(kib) * 1024 for name, kib in _MEMORY.findall(_text(root, "meminfo"))},
        pressure_s={
            (resource, share): int(microseconds) / 1e6
            for resource in ("cpu", "memory", "io")
            for share, microseconds in _PRESSURE.findall(_text(root, f"pressure/{resource}"))
        },
        oom_kills=kills,
    )


def _cpu_seconds(stat: str) -> dict[str, float]:
    """The first line of /proc/stat; time of guests is in user and nice already."""
    first = stat.partition("\n")[0].split()
    if first[:1] != ["cpu"]:
        return {}
    ticks_a_second = os.sysconf("SC_CLK_TCK")
    return {mode: int(ticks) / ticks_a_second for mode, ticks in zip(_MODES, first[1:], strict=False)}


def _text(root: Path, name: str) -> str:
    try:
        return (root / "proc" / name).read_text()
    except OSError:
        # an older kernel, or one without PSI
        return ""
