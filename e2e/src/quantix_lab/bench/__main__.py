"""`make bench`: every benchmark in one run, alone on a machine; 45 minutes on 2 cores without KVM."""

from __future__ import annotations

from quantix_lab.bench.guests import bench_machine
from quantix_lab.bench.idle import measure_idle
from quantix_lab.bench.interruption import as_interrupt
from quantix_lab.bench.scale import measure_scale
from quantix_lab.bench.start import measure_start
from quantix_lab.bench.throughput import measure_throughput
from quantix_lab.bench.writes import measure_writes


def main() -> None:
    """One after the other: those with real guests share a machine."""
    with as_interrupt():
        with bench_machine() as view:
            measure_start(view)
            measure_writes(view)
            measure_throughput(view)
            measure_idle(view)
        measure_scale()


if __name__ == "__main__":
    main()
