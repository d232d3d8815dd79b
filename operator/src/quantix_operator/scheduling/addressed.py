"""Whether a VM has the addresses that it asks for by name. Pure.

Asked by the scheduler, which gives a VM no host before that: it would take room there and not start. The VM
controller asks for the addresses first, and tells in `status.nics` that they are the VM's.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address

from quantix_api import VirtualMachine
from quantix_api.vm_status import NicStatus


def has_its_addresses(vm: VirtualMachine, nics: Iterable[NicStatus]) -> bool:
    """Whether `nics` hold every address that a NIC of its spec names; true where none names any."""
    had = {nic.name: {ip_address(item) for item in nic.addresses} for nic in nics}
    return all(
        had.get(nic.name, set()).issuperset(map(ip_address, nic.addresses))
        for nic in vm.spec.nics
        if nic.addresses
    )
