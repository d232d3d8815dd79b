"""What the leader does, each write by itself: it may be another leader that does the next.

A leader that lost its office may still do what it had in hand: `late_steps`.
"""

from __future__ import annotations

from collections.abc import Iterator

from quantix_lab.ha_model.rules import Disturbance, Rule, Setting
from quantix_lab.ha_model.search import Step
from quantix_lab.ha_model.storage import all_enforced, fenced, lifted
from quantix_lab.ha_model.world import (
    HOSTS,
    NOBODY,
    Act,
    Assignment,
    Claim,
    Entry,
    Host,
    Late,
    Recovery,
    World,
)

STAYS_FENCED = (Recovery.FENCING, Recovery.PROVEN, Recovery.CLEAN_UNPROVEN, Recovery.CLEAN)


def leader_steps(world: World, setting: Setting) -> Iterator[Step]:
    for act in decisions(world, setting):
        yield Step(f"the leader {_sentence(act)}", done(world, setting, act))
    for index in HOSTS:
        yield from _recovery(world, setting, index)
    yield from _adopt_claim(world, setting)


def decisions(world: World, setting: Setting) -> Iterator[Late]:
    """What the leader may do now by one write, decided on what it reads."""
    claim, assignment = world.claim, world.assignment
    for index in HOSTS:
        host = world.hosts[index]
        if host.recovery is Recovery.INTENT:
            yield Late(Act.FENCE, index)
        if claim.holder == index and _may_free(host, setting):
            yield Late(Act.FREE, index, claim)
        if _may_lift(host, setting) and claim.holder != index:
            yield Late(Act.LIFT, index)
    for target in _targets(world, setting):
        epoch = max(assignment.epoch, claim.epoch) + 1
        yield Late(Act.ASSIGN, target, Claim(target, epoch), assignment)


def done(world: World, setting: Setting, act: Late) -> World:
    """After the write: what it was decided on is compared, except by the storage's monitor."""
    host = world.hosts[act.host]
    if act.act is Act.FENCE:
        host = fenced(host, setting)
        if host.recovery is Recovery.INTENT:
            host = host._replace(recovery=Recovery.FENCING)
        return world.host_is(act.host, host)
    if act.act is Act.LIFT:
        host = lifted(host, Rule.KEPT_INSTANCES in setting.rules)
        if _may_lift(host, setting):
            host = host._replace(recovery=Recovery.NONE)
        return world.host_is(act.host, host)
    if act.act is Act.BELIEVE_CLEAN:
        believed = host.recovery is Recovery.PROVEN
        return world.host_is(act.host, host._replace(recovery=Recovery.CLEAN)) if believed else world
    if act.act is Act.ASSIGN:
        unchanged = world.assignment == act.assignment
        return world._replace(assignment=Assignment(*act.claim)) if unchanged else world
    freed = max(act.claim.epoch, act.assignment.epoch)
    return world._replace(claim=Claim(NOBODY, freed)) if world.claim == act.claim else world


def _sentence(act: Late) -> str:
    under = f" under epoch {act.claim.epoch}" if act.act is Act.ASSIGN else ""
    return f"{act.act} h{act.host}{under}"


def _may_free(host: Host, setting: Setting) -> bool:
    if host.recovery is Recovery.CLEAN_UNPROVEN:
        return Rule.FENCE_BEFORE_FREE not in setting.rules
    if host.recovery in (Recovery.INTENT, Recovery.FENCING):
        return Rule.PROOF not in setting.rules
    return host.recovery in (Recovery.PROVEN, Recovery.CLEAN)


def _may_lift(host: Host, setting: Setting) -> bool:
    if host.recovery is Recovery.PROVEN:
        return Rule.LIFT_WHEN_CLEAN not in setting.rules
    return host.recovery is Recovery.CLEAN


def _targets(world: World, setting: Setting) -> Iterator[int]:
    """Hosts that may be assigned the VM now: it has no host, its host is fenced, or its epoch is spent."""
    claims = Rule.CLAIM in setting.rules
    if world.migration or (claims and world.claim.holder != NOBODY):
        return
    owner, epoch = world.assignment
    for target in HOSTS:
        host = world.hosts[target]
        if host.recovery is not Recovery.NONE or host.address is not Entry.NONE:
            continue
        spent = claims and world.claim.epoch >= epoch
        lost = owner not in (NOBODY, target) and _proven(world.hosts[owner], setting)
        if owner == NOBODY or spent or lost:
            yield target


def _proven(host: Host, setting: Setting) -> bool:
    if Rule.PROOF not in setting.rules:
        return host.recovery is not Recovery.NONE
    return host.recovery in (Recovery.PROVEN, Recovery.CLEAN)


def _recovery(world: World, setting: Setting, index: int) -> Iterator[Step]:
    host = world.hosts[index]

    def becomes(recovery: Recovery) -> World:
        return world.host_is(index, host._replace(recovery=recovery))

    if host.recovery is Recovery.NONE and host.address is not Entry.NONE:
        if Rule.ADOPT_ENTRY in setting.rules:
            yield Step(f"the leader adopts an entry of h{index}", becomes(Recovery.INTENT))
    elif host.recovery is Recovery.INTENT:
        yield Step(f"the leader cancels the recovery of h{index}", becomes(Recovery.NONE))
    missing = host.address is Entry.NONE and Rule.ADDRESS_ENTRY in setting.rules
    if host.recovery in STAYS_FENCED and missing:
        watched = host._replace(address=Entry.SENT)
        yield Step(f"the watchdog restores the entry of h{index}", world.host_is(index, watched))
    if not missing and (all_enforced(host) or Rule.BARRIER not in setting.rules):
        if host.recovery is Recovery.FENCING:
            yield Step(f"the leader has proven the fence of h{index}", becomes(Recovery.PROVEN))
        if host.recovery is Recovery.CLEAN_UNPROVEN:
            yield Step(f"the leader has proven the fence of h{index}", becomes(Recovery.CLEAN))


def _adopt_claim(world: World, setting: Setting) -> Iterator[Step]:
    """The assignment is corrected from the claim, never the reverse."""
    if not {Rule.CLAIM, Rule.ADOPT_CLAIM} <= setting.rules or world.claim.holder == NOBODY:
        return
    claim, assignment = world.claim, world.assignment
    if assignment.host != claim.holder or claim.epoch > assignment.epoch:
        after = world._replace(assignment=Assignment(*claim))
        yield Step(f"the leader corrects the assignment from the claim of h{claim.holder}", after)


def late_steps(world: World, setting: Setting) -> Iterator[Step]:
    if world.late:
        after = done(world._replace(late=None), setting, world.late)
        yield Step(f"late, a former leader {_sentence(world.late)}", after)


def leader_disturbances(world: World, setting: Setting) -> Iterator[Step]:
    for index in HOSTS:
        host = world.hosts[index]
        if host.recovery is Recovery.NONE and Disturbance.SUSPICION in setting.kinds:
            suspected = host._replace(recovery=Recovery.INTENT)
            after = world.host_is(index, suspected).disturbed()
            yield Step(f"the leader thinks h{index} dead and intends to fence it", after, True)
    if Disturbance.REVOKE in setting.kinds:
        for act in _revocations(world, setting):
            yield Step(f"the leader {_sentence(act)}", done(world, setting, act).disturbed(), True)
    if Disturbance.LEADER_CHANGE in setting.kinds and world.late is None:
        for act in (*_left_in_hand(world, setting), *_revocations(world, setting)):
            sentence = f"the leader loses its office just before it {_sentence(act)}"
            yield Step(sentence, world._replace(late=act).disturbed(), True)


def _revocations(world: World, setting: Setting) -> Iterator[Late]:
    """An assignment that nobody took is spent by raising the floor; without claims nothing can do that."""
    owner, epoch = world.assignment
    if owner == NOBODY or Rule.CLAIM not in setting.rules:
        return
    if world.claim.holder == NOBODY and world.claim.epoch < epoch:
        yield Late(Act.REVOKE, owner, world.claim, world.assignment)


def _left_in_hand(world: World, setting: Setting) -> Iterator[Late]:
    for act in decisions(world, setting):
        if act.act is not Act.LIFT or Rule.BOUNDED_LIFTER not in setting.rules:
            yield act
    if Rule.CLEAN_FOR_THIS_RECOVERY not in setting.rules:
        for index in HOSTS:
            if world.hosts[index].recovery is Recovery.CLEAN:
                yield Late(Act.BELIEVE_CLEAN, index)
