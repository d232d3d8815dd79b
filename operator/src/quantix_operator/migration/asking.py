"""Makes migrations, and takes back those that have not begun: for whoever moves VMs without a person's wish.

Used by maintenance and by the balancer. What was written goes into the cache at once.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import structlog

from quantix_api import VirtualMachine, VirtualMachineMigration
from quantix_api.resources import LABEL_MANAGED_BY, MANAGED_BY, VIRTUAL_MACHINE_MIGRATIONS
from quantix_client.api import ApiClient
from quantix_client.errors import Conflict, Forbidden, NotFound, Unprocessable
from quantix_operator.cache import Cache

log = structlog.get_logger(__name__)

_LONGEST_STEM = 240


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
class Asking:
    """What writes go through."""

    api: ApiClient
    cache: Cache

    async def make(self, wish: Wish) -> str:
        """ "": it was made, or is there already; else what the API says against it."""
        vm = wish.vm
        labels = {LABEL_MANAGED_BY: MANAGED_BY, wish.label[0]: wish.label[1]}
        metadata = {"name": wish.name, "namespace": vm.metadata.namespace, "labels": labels}
        target = {"targetHost": wish.target} if wish.target else {}
        manifest = {"metadata": metadata, "spec": {"virtualMachine": vm.metadata.name, **target}}
        try:
            made = await self.api.create(VIRTUAL_MACHINE_MIGRATIONS, manifest)
        except Conflict:
            return ""
        except (Forbidden, NotFound, Unprocessable) as error:
            # its namespace goes, and the VM with it; or a quota or a policy of the cluster is against it
            log.info("no migration is made", vm=vm.key, error=error.message)
            return error.message
        self.cache.put(VIRTUAL_MACHINE_MIGRATIONS, made)
        log.info("migration asked for", vm=vm.key, migration=wish.name, label=wish.label[0])
        return ""

    async def cancel(self, migration: VirtualMachineMigration) -> bool:
        """Whether it was told; False: it changed meanwhile, and may have begun."""
        metadata = migration.metadata
        patch = {"metadata": {"resourceVersion": metadata.resource_version}, "spec": {"cancel": True}}
        try:
            written = await self.api.patch(
                VIRTUAL_MACHINE_MIGRATIONS, metadata.name, patch, metadata.namespace
            )
        except (Conflict, NotFound):
            return False
        self.cache.put(VIRTUAL_MACHINE_MIGRATIONS, written)
        return True
