"""Which guests are to leave this host, how far they are, and how that is told: the source's part.

Used by the reconciler of VMs, which decides. Reads the migrations that the API names this host as source of.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import structlog

from quantix_api import Host, StoragePool, VirtualMachine, VirtualMachineMigration
from quantix_api.errors import QuantixError, TransientError
from quantix_api.messages import as_error
from quantix_api.quantities import size_bytes
from quantix_api.resources import HOSTS, MANAGER_SOURCE, VIRTUAL_MACHINE_MIGRATIONS, VIRTUAL_MACHINES
from quantix_api.scalars import MESSAGE_LENGTH
from quantix_api.virtual_machine_migration import VirtualMachineMigrationSpec
from quantix_client.api import ApiClient
from quantix_client.apply import apply_if_changed
from quantix_client.clock import Clock
from quantix_client.errors import ApiError, NotFound
from quantix_client.reading import model_of
from quantix_hostd.clients.hypervisor import Hypervisor
from quantix_hostd.clients.other_hostd import OtherHostd, Trust
from quantix_hostd.domainxml.spec import domain_name
from quantix_hostd.facts.migration import Sending, SendingProgress
from quantix_hostd.migration.leaving import Leaving, LeavingRecord
from quantix_hostd.migration.outgoing import OutgoingMoves, Target
from quantix_hostd.migration.said import is_over, newest, status_of, vm_uid_of
from quantix_hostd.migration.target_xml import target_xml
from quantix_hostd.virtualmachine.leaving_actions import SendGuest

log = structlog.get_logger(__name__)

Manifest = dict[str, Any]
_TOLD_EVERY_S = 2.0
_TOLD_AGAIN_S = 5.0


@dataclass
class Departures:
    """`migrations` is a cache of those whose source is this host, `host`. `ready`: whether QEMU has a
    certificate.
    """

    host: str
    api: ApiClient
    migrations: Mapping[str, Manifest]
    hypervisor: Hypervisor
    outgoing: OutgoingMoves
    trust: Trust
    ready: Callable[[], bool]
    clock: Clock
    source_towards: Callable[[str], Awaitable[str]]
    """The address with which packets to this one leave."""
    pool: Callable[[str], StoragePool | None]
    """The StoragePool of a name."""
    reach: Callable[[str, str, Trust], Target] = OtherHostd
    """The hostd of a host, at an address."""
    _told: dict[str, tuple[str, bool, float]] = field(default_factory=dict)
    """By UID of the VM: of which migration something was told, whether that was the last word, and when."""
    _asked_s: dict[str, float] = field(default_factory=dict)

    async def observe(self, vm_uid: str, kept: LeavingRecord | None) -> Leaving | None:
        """The migration that is to bring this VM away, of one that was begun that one; None when there is
        none. Raises TransientError.
        """
        manifest = self._of(vm_uid, kept)
        if manifest is not None:
            seen = _wish(manifest, ready=self.ready())
        elif kept is not None and kept.step != "stays":
            seen = Leaving(kept.migration, kept.target, cancelled=True)
        else:
            self._asked_s.pop(vm_uid, None)
            self._told.pop(vm_uid, None)
            self.outgoing.forget(vm_uid)
            return None
        sent = self.outgoing.state(vm_uid, seen.migration)
        sending = sent is not None and not sent.done and sent.error is None
        if kept is not None and kept.gone:
            target_epoch, went_on = await self._whereabouts(vm_uid, kept)
            return replace(
                seen,
                sending=sending,
                target_epoch=seen.target_epoch or target_epoch,
                went_on=went_on,
                told=self._was_told(vm_uid),
                progress=await self._progress(vm_uid) if kept.switched else None,
                stood_still_ms=self.outgoing.downtime_ms(vm_uid),
            )
        return replace(
            seen,
            sending=sending,
            sent=sent is not None and sent.done,
            failure=sent.error.message if sent is not None and sent.error is not None else "",
            by_target=sent is not None and sent.error is not None and sent.error.reason == "TargetFailed",
            progress=await self._progress(vm_uid) if sent is None or sending else None,
            stood_still_ms=self.outgoing.downtime_ms(vm_uid),
        )

    def _was_told(self, vm_uid: str) -> bool:
        return self.clock.monotonic() - self._asked_s.get(vm_uid, float("-inf")) < _TOLD_AGAIN_S

    async def _whereabouts(self, vm_uid: str, kept: LeavingRecord) -> tuple[int, bool]:
        """`target_epoch` and `went_on` as the API says of the VM, also once the migration is forgotten."""
        namespace, _, name = kept.vm.partition("/")
        try:
            vm = model_of(VirtualMachine, await self.api.get(VIRTUAL_MACHINES, name, namespace))
        except NotFound:
            return 0, True
        except ApiError:
            return 0, False
        assignment = vm.status.assignment
        if vm.metadata.uid != vm_uid or assignment is None:
            return 0, vm.metadata.uid != vm_uid
        if assignment.host == kept.target and assignment.epoch >= kept.epoch:
            return assignment.epoch, False
        return 0, assignment.host != self.host and assignment.epoch > kept.epoch

    async def begin(self, vm: VirtualMachine, domain: str, wanted: SendGuest) -> None:
        """Have the guest sent; that it cannot be begun is seen as its failure."""
        try:
            sending, other = await self._prepared(vm, domain, wanted)
        except QuantixError as error:
            self.outgoing.fail(vm.metadata.uid, wanted.migration, error)
            return
        self.outgoing.begin(vm.metadata.uid, domain, wanted.migration, sending, other)

    async def _prepared(self, vm: VirtualMachine, domain: str, wanted: SendGuest) -> tuple[Sending, Target]:
        host = model_of(Host, await self.api.get(HOSTS, wanted.target))
        api = host.status.addresses.api if host.status.addresses else None
        if not api:
            raise as_error(TransientError, "TargetFailed", target=wanted.target)
        told = host.status.addresses.migration if host.status.addresses else None
        xml = await self.hypervisor.migratable_xml(domain)
        user_in = partial(self._user_in, wanted.target)
        xml = target_xml(xml, wanted.epoch, wanted.local, user_in)
        address = told or api.rpartition(":")[0].strip("[]")
        sender = await self.source_towards(address)
        if not sender:
            raise as_error(TransientError, "SourceFailed", unreached=address)
        migration, spec = vm.spec.migration, self._spec(wanted.migration)
        asked = spec.auto_converge if spec is not None else None
        sending = Sending(
            socket=self.outgoing.socket(vm.metadata.uid),
            host=wanted.target,
            address=address,
            sender=sender,
            xml=xml,
            disks=wanted.local,
            auto_converge=migration.auto_converge if asked is None else asked,
            bytes_per_second=size_bytes(migration.bytes_per_second) if migration.bytes_per_second else 0,
            downtime_ms=migration.max_downtime_milliseconds,
            post_copy=wanted.post_copy,
        )
        return sending, self.reach(wanted.target, api, self.trust)

    def _user_in(self, target: str, pool: str) -> str:
        """As whom the target comes to that pool in Ceph."""
        found = self.pool(pool)
        return found.spec.rbd.account(pool, target).user if found is not None and found.spec.rbd else ""

    def _spec(self, migration: str) -> VirtualMachineMigrationSpec | None:
        found = (item for item in self.migrations.values() if item["metadata"]["uid"] == migration)
        manifest = next(found, None)
        return model_of(VirtualMachineMigration, manifest).spec if manifest is not None else None

    async def switch(self, migration: str, target: str, epoch: int) -> None:
        """Let the target know that the guest is about to stop here, or with 0 that it is not after all.

        Raises QuantixError.
        """
        await (await self._other(target)).switching(migration, epoch)

    async def tell(self, vm_uid: str, migration: str, target: str, epoch: int) -> None:
        """Tell the target that the guest is its own, and wait until it runs there. Raises QuantixError."""
        other = self.outgoing.target(vm_uid, migration) or await self._other(target)
        self._asked_s[vm_uid] = self.clock.monotonic()
        try:
            await other.handed_over(migration, epoch)
        except QuantixError:
            # it may have another address by now
            self.outgoing.lose_target(vm_uid)
            raise
        self.outgoing.note_running(vm_uid)

    async def _other(self, target: str) -> Target:
        host = model_of(Host, await self.api.get(HOSTS, target))
        api = host.status.addresses.api if host.status.addresses else ""
        return self.reach(target, api or "", self.trust)

    async def report(self, vm_uid: str, record: LeavingRecord | None, leaving: Leaving | None) -> None:
        """Say in the migration what is so; what cannot be written is told at a later look."""
        manifest = self._of(vm_uid, record)
        if manifest is None or record is None or record.migration != manifest["metadata"]["uid"]:
            return
        final = record.step in ("handed", "stays")
        now_s, word = self.clock.monotonic(), (record.migration, final)
        *last, told_s = self._told.get(vm_uid, ("", False, 0.0))
        if (*last,) == word and now_s - told_s < _TOLD_EVERY_S:
            return
        fields = {"status": _said(record, leaving)}
        try:
            await apply_if_changed(
                self.api, VIRTUAL_MACHINE_MIGRATIONS, manifest, fields, manager=MANAGER_SOURCE
            )
        except NotFound:
            return
        except ApiError as error:
            log.warning("a migration is not reported", uid=vm_uid, error=error.message)
            return
        self._told[vm_uid] = (*word, now_s)

    def stopped(self, vm_uid: str) -> None:
        """The guest stands still for its last memory."""
        self.outgoing.note_stopped(vm_uid)

    async def _progress(self, vm_uid: str) -> SendingProgress | None:
        progress = await self.hypervisor.sending_progress(domain_name(vm_uid))
        if progress is not None:
            self.outgoing.note_copied(vm_uid, progress.done_bytes)
        return progress

    def _of(self, vm_uid: str, kept: LeavingRecord | None) -> Manifest | None:
        """That of `kept` as long as the guest may go by it, else the newest that waits for this host's word:
        also one that was told to be over without it, since the VM may name it still.
        """
        own = [item for item in self.migrations.values() if vm_uid_of(item) == vm_uid]
        if kept is not None and kept.step != "stays":
            return next((item for item in own if item["metadata"]["uid"] == kept.migration), None)
        found = [item for item in own if not (is_over(item) and _has_word(item))]
        return newest(found)


def _has_word(manifest: Manifest) -> bool:
    return "outcome" in (status_of(manifest).get("source") or {})


def _wish(manifest: Manifest, *, ready: bool) -> Leaving:
    """What the API says of it."""
    migration = model_of(VirtualMachineMigration, manifest)
    status, target = migration.status, migration.status.target
    refused = target is not None and target.outcome == "Refused"
    is_targets = target is not None and target.outcome in ("Running", "Lost")
    return Leaving(
        migration=migration.metadata.uid,
        target=status.target_host or "",
        cancelled=migration.spec.cancel or migration.deleting or is_over(manifest),
        prepared=target is not None and bool(target.prepared) and ready,
        refusal=(target.message or "") if target is not None and refused else None,
        target_epoch=(target.epoch or 0) if target is not None and is_targets else 0,
        post_copy=migration.spec.post_copy,
        may_switch=target is not None and bool(target.post_copy),
    )


def _said(record: LeavingRecord, leaving: Leaving | None) -> dict[str, Any]:
    progress = leaving.progress if leaving is not None else None
    # where it was never begun, nothing is said of how
    source: dict[str, Any] = {"mode": "PostCopy" if record.switched else "PreCopy"} if record.since_s else {}
    if record.post_copy and record.since_s:
        source["postCopy"] = record.post_copy
    status: dict[str, Any] = {"source": source}
    if record.step == "handed":
        source |= {"outcome": "HandedOver", "epoch": record.epoch}
        if record.downtime_ms:
            source["downtimeMilliseconds"] = record.downtime_ms
        status["progress"] = _shown(progress) if progress is not None else {"percent": 100}
    elif record.step == "stays":
        source |= {"outcome": "GaveUp", "reason": record.reason, "message": record.message[:MESSAGE_LENGTH]}
    elif progress is not None:
        source["dirtyBytesPerSecond"] = progress.dirty_bytes_per_second
        status["progress"] = _shown(progress)
    return status


def _shown(progress: SendingProgress) -> dict[str, Any]:
    return {
        "percent": progress.percent,
        "doneBytes": progress.done_bytes,
        "totalBytes": progress.total_bytes,
        # a quantity is above zero
        **({"bytesPerSecond": f"{speed}Ki"} if (speed := progress.bytes_per_second // 1024) else {}),
        **({} if progress.seconds_left is None else {"secondsLeft": progress.seconds_left}),
    }
