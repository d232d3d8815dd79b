"""Brings each VM of this host to what the API wants: observe, plan, apply until nothing is left, report.

`assembly` builds it, feeds its queue with `keys_of` for changes in the API and with libvirt's events, and
calls `reconcile` from the queue's workers. Keys are VM UIDs: a name may come back as another VM while the
domain of the first is still there. hostd's end stops no guest, only `shut_down_guests` does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

import structlog

from quantix_api import VirtualMachine
from quantix_api.errors import InvariantError, PermanentError, QuantixError, TransientError, WaitingError
from quantix_api.messages import as_error
from quantix_api.resources import MANAGER_HOSTD, VIRTUAL_MACHINES, Resource
from quantix_client.apply import owned_fields
from quantix_client.errors import ApiError
from quantix_client.reading import model_of
from quantix_client.reflector import Change
from quantix_hostd.domainxml.spec import vm_uid_of
from quantix_hostd.events import tell
from quantix_hostd.facts.domain import DomainEvent, EventKind
from quantix_hostd.report import report
from quantix_hostd.virtualmachine.actions import Action
from quantix_hostd.virtualmachine.apply import apply
from quantix_hostd.virtualmachine.between_looks import Kept, Memory, version_of
from quantix_hostd.virtualmachine.concerned import concerned_vms
from quantix_hostd.virtualmachine.following import follow_guest, follow_leaving, follow_moves
from quantix_hostd.virtualmachine.leaving_plan import is_left
from quantix_hostd.virtualmachine.objects import Manifest
from quantix_hostd.virtualmachine.observe import observe
from quantix_hostd.virtualmachine.observed import Observed
from quantix_hostd.virtualmachine.orphans import Orphan, find_orphans, order_end
from quantix_hostd.virtualmachine.plan import plan_virtual_machine
from quantix_hostd.virtualmachine.readiness import with_answer
from quantix_hostd.virtualmachine.record import SeenEvent
from quantix_hostd.virtualmachine.resets import ResetWatch
from quantix_hostd.virtualmachine.state_keeper import StateKeeper
from quantix_hostd.virtualmachine.status import began_anew, derive_status, unseen_status
from quantix_hostd.virtualmachine.steps import Plan, is_detained, is_for_later, refusal_of, unsettled
from quantix_hostd.virtualmachine.tools import VmTools
from quantix_hostd.virtualmachine.transitions import Failure, transitions
from quantix_hostd.virtualmachine.verdict import Verdict, judge, refused
from quantix_hostd.virtualmachine.vm_ref import VmRef
from quantix_hostd.volume.wanted import assigned_to

log = structlog.get_logger(__name__)

_NEXT_EPOCH_S, _LENT_S = 1.0, 0.5
_MAX_ROUNDS = 8
_RESYNC_S = 60.0
_FINAL_RETRY_S = 60.0
QUIET_S = 2.0
_RECORDED = frozenset(
    {EventKind.STARTED, EventKind.STOPPED, EventKind.SHUTDOWN, EventKind.CRASHED, EventKind.IO_ERROR}
)


class VirtualMachineReconciler:
    """One for a host. `enqueue` puts a VM's UID into the queue; a wait below `quiet_s` is not written."""

    def __init__(self, tools: VmTools, enqueue: Callable[[str], None], *, quiet_s: float = QUIET_S) -> None:
        self._tools = tools
        self._enqueue = enqueue
        self._quiet_s = quiet_s
        self._memory, self._resets = Memory(), ResetWatch(tools)
        self.keep_states = StateKeeper(tools, self._memory).keep
        self._shutting_down = False
        self.alone = self._memory.lend

    async def reconcile(self, key: str) -> float | None:
        """Bring the VM with this UID nearer; returns seconds until the next look.

        Raises TransientError (retried with backoff) and WaitingError (retried when it says). What keeps this
        host from looking at the VM is said in its Ready before it is raised.
        """
        if self._tools.comes(key):
            # what is here of it is another's to look after, until the VM is assigned to this host
            return _RESYNC_S
        if self._memory.is_lent(key):
            return _LENT_S
        try:
            async with self._memory.hold(key) as kept:
                kept.detained = False
                try:
                    observed, plan, error = await self._advance(key)
                except QuantixError as blind:
                    await self._report_unseen(key, kept, blind)
                    raise
                await follow_guest(self._tools, observed)
                follow_moves(self._tools, observed, plan)
                await follow_leaving(self._tools, observed, plan)
                kept.is_being_ended = observed.vm is None and bool(plan.actions or plan.wait or error)
                kept.detained = is_detained(observed, plan, error)
                later_s = await self._report(observed, kept, plan, error)
        finally:
            self._forget_if_gone(key)
        return self._next_look_s(plan, error, later_s)

    def _forget_if_gone(self, uid: str) -> None:
        in_api = self._tools.objects.virtual_machine_manifest(uid) is not None
        if not in_api and not self._memory.of(uid).is_being_ended:
            self._memory.forget(uid)
            self._resets.forget(uid)

    async def end_orphan(self, uid: str) -> Orphan:
        """End the guest of a VM that the API does not have; returns what it is, as its end begins.

        Raises as `orphans.order_end`.
        """
        async with self._memory.hold(uid) as kept:
            orphan = await order_end(self._tools, uid)
            kept.is_being_ended = True
        log.warning("end of an orphan ordered", uid=uid, vm=orphan.vm, volumes=list(orphan.volumes))
        self._enqueue(uid)
        return orphan

    def keys_of(self, resource: Resource, change: Change) -> Iterable[str]:
        """The VMs that a change in the API concerns: wire this to every reflector's `on_change`."""
        return concerned_vms(resource, change, self._tools.objects.virtual_machine_uids)

    def on_libvirt_event(self, event: DomainEvent) -> None:
        """Remember what tells the cause of a death, and wake the VM. For the event loop's thread."""
        uid = vm_uid_of(event.domain_name)
        if uid is None:
            return
        if event.kind in _RECORDED:
            self._tools.records.add_event(uid, SeenEvent(event.kind, event.detail))
        if event.kind is EventKind.WATCHDOG:
            # one time it fired must not pass for another
            self._tools.records.add_event(uid, SeenEvent(event.kind, str(self._tools.wall())))
        if event.kind is EventKind.SUSPENDED and event.detail == "MIGRATED" and self._tools.departures:
            self._tools.departures.stopped(uid)
        if event.kind is EventKind.REBOOT:
            self._resets.note(uid)
        if event.kind is EventKind.STOPPED:
            self._resets.forget(uid)
        if event.kind is EventKind.AGENT:
            self._tools.guests.channel_changed(uid)
        self._enqueue(uid)

    async def resync(self) -> None:
        """Look at every VM that this host has, remembers or is assigned; after each (re)connection."""
        uids = {*self._tools.objects.virtual_machine_uids(), *self._tools.records.known_uids()}
        uids |= {domain.vm_uid for domain in await self._tools.hypervisor.domains() if domain.vm_uid}
        for uid in sorted(uids):
            self._enqueue(uid)

    def remembered(self) -> frozenset[str]:
        """UIDs of the VMs that anything is kept of in memory."""
        return self._memory.uids()

    async def orphans(self) -> tuple[Orphan, ...]:
        """As `find_orphans`."""
        return await find_orphans(self._tools)

    async def shut_down_guests(self) -> None:
        """The host goes down (`qx down`, shutdown of the machine): shut every guest down and release it.

        Returns at once; `guests_left` says what still runs.
        """
        self._shutting_down = True
        await self.resync()

    async def guests_left(self) -> tuple[str, ...]:
        """UIDs of VMs that still have something here, or whose release has not been reported yet.

        A pool that is away keeps no host from going down: what is held there is given back at hostd's return.
        """
        defined = {domain.vm_uid for domain in await self._tools.hypervisor.domains() if domain.vm_uid}
        assigned = set(self._tools.objects.virtual_machine_uids())
        unreleased = (assigned - self._memory.released()) | self._memory.being_ended()
        return tuple(sorted(defined | (unreleased - self._memory.detained())))

    async def _advance(self, uid: str) -> tuple[Observed, Plan, QuantixError | None]:
        observed, plan, error = await self._act(uid)
        observed = await with_answer(self._tools, observed, plan)
        if error is None and not observed.guest_answers:
            # it says when to ask again
            plan = plan_virtual_machine(observed)
        return observed, plan, error

    async def _act(self, uid: str) -> tuple[Observed, Plan, QuantixError | None]:
        done: tuple[Action, ...] = ()
        for _ in range(_MAX_ROUNDS):
            observed = await self._observe(uid)
            plan = plan_virtual_machine(observed)
            if not plan.actions or is_for_later(plan, done):
                return observed, plan, None
            done = plan.actions
            try:
                await apply(self._tools, VmRef(uid, observed.vm), plan.actions)
            except QuantixError as error:
                return observed, plan, error
            except OSError as error:
                return observed, plan, self._disk_trouble(error)
        bug = unsettled(plan)
        if bug is not None:
            log.error("virtual machine does not settle", uid=uid, rounds=_MAX_ROUNDS, error=bug.message)
        return observed, plan, bug

    async def _observe(self, uid: str) -> Observed:
        await self._tools.cpus.load(self._tools.hypervisor)
        try:
            return await observe(self._tools, uid, shutting_down=self._shutting_down)
        except OSError as error:
            raise self._disk_trouble(error) from error

    def _disk_trouble(self, error: OSError) -> TransientError:
        """The record, directories and logs of a VM are files of the host, in no pool."""
        host, said = self._tools.facts().name, error.strerror or str(error)
        return as_error(TransientError, "InternalError", host=host, said=said, path=error.filename)

    async def _report_unseen(self, uid: str, kept: Kept, error: QuantixError) -> None:
        vm, manifest = self._tools.objects.virtual_machine(uid), self._newest(uid, kept)
        if vm is None or manifest is None or not self._tools.objects.synced:
            return
        if not assigned_to(vm, self._tools.facts().name):
            return
        verdict = replace(refused(error), passing=True)
        if self._not_worth_a_write_s(kept, verdict) > 0:
            return
        newest = model_of(VirtualMachine, manifest)
        if newest.status.assignment != vm.status.assignment:
            return
        said = owned_fields(manifest, MANAGER_HOSTD, "status").get("status") or {}
        status = unseen_status(newest, said, verdict, self._tools.wall())
        if status is None:
            return
        try:
            written = await report(self._tools.api, VIRTUAL_MACHINES, manifest, status)
        except ApiError as second:
            log.warning("not reported", uid=uid, reason=second.reason, error=second.message)
            return
        if written is not None:
            kept.written = written

    async def _report(
        self, observed: Observed, kept: Kept, plan: Plan, error: QuantixError | None
    ) -> float | None:
        """Write the status if it changed; returns when to look again because it is not worth a write yet."""
        vm = observed.vm
        if vm is None or is_left(observed, plan.record) or not (observed.is_mine and observed.synced):
            kept.passing_since = None
            return None
        verdict = judge(observed, plan, error)
        wait_s = self._not_worth_a_write_s(kept, verdict)
        if wait_s > 0 and not began_anew(vm, plan):
            return wait_s
        manifest = self._newest(observed.uid, kept)
        if manifest is None:
            return None
        # what was decided is about the spec that was seen, and about what was resolved of it; only earlier
        # conditions come from the newest
        newest = model_of(VirtualMachine, manifest)
        if newest.status.assignment != vm.status.assignment:
            return _NEXT_EPOCH_S  # it is about an epoch that is over, and would be a lie about the next
        status_before = newest.status.model_copy(update={"resolved": vm.status.resolved})
        known = replace(observed, vm=vm.model_copy(update={"status": status_before}))
        status = derive_status(known, plan, verdict)
        written = await report(self._tools.api, VIRTUAL_MACHINES, manifest, status)
        kept.released = plan.record.released
        if written is not None:
            kept.written = written
            failure = Failure(plan.record.failure or "QEMUCrashed", plan.record.out_of_memory)
            for told in transitions(known, status, refusal_of(plan, error), failure):
                tell(self._tools.events, VIRTUAL_MACHINES, manifest, told)
        return None

    def _newest(self, uid: str, kept: Kept) -> Manifest | None:
        """The object as the watch or our own last write tells it: the watch may lag behind the write."""
        seen = self._tools.objects.virtual_machine_manifest(uid)
        if seen is None or kept.written is None or version_of(seen) >= version_of(kept.written):
            kept.written = None
            return seen
        return kept.written

    def _not_worth_a_write_s(self, kept: Kept, verdict: Verdict) -> float:
        if not verdict.passing:
            kept.passing_since = None
            return 0.0
        now_s = self._tools.clock.monotonic()
        kept.passing_since = kept.passing_since or now_s
        return max(0.0, self._quiet_s - (now_s - kept.passing_since))

    @staticmethod
    def _next_look_s(plan: Plan, error: QuantixError | None, later_s: float | None) -> float:
        if isinstance(error, WaitingError):
            return min(error.retry_after_s, later_s or error.retry_after_s)
        if isinstance(error, PermanentError | InvariantError):
            return _FINAL_RETRY_S
        if isinstance(error, TransientError):
            raise error
        waits = [wait for wait in (plan.requeue_after_s, later_s, _RESYNC_S) if wait is not None]
        return max(min(waits), 0.05)
