"""What a VM's first-boot settings depend on beyond the VM, and whether those in use are out of date. Pure.

Called when a start is planned and done, and by `status`.
"""

from __future__ import annotations

import hashlib
import json

from quantix_api import Network, VirtualMachine
from quantix_hostd.virtualmachine.changes import PendingChange

_MARK_LENGTH = 8


def guest_domain(vm: VirtualMachine, network: Network | None) -> str:
    """The domain of the guest's own name, from the network of its first NIC, "" without one.

    It is the one under which its network's name server knows it: HOSTNAME.NAMESPACE.DOMAIN.
    """
    return f"{vm.metadata.namespace}.{network.spec.dns.domain}" if network is not None else ""


def first_boot_mark(vm: VirtualMachine) -> str:
    """Tells one spec.cloudInit or spec.sysprep from another, "" for none. A Secret counts by its name: what
    is in it is read at the start alone.
    """
    settings = vm.spec.cloud_init or vm.spec.sysprep
    if settings is None:
        return ""
    document = settings.model_dump(mode="json", by_alias=True)
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()[:_MARK_LENGTH]


def first_boot_change(vm: VirtualMachine, running: str) -> PendingChange | None:
    """That spec.cloudInit or spec.sysprep is another than the `running` guest was started with. One that came
    or went as a whole is a drive that came or went, which `changes` tells.
    """
    wanted = first_boot_mark(vm)
    if not running or not wanted or running == wanted:
        return None
    path = "spec.cloudInit" if vm.spec.cloud_init is not None else "spec.sysprep"
    return PendingChange(path, running, wanted)
