"""What hostd and libvirtd of a host do, and what becomes of the host.

Left out on purpose: that hostd starts nothing while its own Host has an open recovery. It may not have read
that yet, so nothing may depend on it; only a hostd that reported clean knows that it did, and one that was
killed reads it in the API when it begins anew.
"""

from __future__ import annotations

from collections.abc import Iterator

from quantix_lab.ha_model.rules import Disturbance, Rule, Setting
from quantix_lab.ha_model.search import Step
from quantix_lab.ha_model.world import (
    HOSTS,
    NOBODY,
    POST_COPY_JOBS,
    Claim,
    Entry,
    Host,
    Job,
    Migration,
    Phase,
    Qemu,
    Recovery,
    World,
)

FENCED = (Recovery.FENCING, Recovery.PROVEN)
REPORTED_CLEAN = (Recovery.CLEAN, Recovery.CLEAN_UNPROVEN)


def hostd_steps(world: World, setting: Setting) -> Iterator[Step]:
    for index in HOSTS:
        host = world.hosts[index]
        if host.frozen:
            yield Step(f"h{index} thaws", world.host_is(index, host._replace(frozen=False)))
            continue
        yield from _learn(world, index, host)
        yield from _start(world, setting, index, host)
        yield from _destroy(world, setting, index, host)
        yield from _return(world, setting, index, host)


def _learn(world: World, index: int, host: Host) -> Iterator[Step]:
    assigned = world.assignment.epoch if world.assignment.host == index else 0
    if assigned != host.told:
        sentence = f"hostd h{index} reads that it is assigned the VM under epoch {assigned}"
        if not assigned:
            sentence = f"hostd h{index} reads that it is not assigned the VM"
        yield Step(sentence, world.host_is(index, host._replace(told=assigned)))


def _start(world: World, setting: Setting, index: int, host: Host) -> Iterator[Step]:
    hands_over = world.migration is not None and world.migration.source == index
    if host.qemu or (hands_over and Rule.SOURCE_WAITS in setting.rules):
        return
    if host.creating:
        running = host._replace(qemu=Qemu(Phase.RUNNING, host.creating), creating=0)
        yield Step(f"libvirtd h{index} starts a QEMU", world.host_is(index, running))
    elif host.told and _may_start(host, setting):
        ordered = world.host_is(index, host._replace(creating=host.told))
        if Rule.CLAIM not in setting.rules:
            if world.assignment == (index, host.told):
                yield Step(f"hostd h{index} reads its assignment again and orders a create", ordered)
            return
        claim = Claim(index, host.told)
        may_take = world.claim == claim or (world.claim.holder == NOBODY and world.claim.epoch < host.told)
        if may_take and host.reaches_storage:
            sentence = f"hostd h{index} has the claim under epoch {host.told} and orders a create"
            yield Step(sentence, ordered._replace(claim=claim))
        if world.claim.holder == index and world.claim.epoch < host.told and host.reaches_storage:
            sentence = f"hostd h{index} frees what it holds under an older epoch, with no QEMU left"
            yield Step(sentence, world._replace(claim=Claim(NOBODY, world.claim.epoch)))


def _may_start(host: Host, setting: Setting) -> bool:
    bound = host.recovery in REPORTED_CLEAN and Rule.CLEAN_BINDS in setting.rules
    return not bound and last_writes_are_over(host, setting)


def last_writes_are_over(host: Host, setting: Setting) -> bool:
    return Rule.LAST_WRITES not in setting.rules or host.last_writes in (None, Entry.ENFORCED)


def _destroy(world: World, setting: Setting, index: int, host: Host) -> Iterator[Step]:
    """Of domains that are known to be of no more use, while no recovery of this host is open."""
    qemu = host.qemu
    at_peace = host.recovery is Recovery.NONE and host.address is Entry.NONE
    if host.agent is Entry.ENFORCED and at_peace:
        fresh = host._replace(agent=Entry.NONE)
        yield Step(f"hostd h{index} begins anew with a new client", world.host_is(index, fresh))
    if host.last_writes is Entry.NONE and host.reaches_storage and Rule.LAST_WRITES in setting.rules:
        blocked = host._replace(last_writes=Entry.SENT)
        yield Step(f"hostd h{index} blocks the client of its dead QEMU", world.host_is(index, blocked))
    if not qemu or qemu.phase is not Phase.RUNNING:
        return
    gone = world.host_is(index, host._replace(qemu=None))
    if qemu.entry is Entry.ENFORCED and at_peace:
        yield Step(f"hostd h{index} destroys a domain whose client is fenced", gone)
    named = world.claim.holder
    if Rule.CLAIM in setting.rules and named not in (index, NOBODY) and host.reaches_storage:
        yield Step(f"hostd h{index} destroys a domain, since the claim names h{named}", gone)


def _return(world: World, setting: Setting, index: int, host: Host) -> Iterator[Step]:
    if host.recovery not in FENCED or not last_writes_are_over(host, setting):
        return
    proven = host.recovery is Recovery.PROVEN
    clean = without_guest(host, setting)._replace(
        agent=Entry.NONE, recovery=Recovery.CLEAN if proven else Recovery.CLEAN_UNPROVEN
    )
    yield Step(
        f"hostd h{index} begins anew, destroys its domains and reports clean",
        end_half(world.host_is(index, clean), index),
    )


def without_guest(host: Host, setting: Setting) -> Host:
    """Destroyed and, by the rules, undefined: a create still in flight then fails."""
    creating = 0 if Rule.UNDEFINE in setting.rules else host.creating
    return host._replace(qemu=None, creating=creating, told=0)


def end_half(world: World, index: int) -> World:
    """The migration of a host whose half of it is gone: the source goes on if only the target is gone."""
    migration = world.migration
    if migration is None or index not in (migration.source, migration.target):
        return world
    if migration.job in POST_COPY_JOBS:
        # what is left of it ends by steps of its own
        return world
    if index == migration.target and migration.job is not Job.COPYING:
        return world
    return world._replace(migration=None)


def release(world: World, setting: Setting, index: int) -> World:
    """Destroyed, undefined, the process scan empty; then the claim is freed."""
    host = world.hosts[index]
    claim = world.claim
    if Rule.CLAIM in setting.rules and claim.holder == index:
        claim = Claim(NOBODY, claim.epoch)
    return world.host_is(index, without_guest(host, setting))._replace(claim=claim)


def host_disturbances(world: World, setting: Setting) -> Iterator[Step]:
    for index in HOSTS:
        host = world.hosts[index]
        if Disturbance.REBOOT in setting.kinds:
            booted = Host(host.recovery, host.address)
            after = end_half(world.host_is(index, booted), index)
            yield Step(f"h{index} boots anew", after.disturbed(), True)
        if host.frozen:
            continue
        if Disturbance.FREEZE in setting.kinds:
            frozen = world.host_is(index, host._replace(frozen=True))
            yield Step(f"h{index} freezes", frozen.disturbed(), True)
        if Disturbance.QEMU_KILLED in setting.kinds and host.qemu:
            last = host.qemu.entry if host.qemu.phase is Phase.RUNNING else host.last_writes
            dead = world.host_is(index, host._replace(qemu=None, last_writes=last))
            yield Step(f"the QEMU of h{index} is killed", end_half(dead, index).disturbed(), True)
        if Disturbance.HOSTD_KILLED in setting.kinds and (host.told or host.creating or host.qemu):
            yield from _killed(world, index, host)
        busy = world.migration is not None or host.recovery is not Recovery.NONE
        may_stop = host.told and host.reaches_storage and last_writes_are_over(host, setting)
        if Disturbance.STOP in setting.kinds and may_stop and not busy:
            after = release(world, setting, index)
            yield Step(f"hostd h{index} stops the guest and releases", after.disturbed(), True)


def _killed(world: World, index: int, host: Host) -> Iterator[Step]:
    """A create in flight goes on. Of a migration, hostd forgets that the target has all."""
    after = world.host_is(index, host._replace(told=0, agent=Entry.NONE)).disturbed()
    migration = world.migration
    if migration is None or migration.source != index:
        yield Step(f"hostd h{index} is killed", after, True)
        return
    if migration.job in POST_COPY_JOBS:
        # one that had not handed over has no way to the target any more, whose half libvirt ends
        lost = migration._replace(job=Job.BROKEN) if migration.job is Job.SWITCHED else migration
        yield Step(f"hostd h{index} is killed during a post-copy", after._replace(migration=lost), True)
        return
    if migration.job is Job.STOPPED:
        forgotten = after.host_is(index, after.hosts[index]._replace(qemu=None))._replace(migration=None)
        yield Step(f"hostd h{index} is killed, and its QEMU ends as migrated", forgotten, True)
    yield Step(f"hostd h{index} is killed, and libvirt gives the migration up", resumed(after), True)


def resumed(world: World) -> World:
    """libvirt gives the migration up: the source goes on, if there still is one."""
    migration = world.migration
    if migration is None:
        return world
    source = world.hosts[migration.source]
    if source.qemu and source.qemu.phase is Phase.PAUSED:
        running = source.qemu._replace(phase=Phase.RUNNING)
        world = world.host_is(migration.source, source._replace(qemu=running))
    return world._replace(migration=None)


def begun(world: World, source: int, target: int) -> World:
    """libvirt's job: the target has a QEMU with a client of its own, paused."""
    incoming = Qemu(Phase.INCOMING, world.claim.epoch or world.assignment.epoch)
    host = world.hosts[target]._replace(qemu=incoming)
    return world.host_is(target, host)._replace(migration=Migration(source, target))
