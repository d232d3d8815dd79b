"""The names of the guests of one network: what OVN's DNS answers.

Pure; called by the network's controller. Names and addresses come from the status of the VMs; of two VMs of
one namespace with the same hostname the elder has the name.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_address

from quantix_api import VirtualMachine
from quantix_api.seniority import age_order

HOSTNAME_LENGTH = 63


@dataclass(frozen=True, order=True)
class NamedPort:
    """A port in the network whose guest has a name; ordered from the eldest VM on."""

    since: str
    uid: str
    namespace: str
    hostname: str
    addresses: tuple[str, ...]


def guest_hostname(vm: VirtualMachine) -> str:
    """The hostname that the guest gets."""
    chosen = vm.spec.cloud_init.hostname if vm.spec.cloud_init is not None else None
    return (chosen or vm.metadata.name.split(".", maxsplit=1)[0])[:HOSTNAME_LENGTH].rstrip("-")


def named_ports(vm: VirtualMachine, network_uid: str) -> Iterable[NamedPort]:
    """The ports of a VM in the network; the first of them carries the name."""
    for nic in vm.status.nics:
        if nic.network == network_uid and nic.addresses:
            yield NamedPort(
                *age_order(vm),
                vm.metadata.namespace or "",
                guest_hostname(vm).lower(),
                nic.addresses,
            )
            return


def dns_records(ports: Iterable[NamedPort], domain: str) -> dict[str, str]:
    """Names to addresses, and addresses to names, as the column `records` of OVN's DNS takes them."""
    records: dict[str, str] = {}
    for port in sorted(ports):
        name = f"{port.hostname}.{port.namespace}.{domain}"
        if not port.hostname or name in records:
            continue
        records[name] = " ".join(port.addresses)
        # OVN 23.03 answers a reverse question only when its name is written out
        for address in port.addresses:
            records[ip_address(address).reverse_pointer] = name
    return records
