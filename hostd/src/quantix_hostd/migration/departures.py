"""Which guests are to leave this host, how far they are, and how that is told: the source's part.

Used by the reconciler of VMs, which decides. Reads the migrations that the API names this host as source of.
"""

from __future__ import annotations

import time
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
from quantix_hostd.migration.source_words import Hindrance, hindrance_of, wish, words_of
from quantix_hostd.migration.target_xml import target_xml
from quantix_hostd.virtualmachine.leaving_actions import SendGuest

log = structlog.get_logger(__name__)

Manifest = dict[str, Any]
_TOLD_EVERY_S = 2.0
_TOLD_AGAIN_S = 5.0


@dataclass(frozen=True)
class _Found:
    """What `_whereabouts` told at `at_s`; `named`: while the migration was there."""

    named: bool
    at_s: float
    target_epoch: int
    went_on: bool


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
    wall: Callable[[], float] = time.time
    reach: Callable[[str, str, Trust], Target] = OtherHostd
    """The hostd of a host, at an address."""
    _told: dict[str, tuple[str, bool, float]] = field(default_factory=dict)
    """By UID of the VM: of which migration something was told, whether that was the last word, and when."""
    _asked_s: dict[str, float] = field(default_factory=dict)
    _found: dict[str, _Found] = field(default_factory=dict)
    """By UID of the VM: where the API last had it."""

    async def observe(self, vm_uid: str, kept: LeavingRecord | None) -> Leaving | None:
        """The migration that is to bring this VM away, of one that was begun that one; None when there is
        none. Raises TransientError.
        """
        manifest = self._of(vm_uid, kept)
        if manifest is not None:
            seen = wish(manifest, certified=self.ready(), now_s=self.wall())
        elif kept is not None and kept.step != "stays":
            seen = Leaving(kept.migration, kept.target, cancelled=True)
        else:
            self._asked_s.pop(vm_uid, None)
            self._told.pop(vm_uid, None)
            self._found.pop(vm_uid, None)
            self.outgoing.forget(vm_uid)
            return None
        sent = self.outgoing.state(vm_uid, seen.migration)
        sending = sent is not None and not sent.done and sent.error is None
        if kept is not None and kept.gone:
            known = seen.target_epoch, False
            found = known if seen.target_epoch else await self._found_at(vm_uid, kept, manifest is not None)
            target_epoch, went_on = found
            return replace(
                seen,
                sending=sending,
                target_epoch=target_epoch,
                went_on=went_on,
                told=self._was_told(vm_uid),
                progress=await self._progress(vm_uid) if kept.switched else None,
                stood_still_ms=self.outgoing.downtime_ms(vm_uid),
            )
        return replace(
            seen,
            sending=sending,
            sent=sent is not None and sent.done,
            sent_for_s=self.clock.monotonic() - sent.ended_s if sent is not None and sent.done else 0.0,
            failure=sent.error.message if sent is not None and sent.error is not None else "",
            by_target=sent is not None and sent.error is not None and sent.error.reason == "TargetFailed",
            progress=await self._progress(vm_uid) if sent is None or sending else None,
            stood_still_ms=self.outgoing.downtime_ms(vm_uid),
        )

    def _was_told(self, vm_uid: str) -> bool:
        return self.clock.monotonic() - self._asked_s.get(vm_uid, float("-inf")) < _TOLD_AGAIN_S

    async def _found_at(self, vm_uid: str, kept: LeavingRecord, named: bool) -> tuple[int, bool]:
        """`_whereabouts`, asked for no more often than the target is told; but at once where the migration,
        in which the target says so, is there no more (`named`).
        """
        found, now_s = self._found.get(vm_uid), self.clock.monotonic()
        if found is None or found.named != named or now_s - found.at_s >= _TOLD_AGAIN_S:
            found = _Found(named, now_s, *await self._whereabouts(vm_uid, kept))
            self._found[vm_uid] = found
        return found.target_epoch, found.went_on

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

    async def report(
        self,
        vm_uid: str,
        record: LeavingRecord | None,
        leaving: Leaving | None,
        hindrance: Hindrance | None = None,
    ) -> None:
        """Say in the migration what is so; what cannot be written is told at a later look."""
        manifest = self._of(vm_uid, record)
        if manifest is None or record is None or record.migration != manifest["metadata"]["uid"]:
            return
        final = record.step in ("handed", "stays")
        now_s, word = self.clock.monotonic(), (record.migration, final)
        *last, told_s = self._told.get(vm_uid, ("", False, 0.0))
        if (*last,) == word and now_s - told_s < _TOLD_EVERY_S:
            return
        if await self._write(vm_uid, manifest, words_of(record, leaving, hindrance)):
            self._told[vm_uid] = (*word, now_s)

    async def tell_hindrance(self, vm_uid: str, leaving: Leaving, hindrance: Hindrance) -> None:
        """Say in the migration why it is not begun yet: (reason, message)."""
        manifest = self._of(vm_uid, None)
        if manifest is not None and manifest["metadata"]["uid"] == leaving.migration:
            await self._write(vm_uid, manifest, {"source": hindrance_of(hindrance)})

    async def _write(self, vm_uid: str, manifest: Manifest, status: dict[str, Any]) -> bool:
        try:
            await apply_if_changed(
                self.api,
                VIRTUAL_MACHINE_MIGRATIONS,
                manifest,
                {"status": status},
                manager=MANAGER_SOURCE,
            )
        except NotFound:
            return False
        except ApiError as error:
            log.warning("a migration is not reported", uid=vm_uid, error=error.message)
            return False
        return True

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
