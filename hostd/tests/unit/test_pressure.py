"""What a host says of how much its programs wait: coarse, seldom, and for a reason."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quantix_api.errors import TransientError
from quantix_api.host import HostPressure
from quantix_api.times import render_time
from quantix_hostd.facts.domain import DomainStats
from quantix_hostd.facts.load import MachineLoad
from quantix_hostd.host.pressure import SAMPLE_S, SHARES_AGAIN_S, WINDOW_S, Pressure, Sample
from quantix_hostd.host.pressure_watch import PressureWatch
from quantix_lab.clocks import ManualClock

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
CPUS = 8


class Machine:
    """Time passes on it as a test says."""

    def __init__(self) -> None:
        self.pressure = Pressure(CPUS)
        self.at_s = self.cpu_waited_s = self.memory_waited_s = self.worked_s = self.had_s = 0.0
        self.guests: dict[str, float] = {}
        self.news = 0

    def runs(
        self,
        seconds: float,
        *,
        waits: float = 0.0,
        works: float = 0.2,
        waits_for_memory: float = 0.0,
        free: float = 0.5,
        guests: Mapping[str, float] | None = None,
    ) -> None:
        """For so long, with these parts of the time; `guests`: parts of all CPUs."""
        for _ in range(round(seconds / SAMPLE_S)):
            self.at_s += SAMPLE_S
            self.cpu_waited_s += waits * SAMPLE_S
            self.memory_waited_s += waits_for_memory * SAMPLE_S
            self.worked_s += works * CPUS * SAMPLE_S
            self.had_s += CPUS * SAMPLE_S
            for uid, part in (guests or {}).items():
                self.guests[uid] = self.guests.get(uid, 0.0) + part * CPUS * SAMPLE_S * 1e9
            asked = {uid: round(used) for uid, used in self.guests.items()} if guests else {}
            sample = Sample(
                self.at_s, self.cpu_waited_s, self.memory_waited_s, self.worked_s, self.had_s, free, asked
            )
            self.news += self.pressure.take(sample, NOW + timedelta(seconds=self.at_s))

    def level(self, resource: str = "CPU") -> str:
        found = [item["level"] for item in self.pressure.told() if item["resource"] == resource]
        return found[0] if found else ""


@pytest.fixture
def machine() -> Machine:
    return Machine()


def test_nothing_is_said_before_some_minutes_are_known(machine: Machine) -> None:
    machine.runs(WINDOW_S)
    assert machine.pressure.told() == []
    machine.runs(SAMPLE_S)
    since = render_time(NOW + timedelta(seconds=WINDOW_S + SAMPLE_S))
    assert machine.pressure.told() == [
        {"resource": "CPU", "level": "Low", "since": since},
        {"resource": "Memory", "level": "Low", "since": since},
    ]


@pytest.mark.parametrize(
    ("how", "cpu", "memory"),
    [
        ({}, "Low", "Low"),
        ({"works": 0.7}, "Some", "Low"),
        ({"waits": 0.1}, "Some", "Low"),
        ({"waits": 0.3}, "High", "Low"),
        ({"waits_for_memory": 0.05}, "Low", "Some"),
        ({"waits_for_memory": 0.15}, "Low", "High"),
        ({"free": 0.1}, "Low", "Some"),
        ({"free": 0.04}, "Low", "High"),
    ],
)
def test_waiting_makes_a_level_and_so_does_what_is_left(
    machine: Machine, how: dict[str, float], cpu: str, memory: str
) -> None:
    machine.runs(2 * WINDOW_S, **how)  # type: ignore[arg-type]
    assert (machine.level(), machine.level("Memory")) == (cpu, memory)


def test_a_moment_of_waiting_is_no_news(machine: Machine) -> None:
    machine.runs(2 * WINDOW_S)
    machine.runs(SAMPLE_S, waits=0.9, works=1.0, waits_for_memory=0.5)
    machine.runs(2 * WINDOW_S)
    assert (machine.level(), machine.level("Memory"), machine.news) == ("Low", "Low", 1)


def test_a_level_is_left_by_more_than_it_was_come_to_by(machine: Machine) -> None:
    machine.runs(2 * WINDOW_S, waits=0.3)
    machine.runs(2 * WINDOW_S, waits=0.2)
    assert machine.level() == "High"
    machine.runs(2 * WINDOW_S, waits=0.12)
    assert machine.level() == "Some"
    machine.runs(2 * WINDOW_S, waits=0.2)
    assert machine.level() == "Some"


@given(st.lists(st.floats(0, 1), min_size=120, max_size=120))
@settings(max_examples=30, deadline=None)
def test_whatever_happens_each_level_changes_once_in_minutes(parts: list[float]) -> None:
    machine = Machine()
    for part in parts:
        machine.runs(SAMPLE_S, waits=part, works=part)
    assert machine.news <= 2 * (1 + len(parts) * SAMPLE_S / WINDOW_S)


def test_who_uses_short_cpus_is_told_in_steps_and_seldom_again(machine: Machine) -> None:
    parts = {"most": 0.523, "some": 0.119, "idle": 0.01}
    machine.runs(2 * WINDOW_S, waits=0.3, guests=parts)
    (cpu, _) = machine.pressure.told()
    assert cpu["virtualMachines"] == [{"uid": "most", "percent": 50}, {"uid": "some", "percent": 10}]
    before = machine.news
    machine.runs(SHARES_AGAIN_S - 2 * WINDOW_S, waits=0.3, guests={"most": 0.2, "some": 0.5})
    assert machine.news == before
    machine.runs(2 * WINDOW_S, waits=0.3, guests={"most": 0.2, "some": 0.5})
    assert machine.news == before + 1
    assert machine.pressure.told()[0]["virtualMachines"][0] == {"uid": "some", "percent": 50}
    machine.runs(2 * WINDOW_S)
    assert "virtualMachines" not in machine.pressure.told()[0]


def test_a_new_process_goes_on_with_what_was_said(machine: Machine) -> None:
    since = NOW - timedelta(hours=1)
    told: dict[str, Any] = {"resource": "CPU", "level": "High", "since": render_time(since)}
    told["virtualMachines"] = [{"uid": "most", "percent": 50}]
    machine.runs(SAMPLE_S, waits=0.2)
    machine.pressure.remember([HostPressure.model_validate(told)])
    assert machine.pressure.told() == [told]
    machine.runs(WINDOW_S + SAMPLE_S, waits=0.2)
    assert machine.pressure.told()[0] == told, "and keeps it where a new one would not have come to it"


def test_a_machine_that_was_started_anew_is_counted_anew(machine: Machine) -> None:
    machine.runs(2 * WINDOW_S, waits=0.3)
    machine.cpu_waited_s = machine.worked_s = machine.had_s = 0.0
    machine.runs(WINDOW_S)
    assert machine.level() == "High"
    machine.runs(2 * SAMPLE_S)
    assert machine.level() == "Low"


class Watched:
    """A machine whose kernel and libvirt a test speaks for."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.waited_s = 0.0
        self.knows = True
        self.asked = 0
        self.reported = 0
        self.stats_fail = False
        self.watch = PressureWatch(Pressure(1), self.stats, self.report, self.clock, self.load)

    def report(self) -> None:
        self.reported += 1

    def load(self) -> MachineLoad:
        at_s = self.clock.monotonic()
        waited = {("cpu", "some"): self.waited_s, ("memory", "some"): 0.0} if self.knows else {}
        memory = {"MemTotal": 100, "MemAvailable": 60}
        cpu_s = {"user": at_s * 0.9, "idle": at_s * 0.1}
        return MachineLoad(cpus=1, cpu_s=cpu_s, memory_bytes=memory, pressure_s=waited)

    async def stats(self) -> tuple[DomainStats, ...]:
        self.asked += 1
        if self.stats_fail:
            raise TransientError("LibvirtDown", "libvirt does not answer")
        used_ns = round(self.clock.monotonic() * 0.6e9)
        return DomainStats("qx-a", {"cpu.time": used_ns}), DomainStats("foreign", {"cpu.time": used_ns})

    async def runs(self, seconds: float, waits: float = 0.0) -> None:
        for _ in range(round(seconds / SAMPLE_S)):
            await self.clock.advance(SAMPLE_S)
            self.waited_s += waits * SAMPLE_S
            await self.watch.step()


async def test_libvirt_is_asked_who_uses_the_cpus_only_while_they_are_waited_for() -> None:
    watched = Watched()
    await watched.runs(WINDOW_S + SAMPLE_S)
    assert (watched.asked, watched.reported) == (0, 1)
    await watched.runs(2 * WINDOW_S, waits=0.5)
    assert watched.asked > 0
    (cpu, _) = watched.watch.pressure.told()
    assert cpu["virtualMachines"] == [{"uid": "a", "percent": 60}]


async def test_without_libvirt_the_level_is_told_all_the_same() -> None:
    watched = Watched()
    watched.stats_fail = True
    await watched.runs(2 * WINDOW_S, waits=0.5)
    (cpu, _) = watched.watch.pressure.told()
    assert (cpu["level"], "virtualMachines" in cpu) == ("High", False)


async def test_where_the_kernel_tells_nothing_neither_does_the_host() -> None:
    watched = Watched()
    told = {"resource": "CPU", "level": "High"}
    watched.knows = False
    await watched.runs(SAMPLE_S)
    watched.watch.pressure.remember([HostPressure.model_validate(told)])
    assert watched.watch.pressure.told() == []


def test_a_guest_that_left_and_came_back_meanwhile_is_not_counted(machine: Machine) -> None:
    machine.runs(WINDOW_S / 2, waits=0.5, works=0.9, guests={"mover": 0.4, "stays": 0.2})
    # its QEMU is another one now, which counts from its own start on
    machine.guests["mover"] = 0.0
    machine.runs(WINDOW_S / 2 + SAMPLE_S, waits=0.5, works=0.9, guests={"mover": 0.1, "stays": 0.2})
    told = next(item for item in machine.pressure.told() if item["resource"] == "CPU")
    assert [share["uid"] for share in told["virtualMachines"]] == ["stays"]
