"""Makes migrations, and takes back those that have not begun: for whoever moves VMs without a person's wish.

Used by maintenance and by the balancer. What was written goes into the cache at once.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import structlog

from quantix_api import VirtualMachine, VirtualMachineMigration
from quantix_api.resources import LABEL_MANAGED_BY, MANAGED_BY, VIRTUAL_MACHINE_MIGRATIONS
from quantix_client.api import Manifest
from quantix_client.errors import AlreadyExists, ApiError, Conflict, NotFound
from quantix_client.workqueue import Backoff
from quantix_operator.context import Context
from quantix_operator.passes import AGAIN_S, API_IS_AWAY, Retries

log = structlog.get_logger(__name__)

_LONGEST_STEM = 240
# a quota or a policy of the cluster that changes wakes nobody
_BACKOFF = Backoff(first_s=5.0, cap_s=300.0)


@dataclass(frozen=True)
class Wish:
    """A migration of this VM, under this name; `target` "": the scheduler chooses. `label`: key and value,
    who asks and why.
    """

    vm: VirtualMachine
    name: str
    label: tuple[str, str]
    target: str = ""


def name_of(vm: VirtualMachine, *reasons: str) -> str:
    """The same for whoever decides the same of this VM as it is placed, so that two leaders make one."""
    assignment = vm.status.assignment
    seed = " ".join((vm.metadata.uid, str(assignment.epoch if assignment else 0), *reasons))
    return f"{vm.metadata.name[:_LONGEST_STEM]}-{hashlib.sha256(seed.encode()).hexdigest()[:5]}"


@dataclass(frozen=True)
class Refused:
    """What the API says against it, and when to ask again."""

    said: str
    again_s: float


class Asking:
    """What writes go through. What the API refuses is asked for again later and later; what it said is
    repeated until then. Both methods raise ApiError only while it takes nothing from anybody.
    """

    def __init__(self, context: Context) -> None:
        self._api, self._cache = context.api, context.cache
        self._retries = Retries(context.clock, _BACKOFF)
        self._said: dict[str, str] = {}

    async def make(self, wish: Wish) -> Refused | None:
        """None: it was made, or is there already."""
        uid = wish.vm.metadata.uid
        if left_s := self._retries.left_s(uid):
            return Refused(self._said.get(uid, ""), left_s)
        try:
            made = await self._made(wish)
        except API_IS_AWAY:
            raise
        except ApiError as error:
            # a webhook, a quota or a policy is against it; or its namespace goes, and the VM with it
            log.info("no migration is made", vm=wish.vm.key, error=error.message)
            return self._refused(uid, error)
        self._retries.forget(uid)
        self._cache.put(VIRTUAL_MACHINE_MIGRATIONS, made)
        return None

    async def _made(self, wish: Wish) -> Manifest:
        """The migration of this wish, perhaps made by a leader before. Raises AlreadyExists for one that is
        over, or of somebody else: anybody can work out the name.
        """
        vm = wish.vm
        labels = {LABEL_MANAGED_BY: MANAGED_BY, wish.label[0]: wish.label[1]}
        metadata = {"name": wish.name, "namespace": vm.metadata.namespace, "labels": labels}
        target = {"targetHost": wish.target} if wish.target else {}
        manifest = {"metadata": metadata, "spec": {"virtualMachine": vm.metadata.name, **target}}
        try:
            made = await self._api.create(VIRTUAL_MACHINE_MIGRATIONS, manifest)
        except AlreadyExists:
            there = await self._api.get(VIRTUAL_MACHINE_MIGRATIONS, wish.name, vm.metadata.namespace)
            if not _is_of(there, wish):
                raise
            return there
        log.info("migration asked for", vm=vm.key, migration=wish.name, label=wish.label[0])
        return made

    async def cancel(self, migration: VirtualMachineMigration) -> Refused | None:
        """None: it was told."""
        metadata = migration.metadata
        if left_s := self._retries.left_s(metadata.uid):
            return Refused(self._said.get(metadata.uid, ""), left_s)
        patch = {"metadata": {"resourceVersion": metadata.resource_version}, "spec": {"cancel": True}}
        try:
            written = await self._api.patch(
                VIRTUAL_MACHINE_MIGRATIONS, metadata.name, patch, metadata.namespace
            )
        except (Conflict, NotFound) as error:
            # it changed meanwhile, and may have begun
            return Refused(error.message, AGAIN_S)
        except API_IS_AWAY:
            raise
        except ApiError as error:
            log.info("migration is not cancelled", migration=migration.key, error=error.message)
            return self._refused(metadata.uid, error)
        self._retries.forget(metadata.uid)
        self._cache.put(VIRTUAL_MACHINE_MIGRATIONS, written)
        return None

    def _refused(self, uid: str, error: ApiError) -> Refused:
        again_s = self._retries.failed(uid)
        self._said = {key: said for key, said in self._said.items() if self._retries.has_failed(key)}
        self._said[uid] = error.message
        return Refused(error.message, again_s)


def _is_of(there: Manifest, wish: Wish) -> bool:
    """Whether it is what was wished for, and still to be done."""
    metadata, name = there["metadata"], (there.get("spec") or {}).get("virtualMachine")
    is_over = bool((there.get("status") or {}).get("finishedAt")) or bool(metadata.get("deletionTimestamp"))
    key, value = wish.label
    is_ours = (metadata.get("labels") or {}).get(key) == value and name == wish.vm.metadata.name
    return is_ours and not is_over
