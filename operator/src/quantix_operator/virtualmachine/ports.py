"""What the VM controller asks of the network: ports for the NICs of one VM.

Implemented by `nics.ports.NicPorts`; called by the reconciler of VirtualMachine, which writes the answer into
status (`nics`, condition NetworkReady) as manager quantix-operator. No I/O here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from quantix_api import VirtualMachine
from quantix_api.vm_status import NicStatus


@dataclass(frozen=True)
class NicsResult:
    """How far the NICs of a VM are.

    `nics` holds every NIC that has its port, in spec's order. `reason` and `message` are those of the
    condition NetworkReady: AllReady exactly when `ready`. `retry_after_s` is set when nobody else will wake
    the VM's reconciler; whatever it waits for besides (a Network, a group) is an object that it watches.
    `waiting` are the names of the NICs that are not as spec wants them yet.
    """

    nics: tuple[NicStatus, ...]
    ready: bool
    reason: str
    message: str
    retry_after_s: float | None = None
    waiting: frozenset[str] = frozenset()


class Ports(Protocol):
    """The NICs' side of the network. Neither method raises for what a condition can say."""

    async def ensure_ports(self, vm: VirtualMachine) -> NicsResult:
        """Program the ports of the VM as its spec and its assignment say; cheap when nothing differs."""
        ...

    async def release_ports(self, vm: VirtualMachine) -> bool:
        """Remove the ports and give the addresses back, once the domain is gone; False when the network
        database does not answer, or a floating IP still leads to one of them (ask again).
        """
        ...
