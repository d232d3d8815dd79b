"""What a VM's cloud-init seed depends on beyond the VM, and whether the one in use is out of date. Pure.

Called when a start is planned and done, and by `status`.
"""

from __future__ import annotations

import hashlib
import json

from quantix_api import Network, VirtualMachine
from quantix_hostd.virtualmachine.changes import PendingChange

_PATH = "spec.cloudInit"
_MARK_LENGTH = 8


def guest_domain(vm: VirtualMachine, network: Network | None) -> str:
    """The domain of the guest's own name, from the network of its first NIC, "" without one.

    It is the one under which its network's name server knows it: HOSTNAME.NAMESPACE.DOMAIN.
    """
    return f"{vm.metadata.namespace}.{network.spec.dns.domain}" if network is not None else ""


def seed_mark(vm: VirtualMachine) -> str:
    """Tells one spec.cloudInit from another, "" for none. A Secret counts by its name: what is in it is read
    at the start alone.
    """
    if vm.spec.cloud_init is None:
        return ""
    document = vm.spec.cloud_init.model_dump(mode="json", by_alias=True)
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()[:_MARK_LENGTH]


def seed_change(vm: VirtualMachine, running: str) -> PendingChange | None:
    """That spec.cloudInit is another than the `running` guest was started with. One that came or went as a
    whole is a drive that came or went, which `changes` tells.
    """
    wanted = seed_mark(vm)
    if not running or not wanted or running == wanted:
        return None
    return PendingChange(_PATH, running, wanted)
