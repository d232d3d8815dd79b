"""How busy a machine is at one moment, as its kernel counts it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class MachineLoad:
    """What a kernel does not tell is left out: empty, or None.

    `cpu_s`: seconds since boot of all CPUs together, by mode (user, nice, system, idle, iowait, irq, softirq,
    steal). `averages`: of 1, 5 and 15 minutes. `booted_at`: Unix time. `memory_bytes`: by the names of
    /proc/meminfo. `pressure_s`: seconds since boot, by (cpu, memory or io; some or full).
    """

    cpus: int = 0
    cpu_s: Mapping[str, float] = field(default_factory=dict)
    averages: tuple[float, float, float] | None = None
    booted_at: float | None = None
    memory_bytes: Mapping[str, int] = field(default_factory=dict)
    pressure_s: Mapping[tuple[str, str], float] = field(default_factory=dict)
    oom_kills: int | None = None
