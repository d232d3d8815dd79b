"""The model of one disk that two hosts share: actors, disturbances, backup and restore of the API."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from quantix_lab.ha_model.hostd import host_disturbances, hostd_steps
from quantix_lab.ha_model.leader import late_steps, leader_disturbances, leader_steps
from quantix_lab.ha_model.migration import migration_disturbances, migration_steps
from quantix_lab.ha_model.rules import Disturbance, Rule, Setting
from quantix_lab.ha_model.search import Step
from quantix_lab.ha_model.storage import storage_disturbances, storage_steps
from quantix_lab.ha_model.world import (
    HOSTS,
    Assignment,
    Backup,
    Recovery,
    World,
    broken,
    new_world,
    settled,
)


@dataclass(frozen=True)
class OneDisk:
    """Detection may be wrong at any time, and clocks do not exist: safety depends on neither."""

    setting: Setting

    def start(self) -> World:
        return new_world(self.setting.disturbances, self.setting.runs_already)

    def steps(self, state: World) -> Iterator[Step]:
        yield from hostd_steps(state, self.setting)
        yield from storage_steps(state)
        yield from leader_steps(state, self.setting)
        yield from late_steps(state, self.setting)
        yield from migration_steps(state, self.setting)
        if state.disturbances_left:
            yield from host_disturbances(state, self.setting)
            yield from storage_disturbances(state, self.setting)
            yield from leader_disturbances(state, self.setting)
            yield from migration_disturbances(state, self.setting)
            yield from api_disturbances(state, self.setting)

    def broken(self, state: World) -> str | None:
        return broken(state)

    def settled(self, state: World) -> bool:
        return settled(state)


def api_disturbances(world: World, setting: Setting) -> Iterator[Step]:
    if Disturbance.STATUS_LOST in setting.kinds and world.assignment.epoch and world.backup is None:
        empty = Backup(Assignment(), (Recovery.NONE, Recovery.NONE))
        yield Step("the API is restored without status", _restored(world, setting, empty), True)
    if Disturbance.RESTORE not in setting.kinds:
        return
    if world.backup:
        yield Step("the API is restored from the backup", _restored(world, setting, world.backup), True)
    elif world.assignment.epoch:
        backup = Backup(world.assignment, (world.hosts[0].recovery, world.hosts[1].recovery))
        yield Step("the API is backed up", world._replace(backup=backup), True)


def _restored(world: World, setting: Setting, backup: Backup) -> World:
    """By the rules, a recovery from before begins anew: what it proved or heard may be true no more."""
    after = world._replace(assignment=backup.assignment, backup=None).disturbed()
    for index in HOSTS:
        recovery = backup.recoveries[index]
        if Rule.RECOVERY_ANEW in setting.rules and recovery is not Recovery.NONE:
            recovery = Recovery.INTENT
        after = after.host_is(index, after.hosts[index]._replace(recovery=recovery))
    return after
