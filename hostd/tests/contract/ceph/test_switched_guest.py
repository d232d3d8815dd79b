"""A real guest whose memory never arrives by copying alone goes on at its target, and one host has it
whatever dies then: real libvirt, QEMU and Ceph (docs/adr/0052).
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import pytest

from quantix_hostd.claims import Holder
from quantix_hostd.clients.kernel_limits import FAULTS
from quantix_hostd.facts.domain import DomainState
from quantix_hostd.migration.switched import HOLD_S
from quantix_lab.auditor import Auditor
from quantix_lab.ceph_cluster import CephCluster
from quantix_lab.libvirt_host import LibvirtHost
from quantix_lab.two_hosts import SOURCE, TARGET, TwoHosts, two_hosts, two_libvirts
from quantix_lab.waiting import eventually_async

HERE, THERE = Holder(SOURCE, 1), Holder(TARGET, 2)
Deed = Callable[[TwoHosts], Awaitable[None]]


@pytest.fixture(scope="module")
def libvirts() -> Iterator[tuple[LibvirtHost, LibvirtHost]]:
    before = FAULTS.read_text()
    with two_libvirts() as both:
        yield both
    FAULTS.write_text(before)


@pytest.fixture
async def hosts(
    libvirts: tuple[LibvirtHost, LibvirtHost], ceph_cluster: CephCluster
) -> AsyncIterator[TwoHosts]:
    with Auditor() as auditor:
        async with two_hosts(libvirts, ceph_cluster) as made:
            await eventually_async("the guest to be at it", lambda: _sweeps(made, SOURCE), 60, 0.1)
            yield made
            auditor.check(made.vm.uid)


async def _sweeps(hosts: TwoHosts, host: str) -> bool:
    return "." in hosts.said(host)


async def _ends_up(hosts: TwoHosts, holder: Holder) -> None:
    """It runs where the claim says, and nothing of it is on the other host."""
    here = holder.host == SOURCE

    def alone() -> bool:
        source, target = hosts.qemus()
        return (len(source), len(target)) == ((1, 0) if here else (0, 1))

    await hosts.until(f"{holder.host} alone to have it", alone)
    assert hosts.claim().holder == holder
    said = len(hosts.said(holder.host))
    await eventually_async("it to go on", lambda: _says_more(hosts, holder.host, said), 60, 0.1)
    assert await hosts.state(holder.host) is DomainState.RUNNING
    assert "E" not in hosts.said(holder.host), "a page was not what it had been"


async def _says_more(hosts: TwoHosts, host: str, than: int) -> bool:
    await hosts.look()
    return len(hosts.said(host)) > than


async def _runs(hosts: TwoHosts, host: str) -> bool:
    return await hosts.state(host) is DomainState.RUNNING


def _handed(hosts: TwoHosts) -> bool:
    return hosts.told("source").get("outcome") == "HandedOver"


async def test_it_goes_on_at_its_target_with_its_memory_whole(hosts: TwoHosts) -> None:
    await hosts.until("the hand-over", lambda: _handed(hosts))
    assert hosts.went == [True]
    # that it may go on is said, and done a moment later
    await eventually_async("it to go on", lambda: _runs(hosts, TARGET))
    source = hosts.told("source")
    assert (source["mode"], source["postCopy"]) == ("PostCopy", "Possible")
    assert "outcome" not in hosts.told("target"), "its memory cannot be there yet"
    await hosts.until("its memory", lambda: hosts.told("target").get("outcome") == "Running")
    sys.stdout.write(f"stood still for {hosts.told('source')['downtimeMilliseconds']} ms\n")
    await _ends_up(hosts, THERE)


async def test_a_target_that_hears_nothing_of_the_claims_leaves_it_paused_and_it_moves_all_the_same(
    hosts: TwoHosts,
) -> None:
    async def waits_in_vain() -> None:
        hosts.target.skipped_s += HOLD_S + 1
        await eventually_async("libvirt to be answered", lambda: hosts.went != [])

    hosts.way.happens = waits_in_vain
    await hosts.until("the hand-over", lambda: _handed(hosts))
    assert hosts.went == [False]
    await _ends_up(hosts, THERE)


async def _kill(hosts: TwoHosts, side: int) -> None:
    for pid in hosts.qemus()[side]:
        os.kill(pid, signal.SIGKILL)


async def _source_qemu(hosts: TwoHosts) -> None:
    """libvirt 9.0 then keeps the job of its domain, which cannot be undefined until libvirtd starts anew."""
    await _kill(hosts, 0)
    await eventually_async("its end to be heard", lambda: _is_off(hosts))
    await _libvirtd(hosts, 0)


async def _is_off(hosts: TwoHosts) -> bool:
    return await hosts.state(SOURCE) is None


async def _target_qemu(hosts: TwoHosts) -> None:
    await _kill(hosts, 1)


async def _source_hostd(hosts: TwoHosts) -> None:
    await hosts.kill_source_hostd()


async def _target_hostd(hosts: TwoHosts) -> None:
    await hosts.kill_way()
    hosts.restart_target()


async def _libvirtd(hosts: TwoHosts, side: int) -> None:
    await asyncio.to_thread(hosts.libvirts[side].restart_libvirtd)
    await eventually_async("the connection", lambda: hosts.clients[side].connected)


async def _source_libvirtd(hosts: TwoHosts) -> None:
    await _libvirtd(hosts, 0)


async def _target_libvirtd(hosts: TwoHosts) -> None:
    await _libvirtd(hosts, 1)


DEEDS = [_source_qemu, _target_qemu, _source_hostd, _target_hostd, _source_libvirtd, _target_libvirtd]


@pytest.mark.soak
@pytest.mark.parametrize("deed", DEEDS, ids=[deed.__name__.strip("_") for deed in DEEDS])
async def test_what_dies_between_the_switch_and_the_hand_over_leaves_it_to_one_host(
    hosts: TwoHosts, deed: Deed
) -> None:
    async def happens() -> None:
        await deed(hosts)

    hosts.way.happens = happens
    await hosts.until("the source's word", lambda: "outcome" in hosts.told("source"))
    if not _handed(hosts):
        assert hosts.told("source")["reason"] == "PostCopyFailed"
    await _ends_up(hosts, THERE if _handed(hosts) else HERE)


@pytest.mark.soak
@pytest.mark.parametrize("deed", DEEDS, ids=[deed.__name__.strip("_") for deed in DEEDS])
async def test_what_dies_after_the_hand_over_leaves_it_to_the_target(hosts: TwoHosts, deed: Deed) -> None:
    await hosts.until("the hand-over", lambda: _handed(hosts))
    await deed(hosts)
    await hosts.until("the target's word", lambda: "outcome" in hosts.told("target"))
    lost = hosts.told("target")["outcome"] == "Lost"
    assert lost == (deed in (_source_qemu, _target_qemu))
    await _ends_up(hosts, THERE)
