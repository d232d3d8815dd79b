"""Every controller of the operator, in one list.

Called by `service` each time that this process begins to lead. Without a northbound database (`--ovn-nb`)
networks are left alone, and so no VM starts that has a NIC.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from quantix_api import VirtualMachine
from quantix_api.messages import render
from quantix_api.resources import SCHEDULING_POLICIES
from quantix_operator.balance.controller import BalanceController
from quantix_operator.certificates import controller as certificates
from quantix_operator.clients.ovn_sb import Southbound
from quantix_operator.context import Context
from quantix_operator.dispatch import Controller
from quantix_operator.host.addresses import HostAddressesController
from quantix_operator.host.controller import HostController
from quantix_operator.host.drains import Drains
from quantix_operator.image.controller import ImageController
from quantix_operator.maintenance.controller import MaintenanceController
from quantix_operator.migration.controller import MigrationController
from quantix_operator.networking import Networking, networking
from quantix_operator.objects import Objects
from quantix_operator.policy.balance import Said
from quantix_operator.policy.controller import KINDS, AcceptedController
from quantix_operator.restore.controller import RestoreController
from quantix_operator.restore.finished import FinishedRestoreController
from quantix_operator.scheduling.controller import PlacementController
from quantix_operator.settings import Settings
from quantix_operator.snapshot.controller import SnapshotController
from quantix_operator.storagepool.controller import StoragePoolController
from quantix_operator.told import Told
from quantix_operator.virtualmachine.controller import VirtualMachineController
from quantix_operator.virtualmachine.ports import NicsResult
from quantix_operator.virtualmachine.secret_access import SecretAccess, SecretAccessController
from quantix_operator.volume.controller import VolumeController


@asynccontextmanager
async def build_controllers(context: Context, objects: Objects) -> AsyncIterator[tuple[Controller, ...]]:
    """All controllers, with their connections open while inside."""
    access = SecretAccess(context.api, objects)
    drains, told = Drains(), Told[Said]()
    balance = {SCHEDULING_POLICIES: told}
    async with AsyncExitStack() as stack:
        network = Networking((), NoPorts())
        if context.settings.ovn_nb is not None:
            network = await stack.enter_async_context(networking(context, context.settings.ovn_nb, objects))
        yield (
            await certificates.build(context),
            *(AcceptedController(context, kind, balance.get(kind)) for kind in KINDS),
            StoragePoolController(context, objects),
            HostController(context, objects, context.leases, drains, southbound(context.settings)),
            HostAddressesController(context),
            *network.controllers,
            ImageController(context, objects),
            VolumeController(context, objects),
            PlacementController(context, objects),
            MigrationController(context, objects),
            SnapshotController(context, objects),
            RestoreController(context, objects),
            FinishedRestoreController(context, objects),
            MaintenanceController(context, objects, drains),
            BalanceController(context, objects, told),
            VirtualMachineController(context, objects, network.ports, access),
            SecretAccessController(access),
        )


def southbound(settings: Settings) -> Southbound | None:
    """None where networks are left alone."""
    return Southbound(settings.ovn_sb) if settings.ovn_sb is not None else None


class NoPorts:
    """Stands in for the network where there is none: nothing to release, and no port for anybody."""

    async def ensure_ports(self, vm: VirtualMachine) -> NicsResult:
        """Ready exactly for a VM without NICs."""
        if not vm.spec.nics:
            return NicsResult((), True, "AllReady", "")
        said = render("NorthboundUnreachable", flag="--ovn-nb")
        waiting = frozenset(nic.name for nic in vm.spec.nics)
        return NicsResult((), False, said.reason, said.text, waiting=waiting)

    async def release_ports(self, vm: VirtualMachine) -> bool:
        """Always: there are none."""
        return True
