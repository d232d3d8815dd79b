"""Where a guest's threads run and its memory lies, as the kernel tells it, on real libvirt and QEMU."""

from __future__ import annotations

import os
import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from quantix_hostd.clients.huge_pages import HugePages
from quantix_hostd.clients.machine import Machine
from quantix_hostd.domainxml.spec import NumaNode
from quantix_hostd.facts.cpu_lists import parse_cpus
from quantix_lab.libvirt_host import LibvirtHost
from quantix_lab.libvirt_world import libvirt_world
from quantix_lab.vm_world import VmHandle, VmWorld

_PAGES = 16


@dataclass
class Bench:
    world: VmWorld
    host: LibvirtHost

    def affinities(self, vm: VmHandle) -> dict[str, set[int]]:
        """The CPUs of each thread of its QEMU, by the thread's name."""
        (pid,) = self.host.qemu_pids(vm.domain)
        tasks = Path(f"/proc/{pid}/task").iterdir()
        return {(task / "comm").read_text().strip(): os.sched_getaffinity(int(task.name)) for task in tasks}


@pytest.fixture
async def bench(libvirt_host: LibvirtHost) -> AsyncIterator[Bench]:
    found = Machine().read().numa
    nodes = tuple(NumaNode(node.id, parse_cpus(node.cpus), node.memory_bytes) for node in found)
    async with libvirt_world(libvirt_host, nodes=nodes) as (world, _):
        yield Bench(world, libvirt_host)


def add(bench: Bench, name: str, **spec: object) -> VmHandle:
    return bench.world.add_vm(name, disks={"root": bench.world.add_volume(f"{name}-root")}, **spec)


async def test_a_vcpu_has_its_cpu_to_itself_and_all_else_runs_beside_it(bench: Bench) -> None:
    whole = os.sched_getaffinity(0)
    common = add(bench, "common")
    await common.reconcile()
    own = add(bench, "own", cpu={"cores": 1, "dedicated": True, "numa": "Strict"})
    await own.reconcile()
    threads = bench.affinities(own)
    (cpu,) = threads.pop("CPU 0/TCG")
    assert all(affinity == whole - {cpu} for affinity in threads.values())
    await common.reconcile()
    assert all(affinity == whole - {cpu} for affinity in bench.affinities(common).values())
    assert not common.status["runtime"].get("pendingChanges")
    own.change("spec", "powerState", value="Stopped")
    own.change("spec", "gracePeriodSeconds", value=0)
    for _ in range(3):
        await own.reconcile()
    await common.reconcile()
    assert all(affinity == whole for affinity in bench.affinities(common).values())


@pytest.fixture
def huge_pages() -> Iterator[HugePages]:
    """Of the machine, with as many more as the test wants."""
    pages, path = HugePages(), Path("/proc/sys/vm/nr_hugepages")
    before = int(path.read_text())
    pages.set_aside("2Mi", before + _PAGES)
    assert pages.there()["2Mi"] == before + _PAGES
    yield pages
    path.write_text(str(before))


async def test_memory_comes_from_the_pages_that_the_host_set_aside(
    bench: Bench, huge_pages: HugePages
) -> None:
    before = unpromised()
    vm = add(bench, "huge", memory={"size": f"{2 * _PAGES}Mi", "hugepages": "2Mi"})
    await vm.reconcile()
    assert vm.status["phase"] == "Running"
    assert before - unpromised() == _PAGES


def unpromised() -> int:
    """Huge pages that nobody has or may still take."""
    found = dict(re.findall(r"HugePages_(\w+):\s+(\d+)", Path("/proc/meminfo").read_text()))
    return int(found["Free"]) - int(found["Rsvd"])
