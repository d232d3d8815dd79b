"""Live migration between two hosts that share the disk: libvirt's job, hand-over, and what is left of it.

```
COPYING ──last page sent──► STOPPED ──source's domain gone──► GONE ──claim e → e+1, target──► (ended)
   │                           │ reply lost, target gone:              the target resumes when it reads
   └──► given up ◄─────────────┘ the source goes on                    that the claim names it
```
"""

from __future__ import annotations

from collections.abc import Iterator

from quantix_lab.ha_model.hostd import begun, resumed
from quantix_lab.ha_model.post_copy import post_copy_disturbances, post_copy_steps
from quantix_lab.ha_model.rules import Disturbance, Rule, Setting
from quantix_lab.ha_model.search import Step
from quantix_lab.ha_model.world import (
    HOSTS,
    POST_COPY_JOBS,
    Assignment,
    Claim,
    Entry,
    Job,
    Migration,
    Phase,
    Recovery,
    World,
)


def migration_steps(world: World, setting: Setting) -> Iterator[Step]:
    yield from _target(world, setting)
    migration = world.migration
    if migration is None:
        return
    source, target = world.hosts[migration.source], world.hosts[migration.target]
    if source.frozen:
        return
    has_half = target.qemu is not None
    way = f"h{migration.source} to h{migration.target}"
    yield from post_copy_steps(world, setting, migration)
    if migration.job in POST_COPY_JOBS:
        return
    if migration.job is Job.GONE:
        yield from _hand_over(world, setting, migration)
        return
    if source.qemu is None or not has_half:
        yield Step(f"libvirt gives the migration from {way} up", resumed(world))
    elif migration.job is Job.COPYING and source.writes and not target.frozen:
        yield _last_page(world, setting, migration)
    if migration.job is Job.STOPPED and source.qemu:
        after = world.host_is(migration.source, source._replace(qemu=None))
        gone = after._replace(migration=migration._replace(job=Job.GONE))
        yield Step(f"libvirt h{migration.source} says that the guest is migrated, and ends its QEMU", gone)


def _last_page(world: World, setting: Setting, migration: Migration) -> Step:
    source, target = world.hosts[migration.source], world.hosts[migration.target]
    assert source.qemu is not None
    assert target.qemu is not None
    paused = source._replace(qemu=source.qemu._replace(phase=Phase.PAUSED))
    after = world.host_is(migration.source, paused)
    after = after._replace(migration=migration._replace(job=Job.STOPPED))
    if Rule.PAUSED_TARGET in setting.rules:
        return Step(f"h{migration.source} sends the last page and pauses its QEMU", after)
    runs = target._replace(qemu=target.qemu._replace(phase=Phase.RUNNING))
    return Step(
        f"h{migration.source} sends the last page, h{migration.target} runs",
        after.host_is(migration.target, runs),
    )


def _hand_over(world: World, setting: Setting, migration: Migration) -> Iterator[Step]:
    source, target = migration.source, migration.target
    ended = world._replace(migration=None)
    if Rule.CLAIM not in setting.rules:
        after = ended._replace(assignment=Assignment(target, world.assignment.epoch + 1))
        yield Step(f"the operator assigns the VM to h{target}, which has it", after)
    elif world.claim.holder != source:
        yield Step(f"hostd h{source} finds that the claim is not its own: no hand-over", ended)
    elif world.hosts[source].reaches_storage:
        claim = Claim(target, world.claim.epoch + 1)
        yield Step(f"hostd h{source} hands the claim over to h{target}", ended._replace(claim=claim))
    elif world.hosts[source].agent is Entry.ENFORCED:
        yield Step(f"hostd h{source} is fenced and begins anew: no hand-over", ended)


def _target(world: World, setting: Setting) -> Iterator[Step]:
    for index in HOSTS:
        host = world.hosts[index]
        qemu = host.qemu
        if qemu is None or qemu.phase is not Phase.INCOMING or host.frozen:
            continue
        without_claims = Rule.CLAIM not in setting.rules and world.assignment == (index, qemu.epoch + 1)
        if without_claims or (world.claim == (index, qemu.epoch + 1) and host.reaches_storage):
            runs = host._replace(qemu=qemu._replace(phase=Phase.RUNNING, epoch=qemu.epoch + 1))
            yield Step(
                f"hostd h{index} reads that the claim names it, and resumes", world.host_is(index, runs)
            )
        else:
            gone = host._replace(qemu=None)
            yield Step(f"hostd h{index} destroys its half", world.host_is(index, gone))
        if Rule.DESTROY_UNHANDED not in setting.rules and world.hosts[1 - index].recovery is Recovery.PROVEN:
            stale = host._replace(qemu=qemu._replace(phase=Phase.STALE))
            yield Step(f"hostd h{index} resumes, since the source is fenced", world.host_is(index, stale))


def migration_disturbances(world: World, setting: Setting) -> Iterator[Step]:
    migration = world.migration
    if migration is None:
        if Disturbance.MIGRATION in setting.kinds:
            yield from _begin(world, setting)
        return
    yield from post_copy_disturbances(world, setting)
    source = world.hosts[migration.source]
    lost = Disturbance.REPLY_LOST in setting.kinds and migration.job is Job.STOPPED
    if lost and source.qemu and not source.frozen:
        sentence = f"the last reply of h{migration.target} is lost: libvirt resumes h{migration.source}"
        yield Step(sentence, resumed(world).disturbed(), True)


def _begin(world: World, setting: Setting) -> Iterator[Step]:
    if any(host.recovery is not Recovery.NONE or host.address is not Entry.NONE for host in world.hosts):
        return
    for source in HOSTS:
        target = 1 - source
        at_target = world.hosts[target]
        idle = not (at_target.qemu or at_target.creating or at_target.frozen)
        owns = world.assignment.host == source and (
            Rule.CLAIM not in setting.rules or tuple(world.claim) == tuple(world.assignment)
        )
        if owns and idle and world.hosts[source].writes:
            after = begun(world, source, target).disturbed()
            yield Step(f"a migration from h{source} to h{target} begins", after, True)
