"""Huge pages are set aside as spec says and the host can spare, given back, and told as they are."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quantix_api import VirtualMachine
from quantix_api.host_spec import Reserved
from quantix_hostd.clients.huge_pages import HugePages
from quantix_hostd.facts.pages import PagePool
from quantix_hostd.host.pages import HostPages
from quantix_hostd.host.pages_plan import MemoryRoom, PagesPlan, guests_memory_bytes, plan_pages

_MIB, _GIB = 1 << 20, 1 << 30
_BOOT, _NEXT_BOOT = "boot-1", "boot-2"
_ROOMY = MemoryRoom(24 * _GIB, 22 * _GIB)
"""The host keeps 1536 MiB of it where nothing is said."""


class Kernel:
    """One that keeps pages of 2 MiB and knows no other, and has as many as it is told to."""

    def __init__(self, root: Path, total: int, available_bytes: int) -> None:
        self._pool = root / "sys/kernel/mm/hugepages/hugepages-2048kB"
        self._pool.mkdir(parents=True)
        (root / "proc").mkdir()
        memory = f"MemTotal: {24 * _GIB // 1024} kB\nMemAvailable: {available_bytes // 1024} kB\n"
        (root / "proc/meminfo").write_text(memory)
        self.total = total
        self.use(0)

    def use(self, count: int) -> None:
        """Guests have `count` of the pages."""
        (self._pool / "free_hugepages").write_text(f"{self.total - count}\n")
        (self._pool / "resv_hugepages").write_text("0\n")

    @property
    def total(self) -> int:
        return int((self._pool / "nr_hugepages").read_text())

    @total.setter
    def total(self, count: int) -> None:
        (self._pool / "nr_hugepages").write_text(f"{count}\n")


@pytest.fixture
def kernel(tmp_path: Path) -> Kernel:
    return Kernel(tmp_path, 3, 22 * _GIB)


def host_pages(root: Path, guests: Sequence[VirtualMachine] | None = ()) -> HostPages:
    """As of a hostd that has just started."""
    return HostPages(HugePages(root), root / "huge-pages.json", lambda: guests, root)


def guest(size: str, *, pages: str | None = None, running: str | None = None) -> VirtualMachine:
    """`running`: what it was started with instead of `pages`."""
    memory = {"size": size} | ({"hugepages": pages} if pages else {})
    change = {"path": "spec.memory.hugepages", **({"running": running} if running else {})}
    changes = [] if running is None else [change]
    manifest: dict[str, Any] = {
        "metadata": {"name": "web", "namespace": "a", "uid": "u"},
        "spec": {"cpu": {"cores": 1}, "memory": memory},
        "status": {"resolved": {"memory": size}, "runtime": {"pendingChanges": changes}},
    }
    return VirtualMachine.parse(manifest)


def test_what_each_node_has_of_them_is_told(tmp_path: Path) -> None:
    for node, count in ((0, 0), (1, 8)):
        path = tmp_path / f"sys/devices/system/node/node{node}/hugepages/hugepages-2048kB/nr_hugepages"
        path.parent.mkdir(parents=True)
        path.write_text(f"{count}\n")
    assert HugePages(tmp_path).by_node() == {1: {"2Mi": 8}}


def test_as_many_are_set_aside_as_are_wanted_and_a_size_that_the_kernel_lacks_is_none(
    kernel: Kernel, tmp_path: Path
) -> None:
    pages = HugePages(tmp_path)
    assert pages.there() == {"2Mi": 3}
    pages.set_aside("2Mi", 16)
    pages.set_aside("1Gi", 1)
    assert pages.there() == {"2Mi": 16}
    assert kernel.total == 16


def test_pages_that_were_promised_are_not_free(kernel: Kernel, tmp_path: Path) -> None:
    kernel.use(1)
    (tmp_path / "sys/kernel/mm/hugepages/hugepages-2048kB/resv_hugepages").write_text("2\n")
    assert HugePages(tmp_path).pools() == {"2Mi": PagePool(3, 0)}


@pytest.mark.parametrize(
    ("wanted", "there", "planned"),
    [
        (Reserved(), {"2Mi": 3, "1Gi": 0}, PagesPlan({}, {})),
        (Reserved(hugepages_2mi=16), {"2Mi": 3, "1Gi": 0}, PagesPlan({"2Mi": 16}, {"2Mi": 3})),
        (Reserved(hugepages_2mi=2), {"2Mi": 3}, PagesPlan({"2Mi": 2}, {"2Mi": 3})),
        (Reserved(hugepages_2mi=16), {"2Mi": 16}, PagesPlan({}, {})),
        (Reserved(hugepages_1gi=1), {"2Mi": 3}, PagesPlan({}, {})),
    ],
)
def test_what_an_administrator_set_aside_stays_and_what_the_kernel_lacks_is_not_asked_for(
    wanted: Reserved, there: Mapping[str, int], planned: PagesPlan
) -> None:
    pools = {size: PagePool(count, count) for size, count in there.items()}
    assert plan_pages(wanted, pools, {}, _ROOMY) == planned


@pytest.mark.parametrize(
    ("reserved", "room", "count"),
    [
        (Reserved(), _ROOMY, (22 * 1024 - 1536) // 2),
        (Reserved(memory="4Gi"), _ROOMY, (22 - 4) * 512),
        (Reserved(), MemoryRoom(24 * _GIB, 22 * _GIB, 10 * _GIB), (14 * 1024 - 1536) // 2),
        (Reserved(), MemoryRoom(24 * _GIB, _GIB), 0),
        (Reserved(), MemoryRoom(24 * _GIB, 22 * _GIB, 30 * _GIB), 0),
        (Reserved(), None, 0),
    ],
    ids=["own share", "what is said", "guests", "nothing free", "overcommitted", "not known"],
)
def test_the_host_keeps_its_reserve_and_what_its_guests_may_use(
    reserved: Reserved, room: MemoryRoom | None, count: int
) -> None:
    asked = reserved.model_copy(update={"hugepages_2mi": 99999})
    assert plan_pages(asked, {"2Mi": PagePool(0)}, {}, room).counts.get("2Mi", 0) == count


def test_two_sizes_share_what_the_host_can_spare() -> None:
    asked = Reserved(memory="2Gi", hugepages_2mi=5120, hugepages_1gi=16)
    plan = plan_pages(asked, {"2Mi": PagePool(0), "1Gi": PagePool(0)}, {}, _ROOMY)
    assert plan.counts == {"2Mi": 5120, "1Gi": 10}


def test_on_the_way_to_what_is_asked_for_a_little_more_is_not_worth_a_change() -> None:
    asked, pools = Reserved(memory="2Gi", hugepages_2mi=99999), {"2Mi": PagePool(5120)}
    little = MemoryRoom(24 * _GIB, 2 * _GIB + 100 * _MIB)
    assert plan_pages(asked, pools, {"2Mi": 0}, little).counts == {}
    last = plan_pages(asked.model_copy(update={"hugepages_2mi": 5140}), pools, {"2Mi": 0}, little)
    assert last.counts == {"2Mi": 5140}


@pytest.mark.parametrize(
    ("vm", "expected"),
    [
        (guest("2Gi"), 2 * _GIB + 68 * _MIB),
        (guest("2Gi", pages="2Mi"), 68 * _MIB),
        (guest("2Gi", pages="2Mi", running=""), 2 * _GIB + 68 * _MIB),
        (guest("2Gi", running="2Mi"), 68 * _MIB),
    ],
    ids=["ordinary", "on pages", "on pages at its next start", "on pages until then"],
)
def test_a_guest_may_use_its_ordinary_memory_and_what_qemu_needs(vm: VirtualMachine, expected: int) -> None:
    assert guests_memory_bytes([vm, vm]) == 2 * expected


@given(
    st.integers(0, 20_000),
    st.integers(0, 24 * 512),
    st.integers(0, 24 * 512),
    st.integers(0, 24),
    st.integers(0, 24),
)
def test_no_plan_takes_what_the_host_needs_or_pages_that_guests_have(
    wanted: int, total: int, free: int, available: int, promised: int
) -> None:
    pool = PagePool(total, min(free, total))
    room = MemoryRoom(24 * _GIB, available * _GIB, promised * _GIB)
    count = plan_pages(Reserved(hugepages_2mi=wanted), {"2Mi": pool}, {"2Mi": 0}, room).counts.get(
        "2Mi", total
    )
    assert count >= min(pool.used, total)
    more = (count - total) * 2 * _MIB
    assert more <= max(room.available_bytes - 1536 * _MIB, 0)
    assert more <= max(room.total_bytes - room.guests_bytes - total * 2 * _MIB - 1536 * _MIB, 0)


async def test_what_is_no_longer_asked_for_is_given_back_also_by_a_later_hostd(
    kernel: Kernel, tmp_path: Path
) -> None:
    await host_pages(tmp_path).ensure(Reserved(hugepages_2mi=300), _BOOT)
    assert kernel.total == 300
    kernel.use(0)
    await host_pages(tmp_path).ensure(Reserved(), _BOOT)
    assert kernel.total == 3, "as many as the machine was booted with"


async def test_pages_that_a_guest_has_are_given_back_when_they_come_free(
    kernel: Kernel, tmp_path: Path
) -> None:
    pages = host_pages(tmp_path)
    await pages.ensure(Reserved(hugepages_2mi=300), _BOOT)
    kernel.use(100)
    await pages.ensure(Reserved(), _BOOT)
    assert kernel.total == 100
    kernel.use(0)
    await pages.ensure(Reserved(), _BOOT)
    assert kernel.total == 3


async def test_what_others_set_aside_once_all_was_given_back_stays(kernel: Kernel, tmp_path: Path) -> None:
    pages = host_pages(tmp_path)
    for reserved in (Reserved(hugepages_2mi=300), Reserved(), Reserved()):
        await pages.ensure(reserved, _BOOT)
        kernel.use(0)
    kernel.total = 50
    kernel.use(0)
    await pages.ensure(Reserved(), _BOOT)
    assert kernel.total == 50


async def test_a_record_of_another_boot_or_a_damaged_one_gives_nothing_back(
    kernel: Kernel, tmp_path: Path
) -> None:
    await host_pages(tmp_path).ensure(Reserved(hugepages_2mi=300), _BOOT)
    await host_pages(tmp_path).ensure(Reserved(), _NEXT_BOOT)
    assert kernel.total == 300, "the machine was booted with them"
    record = tmp_path / "huge-pages.json"
    for damaged in ("[", "[]", '{"boot": "boot-1", "before": 3}', json.dumps({"boot": _BOOT})):
        record.write_text(damaged)
        await host_pages(tmp_path).ensure(Reserved(), _BOOT)
        assert kernel.total == 300


async def test_none_is_set_aside_while_the_guests_are_not_known_or_no_record_can_be_kept(
    kernel: Kernel, tmp_path: Path
) -> None:
    await host_pages(tmp_path, guests=None).ensure(Reserved(hugepages_2mi=300), _BOOT)
    assert kernel.total == 3
    nowhere = HostPages(HugePages(tmp_path), tmp_path / "gone/record.json", lambda: (), tmp_path)
    await nowhere.ensure(Reserved(hugepages_2mi=300), _BOOT)
    assert kernel.total == 3


async def test_what_guests_may_use_is_not_set_aside(kernel: Kernel, tmp_path: Path) -> None:
    guests = [guest("10Gi"), guest("8Gi")]
    await host_pages(tmp_path, guests).ensure(Reserved(memory="2Gi", hugepages_2mi=99999), _BOOT)
    spared = 24 * 1024 - 2 * 1024 - (10 * 1024 + 64 + 20) - (8 * 1024 + 64 + 16)
    assert kernel.total == spared // 2
