"""What the storage does by itself: its OSDs learn of entries, and entries that expire do."""

from __future__ import annotations

from collections.abc import Iterator

from quantix_lab.ha_model.rules import Disturbance, Rule, Setting
from quantix_lab.ha_model.search import Step
from quantix_lab.ha_model.world import HOSTS, Entry, Host, World


def storage_steps(world: World) -> Iterator[Step]:
    for index in HOSTS:
        host = world.hosts[index]
        if host.last_writes is not None and not host.frozen:
            arrived = world.host_is(index, host._replace(last_writes=None))
            yield Step(f"the last writes of h{index}'s dead QEMU have arrived or were refused", arrived)
        if not all_enforced(host):
            yield Step(f"every OSD has learnt the entries of h{index}", world.host_is(index, _enforced(host)))


def storage_disturbances(world: World, setting: Setting) -> Iterator[Step]:
    if Rule.NO_EXPIRY in setting.rules or Disturbance.EXPIRY not in setting.kinds:
        return
    for index in HOSTS:
        host = world.hosts[index]
        if host.address is not Entry.NONE or (host.qemu and host.qemu.entry is not Entry.NONE):
            after = world.host_is(index, lifted(host, keep_instances=False))
            yield Step(f"the entries of h{index} expire", after.disturbed(), True)


def all_enforced(host: Host) -> bool:
    """What was sent is known to every OSD: the barrier's reads returned."""
    entries = (host.address, host.agent, host.last_writes, host.qemu.entry if host.qemu else Entry.NONE)
    return Entry.SENT not in entries


def fenced(host: Host, setting: Setting) -> Host:
    """The monitor has an entry for each client of the host, and one for its addresses."""
    if Rule.ADDRESS_ENTRY in setting.rules:
        host = host._replace(address=sent(host.address))
    qemu = host.qemu
    return host._replace(
        agent=sent(host.agent),
        last_writes=None if host.last_writes is None else sent(host.last_writes),
        qemu=qemu._replace(entry=sent(qemu.entry)) if qemu else None,
    )


def lifted(host: Host, keep_instances: bool) -> Host:
    host = host._replace(address=Entry.NONE)
    if keep_instances:
        return host
    qemu = host.qemu
    return host._replace(agent=Entry.NONE, qemu=qemu._replace(entry=Entry.NONE) if qemu else None)


def sent(entry: Entry) -> Entry:
    return Entry.SENT if entry is Entry.NONE else entry


def _enforced(host: Host) -> Host:
    def learnt(entry: Entry) -> Entry:
        return Entry.ENFORCED if entry is Entry.SENT else entry

    qemu = host.qemu
    return host._replace(
        address=learnt(host.address),
        agent=learnt(host.agent),
        last_writes=None if host.last_writes is None else learnt(host.last_writes),
        qemu=qemu._replace(entry=learnt(qemu.entry)) if qemu else None,
    )
