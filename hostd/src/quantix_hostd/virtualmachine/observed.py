"""One moment of a VM on this host, frozen: what `observe` saw and `plan` and `status` decide by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from quantix_api import VirtualMachine
from quantix_api.errors import QuantixError
from quantix_hostd.claims import CephPool, Claim, PoolKey, VolumePlace, place_shown
from quantix_hostd.domainxml.spec import UNBOUND, BoundMemory, DomainSpec
from quantix_hostd.domainxml.view import DomainView
from quantix_hostd.facts.domain import DomainSnapshot
from quantix_hostd.facts.process import QemuProcess
from quantix_hostd.facts.switch import PortProblem
from quantix_hostd.migration.leaving import Leaving
from quantix_hostd.virtualmachine.agent_state import NOT_SEEN, AgentState
from quantix_hostd.virtualmachine.desired import HostFacts, VolumeState
from quantix_hostd.virtualmachine.disk_move import DiskMove
from quantix_hostd.virtualmachine.record import Record, SeenEvent


@dataclass(frozen=True)
class DiskClaim:
    """The claim beside one volume; None where there is none, or where `problem` kept it from being read."""

    place: VolumePlace
    claim: Claim | None
    problem: QuantixError | None = None


@dataclass(frozen=True)
class Observed:
    """`vm` is None when the store has none: then nothing is ever stopped.

    `wanted` is the domain that should run, or None with `waiting` saying what it waits for; for a guest that
    runs `waiting` may also tell of what `wanted` leaves out. `live` and `inactive` are views of the domain
    found. `claims` are in the order of spec; `beside` are those of places that the record alone names, by
    which nothing is decided but whether they are given back. `processes` are the VM's own QEMUs; those of
    `others_with_uuid` only keep it from starting, and are never ended.
    `shutting_down`: the host, or this VM as `maintenance` of its host wants it.
    `agent_channel`: the guest holds its agent's channel. `now_s`: seconds since the machine booted, by which
    durations are judged; `wall_s`: seconds since 1970, to be written, or compared with a time of the user's.
    `silent`: the pools that did not answer, and in which words: of what lies in them nothing
    is known, so nothing follows. `full`: those in which no write has room, and why. `unwritable`: places in
    either. `out_of_memory`: the kernel says that it ended the QEMU of `record` for want of memory.
    `entered_cpus`: those that the book of CPUs gives to it alone, `entered_memory`: what is bound to their
    nodes. `entered_devices`: the host's devices that the book of devices gives to it, by name.
    """

    uid: str
    vm: VirtualMachine | None
    facts: HostFacts
    now_s: float
    wall_s: float
    record: Record
    synced: bool = True
    recovery_open: bool = False
    shutting_down: bool = False
    maintenance: bool = False
    domain: DomainSnapshot | None = None
    inactive: DomainView | None = None
    live: DomainView | None = None
    agent_channel: bool = False
    agent: AgentState = NOT_SEEN
    processes: tuple[QemuProcess, ...] = ()
    others_with_uuid: tuple[QemuProcess, ...] = ()
    events: tuple[SeenEvent, ...] = ()
    volumes: tuple[VolumeState, ...] = ()
    claims: tuple[DiskClaim, ...] = ()
    beside: tuple[DiskClaim, ...] = ()
    wanted: DomainSpec | None = None
    waiting: QuantixError | None = None
    port_problems: tuple[PortProblem, ...] = ()
    guest_answers: bool = True
    startable: bool = True
    """Whether `wanted` can be made a domain here; where it cannot, `waiting` says why."""
    silent: Mapping[PoolKey, QuantixError] = field(default_factory=dict)
    full: Mapping[PoolKey, str] = field(default_factory=dict)
    unwritable: tuple[VolumePlace, ...] = ()
    out_of_memory: bool = False
    moves: tuple[DiskMove, ...] = ()
    entered_cpus: tuple[int, ...] = ()
    entered_memory: BoundMemory = UNBOUND
    entered_devices: Mapping[str, str] = field(default_factory=dict)
    leaving: Leaving | None = None
    """The migration that is to bring it to another host."""
    kept_still: bool = False
    """Whether a snapshot of it is being taken: nothing begins that moves it, or a disk of it."""
    in_moment: bool = False
    """Whether it stands still for that, maybe: whoever takes the snapshot has it go on."""

    @property
    def agent_connected(self) -> bool:
        """Whether the agent in the guest answers; while nobody knows yet, as the API has it."""
        if not self.agent_channel or self.agent.known:
            return self.agent_channel and self.agent.speaks
        before = self.vm.status.condition("AgentConnected") if self.vm else None
        return before is not None and before.status == "True"

    @property
    def epoch(self) -> int:
        assignment = self.vm.status.assignment if self.vm else None
        return assignment.epoch if assignment else 0

    @property
    def is_mine(self) -> bool:
        """Whether the assignment names this host."""
        assignment = self.vm.status.assignment if self.vm else None
        return assignment is not None and assignment.host == self.facts.name

    @property
    def domain_epoch(self) -> int:
        """The epoch that the domain was started under, from its own metadata; 0 without a domain."""
        view = self.live or self.inactive
        return view.metadata.epoch if view and view.metadata else 0

    @property
    def runs(self) -> bool:
        """Whether a QEMU of the VM lives here, known to libvirt or not."""
        return bool(self.processes) or (self.domain is not None and self.domain.active)

    @property
    def stalls(self) -> bool:
        """Whether what its guest writes waits in QEMU for room in Ceph, and QEMU would wait for that, too,
        were the guest to stand still.
        """
        opened = disk_places(self.live).values()
        return any(isinstance(place.pool, CephPool) and place.pool in self.full for place in opened)

    @property
    def is_to_run(self) -> bool:
        """Whether the VM is to run here, or does."""
        if self.vm is None or not self.is_mine:
            return False
        stopped = self.vm.spec.power_state == "Stopped" or self.vm.metadata.deletion_timestamp is not None
        return not (stopped or self.record.ended or self.record.released)

    @property
    def uuid(self) -> str:
        """What SMBIOS tells the guest: the domain's, else what was resolved for it."""
        if self.domain is not None:
            return self.domain.uuid
        resolved = self.vm.status.resolved if self.vm else None
        return (resolved.uuid if resolved else None) or self.uid

    @property
    def ports(self) -> tuple[str, ...]:
        """The logical switch ports of the VM's NICs."""
        return tuple(nic.port for nic in self.vm.status.nics if nic.port) if self.vm else ()

    @property
    def deciding(self) -> DiskClaim | None:
        """Of a guest that runs the claim of its own first disk, whatever spec says (a restored API may name
        others); else that of the first in spec. None: there is no disk.
        """
        if self.live is None:
            return self.claims[0] if self.claims else None
        opened = set(disk_places(self.live).values())
        return next((found for found in self.claims if found.place in opened), None)

    @property
    def claim_lost(self) -> bool:
        """Whether the deciding claim was read and does not name this host under the domain's epoch; where no
        domain tells one, under any. Never of a guest that has no disk: it writes nowhere.
        """
        claim = self.deciding.claim if self.deciding else None
        if claim is None:
            return False
        if self.domain_epoch:
            return not claim.held_by(self.facts.name, self.domain_epoch)
        return claim.holder is None or claim.holder.host != self.facts.name or claim.vm_uid != self.uid

    @property
    def known_claims(self) -> tuple[Claim, ...]:
        """The claims of this cluster that there are."""
        claims = [found.claim for found in self.claims if found.claim is not None]
        return tuple(claim for claim in claims if claim.cluster_uid == self.facts.cluster_uid)

    @property
    def claim_epoch(self) -> int:
        """The epoch that counts by the claims: that under which this host holds the deciding one, else the
        highest that was released; for a VM without disks that of its domain. 0: none.

        It is above the assignment's after the API was restored, and then it is right (ha.md, Ownership).
        """
        if self.deciding is None:
            return self.domain_epoch
        known = self.known_claims
        claim = self.deciding.claim if self.deciding.claim in known else None
        holder = claim.holder if claim is not None and claim.vm_uid == self.uid else None
        if holder is not None and holder.host == self.facts.name:
            return holder.epoch
        return max((claim.floor for claim in known), default=0)

    @property
    def held(self) -> tuple[VolumePlace, ...]:
        """Where claims may be to give back: those that the record remembers, then those that are seen."""
        return tuple(dict.fromkeys((*self.record.places, *self.places)))

    @property
    def places(self) -> tuple[VolumePlace, ...]:
        return tuple(claim.place for claim in self.claims)


def guest_is_ready(observed: Observed) -> bool:
    """Whether the guest does what spec.readiness waits for; True where it waits for nothing."""
    readiness = observed.vm.spec.readiness if observed.vm else None
    if readiness is None:
        return True
    return observed.agent_connected if readiness.agent is not None else observed.guest_answers


def disk_places(seen: DomainView | None) -> dict[str, VolumePlace]:
    """Where the disks of a domain lie, by their names, whatever spec says now."""
    places = {}
    for alias, device in seen.devices.items() if seen else ():
        place = place_shown(device.get("path", "")) if device.get("device") == "disk" else None
        if place is not None:
            places[alias.removeprefix("ua-")] = place
    return places
