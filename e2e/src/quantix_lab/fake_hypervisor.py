"""A hypervisor in memory that keeps libvirt's contract as far as hostd relies on it.

It fulfils `Hypervisor` and `ProcessTable`'s reading side; the contract suite runs on it and on real QEMU.
Guests obey ACPI when `guest_obeys`, let devices go and take memory when `guest_lets_go`, and end as told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from xml.etree import ElementTree

from quantix_api.errors import InvariantError, QuantixError, TransientError
from quantix_hostd.domainxml.spec import vm_uid_of
from quantix_hostd.facts.domain import (
    PAUSED_BY_USER,
    DomainEvent,
    DomainSnapshot,
    DomainState,
    DomainStats,
    DomainSummary,
    EventKind,
    Picture,
    ShutdownMode,
    ShutoffReason,
)
from quantix_hostd.facts.guest import GuestReport
from quantix_hostd.facts.process import DomainProcesses, QemuProcess, processes_of
from quantix_lab.fake_agents import FakeAgents
from quantix_lab.fake_disk_copies import FakeDiskCopies
from quantix_lab.fake_domain import FakeDomain
from quantix_lab.fake_guest_moments import FakeGuestMoments
from quantix_lab.fake_guest_moves import FakeGuestMoves
from quantix_lab.fake_live_changes import FakeLiveChanges, values_of


@dataclass
class FakeHypervisor(FakeLiveChanges, FakeDiskCopies, FakeGuestMoves, FakeGuestMoments, FakeAgents):
    """`calls` lists what was done; `orphans` are processes that libvirt would deny; `refusal` is what every
    start and every plug ends with, `process_state` that of every QEMU (in "D" nothing ends it), `secrets`
    what it knows of passphrases now, `agent_says` what every agent answers, or raises; `screen` is what a
    guest shows. `disk_says`: the error that a resumed guest runs into at once, as QEMU resumes without a
    word. Copies of disks are whole at once when `copies_at_once`.
    """

    on_event: Callable[[DomainEvent], None] = lambda event: None
    guest_obeys: bool = True
    process_state: str = "S"
    guest_lets_go: bool = True
    copies_at_once: bool = True
    copy_speeds: list[int] = field(default_factory=list)
    connected: bool = True
    found: dict[str, FakeDomain] = field(default_factory=dict)
    orphans: list[QemuProcess] = field(default_factory=list)
    refusal: QuantixError | None = None
    disk_says: str = ""
    agent_says: GuestReport | QuantixError = field(default_factory=GuestReport)
    screen: bytes = b"P6\n1 1\n255\n\xff\xff\xff"
    calls: list[str] = field(default_factory=list)
    oom_scores: dict[int, int] = field(default_factory=dict)
    out_of_memory: set[int] = field(default_factory=set)
    secrets: dict[str, str] = field(default_factory=dict)
    passes: int = 0
    switches: bool = True
    lingers: bool = False
    _next_pid: int = 1000

    async def domains(self) -> tuple[DomainSummary, ...]:
        return tuple(self._summary(domain) for domain in self.found.values())

    async def domain(self, name: str) -> DomainSnapshot | None:
        self._ask()
        domain = self.found.get(name)
        if domain is None:
            return None
        return DomainSnapshot(
            domain.name, domain.uuid, domain.state, domain.reason, domain.xml, domain.live_xml
        )

    async def define(self, xml: str) -> None:
        self.did("define")
        root = ElementTree.fromstring(xml)
        name, uuid = root.findtext("name", ""), root.findtext("uuid", "")
        for domain in self.found.values():
            if (domain.name == name) != (domain.uuid == uuid) or (domain.name == name and not domain.is_ours):
                raise InvariantError("IdentityConflict", f"libvirt has a domain {domain.name} already.")
        before = self.found.get(name)
        if before is None:
            self.found[name] = FakeDomain(name, uuid, xml)
        else:
            before.xml = xml

    async def create_paused(self, name: str) -> None:
        self.did("create")
        domain = self._own(name)
        if domain.live_xml is not None:
            raise TransientError("InternalError", "domain is already running")
        if self.refusal is not None:
            domain.state, domain.reason = DomainState.SHUTOFF, ShutoffReason.FAILED
            raise self.refusal
        self._next_pid += 1
        domain.pid, domain.live_xml = self._next_pid, domain.xml
        domain.state, domain.reason = DomainState.PAUSED, PAUSED_BY_USER
        self._tell(domain, EventKind.STARTED, "0")

    async def set_secret(self, uuid: str, passphrase: str) -> None:
        self.secrets[uuid] = passphrase

    async def forget_secret(self, uuid: str) -> None:
        self.secrets.pop(uuid, None)

    async def resume(self, name: str) -> None:
        self.did("resume")
        self._running(name).state = DomainState.RUNNING
        self._own(name).reason = 1
        if self.disk_says:
            self.pause_by_io_error(name, self.disk_says)

    async def suspend(self, name: str) -> None:
        self.did("suspend")
        self._running(name).state = DomainState.PAUSED
        self._own(name).reason = PAUSED_BY_USER

    async def shutdown(self, name: str, mode: ShutdownMode) -> None:
        self.did("shutdown" if mode is ShutdownMode.ACPI else "shutdown by agent")
        domain = self._running(name)
        if mode is ShutdownMode.AGENT:
            self._agent(name)
        if domain.state is DomainState.PAUSED:
            raise TransientError("InternalError", "domain is paused (code 55)")
        if self.guest_obeys:
            self.power_off(name)

    async def reset(self, name: str) -> None:
        self.did("reset")
        self._tell(self._running(name), EventKind.REBOOT, "")

    async def destroy(self, name: str, *, graceful: bool) -> None:
        self.did("destroy")
        domain = self.found.get(name)
        if domain is not None and domain.live_xml is not None:
            self._own(name)
            if self.process_state == "D":
                raise TransientError("InternalError", f"Failed to terminate process {domain.pid}.")
            self._tell(domain, EventKind.SHUTDOWN, "HOST")
            self._end(domain, ShutoffReason.DESTROYED, "DESTROYED")

    async def undefine(self, name: str) -> None:
        self.did("undefine")
        domain = self.found.get(name)
        if domain is None:
            return
        if self._own(name).live_xml is not None:
            raise InvariantError("InternalError", f"Domain {name} runs and cannot be undefined.")
        del self.found[name]
        self._tell(domain, EventKind.UNDEFINED, "0")

    async def set_metadata(self, name: str, xml: str) -> None:
        self.did("set_metadata")
        self._own(name)

    async def resize_disk(self, name: str, target: str, size_bytes: int) -> None:
        self.did(f"resize {target} {size_bytes}")
        self._running(name)

    async def screenshot(self, name: str, most_bytes: int) -> Picture | None:
        self._ask()
        domain = self.found.get(name)
        return None if domain is None or domain.live_xml is None else Picture(self.screen[:most_bytes])

    async def stats(self) -> tuple[DomainStats, ...]:
        self._ask()
        return tuple(
            DomainStats(domain.name, values_of(domain.state, domain.live_xml))
            for domain in self.found.values()
        )

    # what a ProcessTable tells

    def of_domain(self, uuid: str, name: str) -> DomainProcesses:
        known = [
            QemuProcess(domain.pid, domain.uuid, domain.name, self.process_state)
            for domain in self.found.values()
            if domain.live_xml is not None
        ]
        return processes_of(uuid, name, (*known, *self.orphans))

    def end(self, process: QemuProcess, *, force: bool) -> None:
        self.calls.append("SIGKILL" if force else "SIGTERM")
        if force or self.guest_obeys:
            self.orphans.remove(process)

    def raise_oom_score(self, process: QemuProcess, score: int) -> None:
        self.oom_scores[process.pid] = max(score, self.oom_scores.get(process.pid, 0))

    # what the kernel's log tells

    def killed_for_memory(self, pid: int, since_s: float) -> bool:
        return pid in self.out_of_memory

    # what a guest, or fate, does

    def let_go(self, name: str, alias: str) -> None:
        super().let_go(name, alias)
        self._tell(self.found[name], EventKind.DEVICE_REMOVED, alias)

    def power_off(self, name: str) -> None:
        """The guest powers itself off."""
        domain = self.found[name]
        self._tell(domain, EventKind.SHUTDOWN, "GUEST")
        self._end(domain, ShutoffReason.SHUTDOWN, "SHUTDOWN")

    def kill(self, name: str) -> None:
        """kill -9 of its QEMU."""
        self._end(self.found[name], ShutoffReason.CRASHED, "FAILED")

    def kill_for_memory(self, name: str) -> None:
        """The kernel ends its QEMU for want of memory."""
        self.out_of_memory.add(self.found[name].pid)
        self.kill(name)

    def terminate(self, name: str) -> None:
        """SIGTERM to its QEMU."""
        domain = self.found[name]
        self._tell(domain, EventKind.SHUTDOWN, "HOST")
        self._end(domain, ShutoffReason.SHUTDOWN, "SHUTDOWN")

    def panic(self, name: str) -> None:
        """The guest's kernel panics; on_crash=preserve keeps QEMU."""
        domain = self.found[name]
        domain.state, domain.reason = DomainState.CRASHED, 1
        self._tell(domain, EventKind.CRASHED, "PANICKED")

    def bite(self, name: str) -> None:
        """The guest no longer feeds its watchdog."""
        self._tell(self.found[name], EventKind.WATCHDOG, "")

    def pause_by_io_error(self, name: str, why: str) -> None:
        domain = self.found[name]
        domain.state, domain.reason = DomainState.PAUSED, 5
        self._tell(domain, EventKind.IO_ERROR, f"ua-root {why}")
        self._tell(domain, EventKind.SUSPENDED, "IOERROR")

    def _end(self, domain: FakeDomain, reason: ShutoffReason, detail: str) -> None:
        domain.live_xml, domain.pid = None, 0
        domain.state, domain.reason = DomainState.SHUTOFF, reason
        self._tell(domain, EventKind.STOPPED, detail)

    def _tell(self, domain: FakeDomain, kind: EventKind, detail: str) -> None:
        self.told(domain.name, kind, detail)

    def told(self, name: str, kind: EventKind, detail: str) -> None:
        self.on_event(DomainEvent(name, kind, detail))

    def did(self, call: str) -> None:
        self._ask()
        self.calls.append(call)

    def _ask(self) -> None:
        if not self.connected:
            raise TransientError("LibvirtDown", "libvirtd does not answer.")

    def _own(self, name: str) -> FakeDomain:
        domain = self.found.get(name)
        if domain is None:
            raise TransientError("InternalError", f"libvirt has no domain {name}.")
        if not domain.is_ours:
            raise InvariantError("IdentityConflict", f"Domain {name} was not made by Quantix.")
        return domain

    def _running(self, name: str) -> FakeDomain:
        domain = self._own(name)
        if domain.live_xml is None:
            raise TransientError("InternalError", "domain is not running (code 55)")
        return domain

    @contextmanager
    def live(self, name: str) -> Iterator[ElementTree.Element]:
        """The live XML, to be changed."""
        domain = self._running(name)
        root = ElementTree.fromstring(domain.live_xml or "")
        yield root
        domain.live_xml = ElementTree.tostring(root, encoding="unicode")

    def _summary(self, domain: FakeDomain) -> DomainSummary:
        uid = vm_uid_of(domain.name) if domain.is_ours else None
        return DomainSummary(domain.name, domain.uuid, domain.state, domain.reason, uid)
