"""What is told beforehand is what is done."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from quantix_api import VirtualMachine, VirtualMachineMigration
from quantix_api.host_plan import Question
from quantix_api.resources import LABEL_MAINTENANCE_OF
from quantix_operator.maintenance import model as maintenance
from quantix_operator.maintenance.plan import plan_maintenance
from quantix_operator.migration import model as migration
from quantix_operator.migration.queue import Queue
from quantix_operator.migration.turns import in_turn
from quantix_operator.scheduling.assignments import Assignment, VmFacts
from quantix_operator.scheduling.model import GIB, Guest, Placed, Rule, World, cpu_request_millis
from quantix_operator.scheduling.observe import Candidate, Observed
from quantix_operator.scheduling.pass_plan import plan_pass
from quantix_operator.whatif.model import Leaver, Played
from quantix_operator.whatif.play import LOST, play

from .small_clusters import PAGES, guest, hosts, stays, where

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


@dataclass(frozen=True)
class Drawn:
    """A guest. `apart`: it stays away from others that do; `home`: the number of its host."""

    gib: int
    priority: int
    apart: bool
    home: int
    in_pages: bool


GUESTS = st.lists(
    st.builds(Drawn, st.integers(1, 6), st.integers(0, 2), st.booleans(), st.integers(1, 3), st.booleans()),
    max_size=12,
)
SIZES = st.lists(st.integers(4, 24), min_size=2, max_size=4)


def _played(sizes: list[int], drawn: list[Drawn]) -> Played:
    """Guests that had room, some on h1 and the others elsewhere."""
    views, placed, leavers = hosts(*sizes), [], []
    used: dict[str, int] = defaultdict(int)
    for number, item in enumerate(drawn):
        name = f"h{min(item.home, len(sizes))}"
        if used[name] + item.gib > sizes[int(name[1:]) - 1]:
            continue
        used[name] += item.gib
        apart: dict[str, Any] = {"anti_affinity": (Rule({"app": "db"}),), "labels": {"app": "db"}}
        rules = apart if item.apart else {}
        made = guest("g" + "-a" * number, item.gib, priority=100 + item.priority, **rules)
        if item.in_pages:
            made = replace(made, memory_bytes=GIB // 4, huge_bytes={PAGES: item.gib * GIB})
        if name == "h1":
            leavers.append(Leaver(made))
        else:
            placed.append(Placed(made, name))
    return Played("h1", views, tuple(placed), tuple(leavers))


@given(SIZES, GUESTS, st.sampled_from(["maintenance", "host-loss"]))
def test_nothing_is_planned_onto_a_host_beyond_its_room(
    sizes: list[int], drawn: list[Drawn], question: Question
) -> None:
    played = _played(sizes, drawn)
    plan = play(question, played)
    guests = {item.guest.name: item.guest for item in played.leavers}
    assert sorted([*where(plan), *stays(plan)]) == sorted(guests)
    there = [*played.placed, *(Placed(guests[name], to) for name, to in where(plan).items() if to)]
    for view in played.hosts:
        on_it = [placed.guest for placed in there if placed.host == view.name]
        assert sum(item.memory_bytes for item in on_it) <= view.memory_bytes
        assert sum(item.huge_bytes.get(PAGES, 0) for item in on_it) <= view.huge_bytes[PAGES]
        assert sum(cpu_request_millis(item, view) for item in on_it) <= view.cpu_millis
        moved = {name for name, to in where(plan).items() if to == view.name}
        apart = [item for item in on_it if item.anti_affinity]
        assert len(apart) <= 1 or not any(item.name in moved for item in apart)
        assert view.name != "h1" or not moved


@given(SIZES, GUESTS)
def test_a_loss_is_played_as_the_scheduler_decides_it(sizes: list[int], drawn: list[Drawn]) -> None:
    played = _played(sizes, drawn)

    def candidate(item: Guest, host: str | None) -> Candidate:
        metadata = {"name": item.name, "namespace": "default", "uid": item.uid}
        vm = VirtualMachine.parse({"metadata": metadata, "spec": {}})
        return Candidate(vm, VmFacts(Assignment(host, 1)), item)

    lost = (replace(played.hosts[0], not_ready=LOST), *played.hosts[1:])
    assert World(lost).hosts[0].not_ready
    asked = [candidate(item.guest, None) for item in played.leavers]
    there = [candidate(item.guest, item.host) for item in played.placed]
    decided = plan_pass(Observed(lost, (*asked, *there)), NOW)
    names = {item.guest.name for item in played.leavers}
    given_hosts = {
        change.vm.metadata.name: change.assignment.host
        for change in decided.changes
        if change.vm.metadata.name in names and change.assignment.host is not None
    }
    assert where(play("host-loss", played)) == given_hosts


def _running(item: Guest) -> VirtualMachine:
    status = {
        "phase": "Running",
        "assignment": {"epoch": 1, "host": "h1"},
        "runtime": {"observedEpoch": 1, "domain": "Present"},
    }
    spec = {"powerState": "Running", "ha": {"priority": item.priority}}
    metadata = {"name": item.name, "namespace": item.namespace, "uid": item.uid}
    return VirtualMachine.parse({"metadata": metadata, "spec": spec, "status": status})


def _asked(vm: VirtualMachine) -> VirtualMachineMigration:
    """All of one second, as the API writes it."""
    metadata = {
        "name": f"{vm.metadata.name}-x7k2e",
        "namespace": vm.metadata.namespace,
        "uid": f"uid-{vm.metadata.name}-x7k2e",
        "creationTimestamp": "2026-11-24T12:00:00Z",
        "labels": {LABEL_MAINTENANCE_OF: "uid-h1"},
    }
    return VirtualMachineMigration.parse({"metadata": metadata, "spec": {"virtualMachine": vm.metadata.name}})


@given(SIZES, GUESTS)
def test_maintenance_is_played_as_it_empties_the_host(sizes: list[int], drawn: list[Drawn]) -> None:
    """Who is asked to leave in which order, and where the queue of migrations then sends them."""
    played = _played(sizes, drawn)
    vms = {item.guest.uid: _running(item.guest) for item in played.leavers}
    prospects = {item.guest.uid: migration.Prospect(item.guest, "h1", "uid-h1") for item in played.leavers}
    staying = [maintenance.Staying(vm, "h1", "uid-h1", prospects[uid]) for uid, vm in vms.items()]
    closed = (replace(played.hosts[0], closed="Maintenance"), *played.hosts[1:])
    here = [Placed(item.guest, "h1") for item in played.leavers]
    world = World(closed, (*played.placed, *here))

    plan = plan_maintenance(maintenance.Observed(tuple(staying), world), NOW)
    wanted = [create.staying.vm for create in plan.create]
    moves = in_turn(
        migration.Move(_asked(vm), vm, prospect=prospects[vm.metadata.uid]) for vm in reversed(wanted)
    )
    queue = Queue(migration.Observed(moves, world, migration.Limits(len(vms), len(vms))))
    done = [(move.migration.spec.virtual_machine, queue.ask(move)) for move in moves]

    told = play("maintenance", played)
    assert [(move.name, move.to) for move in told.moves] == done
    assert [vm.metadata.name for vm in wanted] == [name for name, _ in done]
    assert set(stays(told)) == {vm.metadata.name for vm in vms.values()} - {name for name, _ in done}
    assert [name for name, _ in plan.stays.values()] == [item.name for item in told.misfits[:1]]
