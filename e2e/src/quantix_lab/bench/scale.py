"""`make bench-scale`: how long many VMs take from apply to Running, with libvirt's test driver as hypervisor.

Control plane, operator and hostd are the real processes, and so are the disks: blank ones, made by qemu-img.
No QEMU runs: libvirt's own test driver plays it inside hostd. The VMs have no NIC, since a test driver has no
tap for Open vSwitch to wire. Each size has a cluster of its own.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from quantix_api.conditions import condition_of
from quantix_api.resources import VIRTUAL_MACHINES
from quantix_client.api import ApiClient
from quantix_client.reflector import Change, Reflector
from quantix_lab.bench.figures import Figure, at_least, at_most, percentile, report, told
from quantix_lab.bench.interruption import as_interrupt
from quantix_lab.bench.processes import cpu_s
from quantix_lab.bench.progress import step
from quantix_lab.host_cluster import HostCluster, host_cluster
from quantix_lab.host_objects import apply
from quantix_lab.vm_manifests import small_vm

SIZES = (1, 100, 1000)
GOALS_S = {100: 3.0}
NAMESPACE = "default"
APPLIES_AT_ONCE = 16
TIMEOUT_S = 600.0
_TEST_DRIVER = "test:///default"


def main() -> None:
    """All that this target measures."""
    with as_interrupt():
        measure_scale()


def measure_scale() -> None:
    """Every size, and the table."""
    figures: list[Figure] = []
    for size in SIZES:
        step(f"scale: a cluster for {size:,} VMs")
        with driven_cluster() as cluster:
            figures += _measure(cluster, size)
    note = "one disk, no NIC; from the first apply of all; control plane, operator, hostd real, no QEMU"
    report("scale", figures, note)


@contextmanager
def driven_cluster() -> Iterator[HostCluster]:
    """A cluster whose one host has a pool and libvirt's test driver, and has been used once."""
    with host_cluster(plane_environment={}) as cluster:
        cluster.give_token("h1")
        _start(cluster, "hostd")
        cluster.eventually(lambda: condition_of(cluster.get("host", "h1")).get("status") == "True")
        pool = {"dir": {"path": str(cluster.layout.local_pool)}, "default": True}
        apply(cluster, {"kind": "StoragePool", "metadata": {"name": "local"}, "spec": pool})
        cluster.eventually(lambda: condition_of(cluster.get("storagepool", "local")).get("status") == "True")
        # nothing of the VMs is real, so the host need not have their memory
        overcommit = json.dumps({"spec": {"overcommit": {"memoryPercent": 1000}}})
        cluster.kubectl("patch", "host", "h1", "--type=merge", "-p", overcommit)
        asyncio.run(start_all(cluster, ["first"]))
        yield cluster


def _measure(cluster: HostCluster, size: int) -> list[Figure]:
    pids = {name: process.pid for name, process in cluster.processes.items()}
    pids["control plane"] = cluster.control_plane.pid
    before = {name: cpu_s(pid) for name, pid in pids.items()}
    step(f"scale: apply of {size:,}")
    ended: list[str] = []
    took_s = asyncio.run(start_all(cluster, [f"vm-{number:04d}" for number in range(size)], ended))
    spent = {name: cpu_s(pid) - before[name] for name, pid in pids.items() if name not in ended}
    return [
        *figures_of(size, took_s),
        at_most(f"{size:,} VMs, parts that ended and began anew", len(ended), "", 0),
        *(told(f"{size:,} VMs, CPU of {name} for each", spent[name] / size * 1000, "ms") for name in spent),
    ]


def figures_of(size: int, took_s: Sequence[float]) -> list[Figure]:
    """`took_s`: of each that runs. One that did not run in time counts as the time that was given."""
    all_s = [*took_s, *[TIMEOUT_S] * (size - len(took_s))]
    figures = [told(f"{size:,} VMs, last Running", max(all_s), "s")]
    if len(took_s) < size:
        figures.append(at_least(f"{size:,} VMs, Running within {TIMEOUT_S:.0f} s", len(took_s), "", size))
    if size > 1:
        what, most_s = f"{size:,} VMs, 95 % Running", percentile(all_s, 0.95)
        goal_s = GOALS_S.get(size)
        figures.append(told(what, most_s, "s") if goal_s is None else at_most(what, most_s, "s", goal_s))
        figures.append(told(f"{size:,} VMs, median Running", percentile(all_s, 0.5), "s"))
    return figures


async def start_all(
    cluster: HostCluster, names: Sequence[str], ended: list[str] | None = None
) -> list[float]:
    """Apply VMs, some at once, and wait: seconds from the first apply to Running, of those that came so far.

    An operator or hostd that ends, as a leader does that lost its lease, begins anew as its supervisor would
    have it, and is named in `ended`.
    """
    run = _Running(frozenset(names))
    gate = asyncio.Semaphore(APPLIES_AT_ONCE)
    kubeconfig = cluster.control_plane.admin_kubeconfig
    async with ApiClient.from_kubeconfig(kubeconfig, user_agent="bench", timeout_s=60.0) as api:

        async def apply(name: str) -> None:
            async with gate:
                await api.apply(VIRTUAL_MACHINES, blank_vm(name), manager="bench")

        reflector = Reflector(api, VIRTUAL_MACHINES, namespace=NAMESPACE, on_change=run.look)
        watching = asyncio.create_task(reflector.run())
        await reflector.synced.wait()
        began_s = time.monotonic()
        try:
            async with asyncio.timeout(TIMEOUT_S):
                await asyncio.gather(*(apply(name) for name in names))
                while not run.complete():
                    _tend(cluster, [] if ended is None else ended)
                    await asyncio.sleep(0.05)
        except TimeoutError:
            step(f"scale: {len(names) - len(run.since_s):,} do not run after {TIMEOUT_S:.0f} s")
        finally:
            watching.cancel()
    return [since_s - began_s for since_s in run.since_s.values()]


@dataclass
class _Running:
    """Since when each of the wanted VMs is told to run."""

    wanted: frozenset[str]
    since_s: dict[str, float] = field(default_factory=dict)

    def look(self, change: Change) -> None:
        name, ready = change.object["metadata"]["name"], condition_of(change.object)
        if name in self.wanted and ready.get("reason") == "Running" and ready.get("status") == "True":
            self.since_s.setdefault(name, time.monotonic())

    def complete(self) -> bool:
        return len(self.since_s) == len(self.wanted)


def _tend(cluster: HostCluster, ended: list[str]) -> None:
    for name in [name for name, process in cluster.processes.items() if process.poll() is not None]:
        step(f"scale: {name} ended and begins anew")
        ended.append(name)
        cluster.stop(name)
        _start(cluster, name)


def _start(cluster: HostCluster, name: str) -> None:
    if name == "operator":
        cluster.start_operator()
    else:
        cluster.start_hostd("h1", "--libvirt", _TEST_DRIVER)


def blank_vm(name: str) -> dict[str, Any]:
    """A VM with a blank disk of its own and no NIC, for which a host needs next to nothing."""
    # a thousand have to find room in the pool that holds them
    disk = {"name": "root", "size": "16Mi", "reclaimPolicy": "Delete"}
    cpu, memory = {"cores": 1, "reservation": "1m"}, {"size": "16Mi"}
    return small_vm(name, cpu=cpu, memory=memory, disks=[disk], nics=None)


if __name__ == "__main__":
    main()
