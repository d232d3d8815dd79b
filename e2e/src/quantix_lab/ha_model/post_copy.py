"""A migration that switches hosts before all memory is copied: what comes between COPYING and its end.

```
COPYING ──► SWITCHED ──claim e → e+1, target──► HANDED ──all memory is there──► (ended)
               │ the source stands still           │ the target runs
               └───────── a half or the link is lost ──────────► BROKEN: both halves end, and whom the
                                                                 claim names starts from the disk
```
"""

from __future__ import annotations

from collections.abc import Iterator

from quantix_lab.ha_model.rules import Disturbance, Rule, Setting
from quantix_lab.ha_model.search import Step
from quantix_lab.ha_model.world import POST_COPY_JOBS, Claim, Job, Migration, Phase, World


def post_copy_steps(world: World, setting: Setting, migration: Migration) -> Iterator[Step]:
    """Of a migration that may be switched, and of one that was; while frozen, its source does nothing."""
    source, target = world.hosts[migration.source], world.hosts[migration.target]
    if migration.job is Job.BROKEN:
        yield from _end_halves(world, setting, migration)
    elif migration.job in POST_COPY_JOBS and (source.qemu is None or target.qemu is None):
        broken = world._replace(migration=migration._replace(job=Job.BROKEN))
        yield Step(f"a half of the guest that moves to h{migration.target} is gone", broken)
    elif migration.job is Job.COPYING and Disturbance.POST_COPY in setting.kinds:
        yield from _switch(world, setting, migration)
    elif migration.job is Job.SWITCHED:
        yield from _hand_over(world, migration)
    elif migration.job is Job.HANDED and target.qemu is not None and target.qemu.phase is Phase.RUNNING:
        over = world.host_is(migration.source, source._replace(qemu=None))._replace(migration=None)
        yield Step(f"all memory is with h{migration.target}: libvirt ends the QEMU of the source", over)


def _switch(world: World, setting: Setting, migration: Migration) -> Iterator[Step]:
    source, target = world.hosts[migration.source], world.hosts[migration.target]
    if source.qemu is None or target.qemu is None or not source.writes or target.frozen:
        return
    if Rule.HANDED_ONCE_STOPPED not in setting.rules:
        yield from _hand_over(world, migration)
    stopped = source._replace(qemu=source.qemu._replace(phase=Phase.PAUSED))
    after = world.host_is(migration.source, stopped)
    after = after._replace(migration=migration._replace(job=Job.SWITCHED))
    sentence = f"h{migration.source} stops its QEMU and sends the rest by post-copy"
    if Rule.GATED_FINISH not in setting.rules:
        runs = target._replace(qemu=target.qemu._replace(phase=Phase.RUNNING))
        after, sentence = after.host_is(migration.target, runs), f"{sentence}; libvirt resumes the target"
    yield Step(sentence, after)


def _hand_over(world: World, migration: Migration) -> Iterator[Step]:
    source = world.hosts[migration.source]
    if world.claim.holder == migration.source and source.reaches_storage:
        handed = world._replace(migration=migration._replace(job=Job.HANDED))
        claim = Claim(migration.target, world.claim.epoch + 1)
        yield Step(
            f"hostd h{migration.source} hands the claim over during the post-copy",
            handed._replace(claim=claim),
        )
    else:
        yield from _cannot(world, migration)


def _cannot(world: World, migration: Migration) -> Iterator[Step]:
    broken = world._replace(migration=migration._replace(job=Job.BROKEN))
    yield Step(f"hostd h{migration.source} cannot hand the claim over", broken)


def _end_halves(world: World, setting: Setting, migration: Migration) -> Iterator[Step]:
    """Each host ends its own, and knows nothing of the other; the target's, while it waits, is ended as any
    other half.
    """
    source, target = world.hosts[migration.source], world.hosts[migration.target]
    if target.qemu is not None and target.qemu.phase is Phase.RUNNING and not target.frozen:
        gone = world.host_is(migration.target, target._replace(qemu=None))
        yield Step(f"hostd h{migration.target} ends a guest whose memory is lost", gone)
    if source.qemu is None or source.qemu.phase is not Phase.PAUSED:
        yield Step(f"nothing is left of the post-copy on h{migration.source}", world._replace(migration=None))
        return
    if Rule.NEVER_RESUMED not in setting.rules:
        resumed = source._replace(qemu=source.qemu._replace(phase=Phase.RUNNING))
        yield Step(f"h{migration.source} resumes its half", world.host_is(migration.source, resumed))
    gone = world.host_is(migration.source, source._replace(qemu=None))._replace(migration=None)
    yield Step(f"hostd h{migration.source} ends its half of the post-copy", gone)


def post_copy_disturbances(world: World, setting: Setting) -> Iterator[Step]:
    migration = world.migration
    on = migration is not None and migration.job in (Job.SWITCHED, Job.HANDED)
    if migration is not None and on and Disturbance.LINK_LOST in setting.kinds:
        broken = world._replace(migration=migration._replace(job=Job.BROKEN))
        yield Step("the link between the halves breaks", broken.disturbed(), True)
