"""Messages about floating IPs. Data only."""

from __future__ import annotations

from quantix_api.message_template import Template

FLOATING_IP_TEMPLATES: tuple[Template, ...] = (
    Template("Attached", "FloatingIP", "{address} leads to NIC {nic} of VM {vm}."),
    Template(
        "Allocated",
        "FloatingIP",
        "{address} is kept, and leads to no VM.",
        "qx floatingip attach {name} VM makes it lead to one",
    ),
    Template(
        "NetworkNotFound",
        "FloatingIP",
        "Network {going} is being deleted.",
        "make the floating IP anew in another network",
    ),
    Template(
        "NoSubnet",
        "FloatingIP",
        "Network {network} has no IPv4 subnet, and floating IPs are IPv4.",
        "make the floating IP anew in another network; guests' IPv6 addresses are reached as they are",
    ),
    Template(
        "VirtualMachineNotFound",
        "FloatingIP",
        "There is no VM {vm} here.",
        "qx floatingip attach {name} VM, or create that VM; it then goes on by itself",
    ),
    Template(
        "VirtualMachineNotFound",
        "FloatingIP",
        "VM {going} is being deleted, so nothing leads to it any more.",
        "qx floatingip attach {name} VM, with another VM",
    ),
    Template(
        "NICNotFound",
        "FloatingIP",
        "VM {vm} has no NIC {nic}.",
        "qx floatingip attach {name} {vm} --nic NIC, or give the VM that NIC; it then goes on by itself",
    ),
    Template(
        "NICNotFound",
        "FloatingIP",
        "VM {vm} has no NIC.",
        "qx vm attach {vm} --network NETWORK; it then goes on by itself",
    ),
    Template(
        "NICNotReady",
        "FloatingIP",
        "NIC {nic} of VM {vm} has no address yet.",
        "qx vm explain {vm} says why; it then goes on by itself",
    ),
    Template(
        "NICInUse",
        "FloatingIP",
        "NIC {nic} of VM {vm} has floating IP {other} already.",
        "qx floatingip detach {other} first, or qx floatingip attach {name} to another NIC; it then goes on "
        "by itself",
    ),
    Template(
        "NoRoute",
        "FloatingIP",
        "No router joins network {inside}, which NIC {nic} of VM {vm} is in, with network {outside}.",
        "join them with a router, or attach it to another NIC; it then goes on by itself",
    ),
    Template(
        "NoRoute",
        "FloatingIP",
        "No router leads out through network {outside}, so no address of it is given to floating IPs.",
        "qx router create ROUTER --network NETWORK --external {outside}; it then goes on by itself",
    ),
    Template(
        "NoRoute",
        "FloatingIP",
        "NIC {nic} of VM {vm} is in network {outside} itself, so no router leads to it.",
        "give that NIC the address itself, or attach the floating IP to a NIC behind a router",
    ),
    Template(
        "NoRoute",
        "FloatingIP",
        "NIC {nic} of VM {vm} has no IPv4 address, and floating IPs are IPv4.",
        "attach it to another NIC; guests' IPv6 addresses are reached as they are",
    ),
    Template(
        "InUse",
        "Router",
        "It is to be deleted; it stays in force as long as it leads to {floating_ips}.",
        "qx floatingip detach or delete those first",
    ),
)
