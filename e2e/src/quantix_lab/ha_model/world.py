"""The state of one disk: two hosts, the storage, the API; what a former leader may still do."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

NOBODY = -1
HOSTS = (0, 1)

MORE_THAN_ONE_WRITES = "two QEMUs can write the disk"
LATE_WRITES = "writes of a QEMU that is gone arrive beside its successor's"
STALE_MEMORY = "memory was resumed that is older than its disk"


class Entry(StrEnum):
    """Of the storage's blocklist: `SENT` means that the monitor has it and not every OSD yet."""

    NONE = "none"
    SENT = "sent"
    ENFORCED = "enforced"


class Phase(StrEnum):
    RUNNING = "running"
    PAUSED = "paused"
    """The source of a migration, after its last page was sent."""
    INCOMING = "incoming"
    STALE = "stale"


class Recovery(StrEnum):
    """The HostRecovery of a host, by what its leader may do next."""

    NONE = "none"
    INTENT = "intent"
    FENCING = "fencing"
    PROVEN = "proven"
    CLEAN_UNPROVEN = "clean unproven"
    """The host's report came before the proof."""
    CLEAN = "clean"


class Qemu(NamedTuple):
    phase: Phase
    epoch: int
    entry: Entry = Entry.NONE
    """Of its own client instance."""


class Host(NamedTuple):
    recovery: Recovery = Recovery.NONE
    address: Entry = Entry.NONE
    """Of every storage address: it also stops clients born later."""
    agent: Entry = Entry.NONE
    """Of hostd's own client instance."""
    qemu: Qemu | None = None
    creating: int = 0
    """The epoch under which libvirtd was ordered to create the domain; 0 when nothing is in flight."""
    told: int = 0
    """The epoch that hostd believes it is assigned under."""
    frozen: bool = False
    last_writes: Entry | None = None
    """The entry of the client of a QEMU that was killed, while its sockets may still hold writes."""

    @property
    def reaches_storage(self) -> bool:
        """hostd may move claims."""
        return self.address is not Entry.ENFORCED and self.agent is not Entry.ENFORCED

    @property
    def has_late_writes(self) -> bool:
        let_through = self.last_writes not in (None, Entry.ENFORCED) and self.address is not Entry.ENFORCED
        return let_through and not self.frozen

    @property
    def writes(self) -> bool:
        qemu = self.qemu
        return (
            qemu is not None
            and qemu.phase in (Phase.RUNNING, Phase.STALE)
            and not self.frozen
            and self.address is not Entry.ENFORCED
            and qemu.entry is not Entry.ENFORCED
        )


class Assignment(NamedTuple):
    host: int = NOBODY
    epoch: int = 0


class Claim(NamedTuple):
    """held(epoch, holder), or free(epoch) when nobody holds it."""

    holder: int = NOBODY
    epoch: int = 0


class Job(StrEnum):
    COPYING = "copying"
    STOPPED = "stopped"
    """The target has all; the source's QEMU is paused."""
    GONE = "gone"
    """The source's QEMU is gone, and its hostd knows that the target has all."""
    SWITCHED = "switched"
    """By post-copy: the source's QEMU stands still for ever and sends what the target lacks."""
    HANDED = "handed"
    """The same, and the claim names the target."""
    BROKEN = "broken"
    """What the target lacks does not come any more."""


POST_COPY_JOBS = (Job.SWITCHED, Job.HANDED, Job.BROKEN)


class Migration(NamedTuple):
    source: int
    target: int
    job: Job = Job.COPYING


class Act(StrEnum):
    FENCE = "fences"
    LIFT = "lifts the fence of"
    FREE = "frees the claim of"
    REVOKE = "revokes the assignment of"
    ASSIGN = "assigns the VM to"
    BELIEVE_CLEAN = "believes an old clean report of"


class Late(NamedTuple):
    """What a former leader decided on what it had read, and does at any time from now on."""

    act: Act
    host: int
    claim: Claim = Claim()
    assignment: Assignment = Assignment()


class Backup(NamedTuple):
    assignment: Assignment
    recoveries: tuple[Recovery, Recovery]


class World(NamedTuple):
    assignment: Assignment
    claim: Claim
    hosts: tuple[Host, Host]
    migration: Migration | None
    late: Late | None
    backup: Backup | None
    disturbances_left: int

    def host_is(self, index: int, host: Host) -> World:
        hosts = (host, self.hosts[1]) if index == 0 else (self.hosts[0], host)
        return self._replace(hosts=hosts)

    def disturbed(self) -> World:
        return self._replace(disturbances_left=self.disturbances_left - 1)


def new_world(disturbances: int, runs_already: bool) -> World:
    if not runs_already:
        return World(Assignment(), Claim(), (Host(), Host()), None, None, None, disturbances)
    owner = Host(qemu=Qemu(Phase.RUNNING, 1), told=1)
    return World(Assignment(0, 1), Claim(0, 1), (owner, Host()), None, None, None, disturbances)


def broken(world: World) -> str | None:
    one, other = world.hosts
    if one.writes and other.writes:
        return MORE_THAN_ONE_WRITES
    if (one.writes or other.writes) and (one.has_late_writes or other.has_late_writes):
        return LATE_WRITES
    if any(host.qemu and host.qemu.phase is Phase.STALE for host in world.hosts):
        return STALE_MEMORY
    return None


def settled(world: World) -> bool:
    """The VM runs once, where its assignment and its claim say, and nothing is left of any trouble."""
    if world.late or world.migration or world.assignment.host == NOBODY:
        return False
    owner = world.assignment.host
    quiet = all(
        host.recovery is Recovery.NONE and host.address is Entry.NONE and not host.frozen
        for host in world.hosts
    )
    return (
        quiet
        and world.hosts[owner].writes
        and world.hosts[1 - owner].qemu is None
        and world.claim.holder == owner
    )
