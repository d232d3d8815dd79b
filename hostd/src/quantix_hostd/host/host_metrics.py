"""Metrics of this host and its pools at one moment. Pure; what is not known is left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from quantix_api import metric_table_host as table
from quantix_api.metric import Metric
from quantix_client.instruments import Family, filled
from quantix_hostd.facts.load import MachineLoad
from quantix_hostd.facts.machine import Accelerator
from quantix_hostd.host.model import PoolFacts

_MEMORY = {
    "MemTotal": table.HOST_MEMORY_CAPACITY,
    "MemAvailable": table.HOST_MEMORY_AVAILABLE,
    "SwapTotal": table.HOST_SWAP_CAPACITY,
    "SwapFree": table.HOST_SWAP_FREE,
}


@dataclass(frozen=True)
class HostMoment:
    """`versions` by the names of `Host.status.versions`; `states`: of the domains that run, None when libvirt
    does not tell; `orphan_volume_pools`: in which pool each volume lies of which the API has none.
    """

    name: str
    accelerator: Accelerator
    load: MachineLoad
    versions: Mapping[str, str] = field(default_factory=dict)
    pools: Sequence[PoolFacts] = ()
    states: Sequence[str] | None = None
    orphan_guests: int = 0
    orphan_volume_pools: Sequence[str] = ()


def host_families(moment: HostMoment) -> Iterator[Family]:
    """All metrics of the host."""
    accelerator = "kvm" if moment.accelerator is Accelerator.KVM else "tcg"
    info = (moment.name, accelerator, moment.versions.get("kernel", ""), moment.versions.get("qemu", ""))
    yield filled(table.HOST_INFO, [(info, 1.0)])
    yield from _load(moment.load)
    if moment.states is not None:
        # running is always there, so that a host without guests has none rather than nothing
        states = Counter({"running": 0})
        states.update(moment.states)
        yield filled(table.HOST_VMS, [((state,), count) for state, count in sorted(states.items())])
    yield _single(table.HOST_ORPHANS, moment.orphan_guests)
    usable = [pool for pool in moment.pools if not pool.problem]
    yield filled(table.POOL_USABLE, [((pool.name,), float(not pool.problem)) for pool in moment.pools])
    yield filled(table.POOL_CAPACITY, [((pool.name,), pool.capacity_bytes) for pool in usable])
    yield filled(table.POOL_AVAILABLE, [((pool.name,), pool.available_bytes) for pool in usable])
    orphans = sorted(Counter(moment.orphan_volume_pools).items())
    yield filled(table.POOL_ORPHAN_VOLUMES, [((pool,), count) for pool, count in orphans])


def _load(load: MachineLoad) -> Iterator[Family]:
    if load.cpus:
        yield _single(table.HOST_CPUS, load.cpus)
    yield filled(table.HOST_CPU_SECONDS, [((mode,), seconds) for mode, seconds in load.cpu_s.items()])
    if load.averages is not None:
        metrics = (table.HOST_LOAD1, table.HOST_LOAD5, table.HOST_LOAD15)
        yield from (_single(metric, value) for metric, value in zip(metrics, load.averages, strict=True))
    if load.booted_at is not None:
        yield _single(table.HOST_BOOT_TIME, load.booted_at)
    yield filled(table.HOST_PRESSURE, load.pressure_s.items())
    for name, metric in _MEMORY.items():
        if name in load.memory_bytes:
            yield _single(metric, load.memory_bytes[name])
    if load.oom_kills is not None:
        yield _single(table.HOST_OOM_KILLS, load.oom_kills)


def _single(metric: Metric, value: float) -> Family:
    return filled(metric, [((), value)])
