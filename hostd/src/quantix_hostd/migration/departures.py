"""Which guests are to leave this host, how far they are, and how that is told: the source's part.

Used by the reconciler of VMs, which decides. Reads the migrations that the API names this host as source of.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from quantix_api import Host, VirtualMachine, VirtualMachineMigration
from quantix_api.errors import TransientError
from quantix_api.quantities import size_bytes
from quantix_api.resources import HOSTS, MANAGER_SOURCE, VIRTUAL_MACHINE_MIGRATIONS
from quantix_api.scalars import MESSAGE_LENGTH
from quantix_client.api import ApiClient
from quantix_client.apply import apply_if_changed
from quantix_client.clock import Clock
from quantix_client.errors import NotFound
from quantix_client.reading import model_of
from quantix_hostd.clients.hypervisor import Hypervisor
from quantix_hostd.clients.other_hostd import OtherHostd, Trust
from quantix_hostd.domainxml.spec import domain_name
from quantix_hostd.facts.migration import Sending, SendingProgress
from quantix_hostd.migration.leaving import Leaving, LeavingRecord
from quantix_hostd.migration.outgoing import OutgoingMoves
from quantix_hostd.migration.target_xml import target_xml

Manifest = dict[str, Any]
_TOLD_EVERY_S = 2.0
_OVER = ("Succeeded", "Failed", "Cancelled")


@dataclass
class Departures:
    """`migrations` is a cache of those whose source is this host. `ready`: whether QEMU has a certificate."""

    api: ApiClient
    migrations: Mapping[str, Manifest]
    hypervisor: Hypervisor
    outgoing: OutgoingMoves
    trust: Trust
    ready: Callable[[], bool]
    clock: Clock
    _told_s: dict[str, float] = field(default_factory=dict)

    async def observe(self, vm_uid: str) -> Leaving | None:
        """The migration that is to bring this VM away; None when there is none. Raises TransientError."""
        manifest = self._of(vm_uid)
        if manifest is None:
            return None
        migration = model_of(VirtualMachineMigration, manifest)
        status, uid = migration.status, migration.metadata.uid
        target, sent = status.target, self.outgoing.state(vm_uid, uid)
        sending = sent is not None and not sent.done and sent.error is None
        refused = target is not None and target.outcome == "Refused"
        runs = target is not None and target.outcome == "Running"
        return Leaving(
            migration=uid,
            target=status.target_host or "",
            cancelled=migration.spec.cancel or migration.deleting,
            prepared=target is not None and bool(target.prepared) and self.ready(),
            refusal=(target.reason or "TargetFailed", target.message or "") if target and refused else None,
            runs_there=(target.epoch or 0) if target is not None and runs else 0,
            sending=sending,
            sent=sent is not None and sent.done,
            failure=sent.error.message if sent is not None and sent.error is not None else "",
            progress=await self._progress(vm_uid) if sent is None or sending else None,
            stood_still_ms=self.outgoing.downtime_ms(vm_uid),
        )

    async def begin(
        self, vm: VirtualMachine, domain: str, migration: str, target: str, epoch: int, local: tuple[str, ...]
    ) -> None:
        """Have the guest sent. Raises QuantixError when that cannot be begun."""
        host = model_of(Host, await self.api.get(HOSTS, target))
        api = host.status.addresses.api if host.status.addresses else None
        if not api:
            raise TransientError("TargetFailed", f"{target} has not told its address.")
        told = host.status.addresses.migration if host.status.addresses else None
        xml = target_xml(await self.hypervisor.migratable_xml(domain), epoch, local)
        wish = vm.spec.migration
        sending = Sending(
            socket=self.outgoing.socket(vm.metadata.uid),
            host=target,
            address=told or api.rpartition(":")[0].strip("[]"),
            xml=xml,
            disks=local,
            auto_converge=wish.auto_converge,
            post_copy=False,
            bytes_per_second=size_bytes(wish.bytes_per_second) if wish.bytes_per_second else 0,
            downtime_ms=wish.max_downtime_milliseconds,
        )
        self.outgoing.begin(vm.metadata.uid, domain, migration, sending, OtherHostd(target, api, self.trust))

    async def tell(self, vm_uid: str, migration: str, target: str, epoch: int) -> None:
        """Tell the target that the guest is its own, and wait until it runs there. Raises QuantixError."""
        host = model_of(Host, await self.api.get(HOSTS, target))
        api = host.status.addresses.api if host.status.addresses else ""
        await OtherHostd(target, api or "", self.trust).handed_over(migration, epoch)

    async def report(self, vm_uid: str, record: LeavingRecord | None, leaving: Leaving | None) -> None:
        """Say in the migration what is so. Raises ApiError."""
        manifest = self._of(vm_uid)
        if manifest is None or record is None or record.migration != manifest["metadata"]["uid"]:
            return
        final = record.step != "sending"
        now_s = self.clock.monotonic()
        if not final and now_s - self._told_s.get(vm_uid, float("-inf")) < _TOLD_EVERY_S:
            return
        self._told_s[vm_uid] = now_s
        fields = {"status": _said(record, leaving)}
        with suppress(NotFound):
            await apply_if_changed(
                self.api, VIRTUAL_MACHINE_MIGRATIONS, manifest, fields, manager=MANAGER_SOURCE
            )
        if final:
            self._told_s.pop(vm_uid, None)

    def stopped(self, vm_uid: str) -> None:
        """The guest stands still for its last memory."""
        self.outgoing.note_stopped(vm_uid)

    async def _progress(self, vm_uid: str) -> SendingProgress | None:
        return await self.hypervisor.sending_progress(domain_name(vm_uid))

    def _of(self, vm_uid: str) -> Manifest | None:
        found = [
            manifest
            for manifest in self.migrations.values()
            if (manifest.get("status") or {}).get("virtualMachineUID") == vm_uid
            and (manifest.get("status") or {}).get("phase") not in _OVER
        ]
        return max(found, key=lambda item: str(item["metadata"]["creationTimestamp"]), default=None)


def _said(record: LeavingRecord, leaving: Leaving | None) -> dict[str, Any]:
    progress = leaving.progress if leaving is not None else None
    post_copy = progress is not None and progress.post_copy
    source: dict[str, Any] = {"mode": "PostCopy" if post_copy else "PreCopy"}
    status: dict[str, Any] = {"source": source}
    if record.step == "handed":
        source |= {"outcome": "HandedOver", "epoch": record.epoch}
        if record.downtime_ms:
            source["downtimeMilliseconds"] = record.downtime_ms
        status["progress"] = {"percent": 100}
    elif record.step == "stays":
        source |= {"outcome": "GaveUp", "reason": record.reason, "message": record.message[:MESSAGE_LENGTH]}
    elif progress is not None:
        source["dirtyBytesPerSecond"] = progress.dirty_bytes_per_second
        status["progress"] = {
            "percent": progress.percent,
            "doneBytes": progress.done_bytes,
            "totalBytes": progress.total_bytes,
            "bytesPerSecond": f"{progress.bytes_per_second // 1024}Ki",
            **({} if progress.seconds_left is None else {"secondsLeft": progress.seconds_left}),
        }
    return status
