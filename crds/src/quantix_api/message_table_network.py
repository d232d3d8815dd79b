"""Messages about networks, routers, security groups and NICs. Data only."""

from __future__ import annotations

from quantix_api.message_template import NOTHING_TO_DO, Template

_NICS = (
    Template(
        "NetworkNotFound",
        "VirtualMachine",
        "There is no network {network} here; {near} is near.",
        "create it or correct {path}; it then goes on by itself",
    ),
    Template(
        "NetworkNotFound",
        "VirtualMachine",
        "There is no network {network} here.",
        "create it or correct {path}; it then goes on by itself",
    ),
    Template(
        "NetworkNotFound",
        "VirtualMachine",
        "Network {going} is being deleted.",
        "correct {path}, or create it again when it is gone; it then goes on by itself",
    ),
    Template(
        "NetworkNotAllowed",
        "VirtualMachine, FloatingIP",
        "Network {network} is not for namespace {namespace}.",
        "use another network, or label the namespace as its allowedNamespaces says",
    ),
    Template(
        "AddressInUse",
        "VirtualMachine, Router, FloatingIP",
        "Address {address} in network {network} belongs to {user}.",
        "choose another address in {path}, or free it; it then goes on by itself",
    ),
    Template(
        "AddressOutsideSubnet",
        "VirtualMachine, Router, FloatingIP",
        "Address {address} is not in network {network}, which has {subnets}.",
        "choose another address in {path}",
    ),
    Template(
        "AddressInUse",
        "Router",
        "Network {network} has router {router} already, which is its gateway {gateway}.",
        "give it another address there in {path}, or take the network out of one of the two",
    ),
    Template(
        "AddressReserved",
        "VirtualMachine, Router, FloatingIP",
        "Address {address} is {what} of network {network}, so it is not given out.",
        "choose another address in {path}",
    ),
    Template(
        "AddressOutsideSubnet",
        "Router",
        "Next hop {next_hop} of the route to {destination} is in no network that it has an address in.",
        "name a next hop in one of its networks, or remove the route",
    ),
    Template(
        "AddressesExhausted",
        "VirtualMachine, Router, FloatingIP",
        "Network {network} has no free address: {used} of {all} are used.",
        "remove a VM or add a network",
    ),
    Template(
        "AddressesExhausted",
        "VirtualMachine, Router, FloatingIP",
        "Network {network} has no free address: {used} of {all} are used, "
        "{floating} of them by floating IPs.",
        "remove a VM or a floating IP, or add a network",
    ),
    Template(
        "MACInUse",
        "VirtualMachine",
        "MAC address {mac} in network {network} belongs to {user}.",
        "choose another mac in {path}, or leave it out",
    ),
    Template(
        "SecurityGroupNotFound",
        "VirtualMachine",
        "There is no security group {group} here.",
        "create it or correct {path}; it then goes on by itself",
    ),
    Template(
        "SecurityGroupNotFound",
        "VirtualMachine",
        "Security group {going} is being deleted, so it takes in nobody new.",
        "correct {path}, or create the group anew once it is gone",
    ),
    Template(
        "PortNotBound",
        "VirtualMachine",
        "NIC {nic} is not connected on {host} yet: {why}.",
        "qx host explain {host}",
    ),
    Template(
        "PortNotBound",
        "VirtualMachine",
        "Open vSwitch does not tell what is connected. Said: {said}.",
        NOTHING_TO_DO,
    ),
    Template("Programming", "VirtualMachine", "Network {network} is being set up.", NOTHING_TO_DO),
    Template(
        "DuplicateInterface",
        "VirtualMachine",
        "Two interfaces on {host} claim NIC {nic}: {interfaces}.",
        "remove the one that Quantix did not make",
    ),
    Template(
        "SouthboundUnreachable",
        "VirtualMachine, Host",
        "{host} does not reach the network's database, so new NICs are not connected there.",
        "qx host explain {host}",
    ),
    Template(
        "SouthboundUnreachable",
        "Host",
        "{host} has no certificate for the network's database, so new NICs are not connected there. "
        "Said: {said}.",
        "look at the operator, which signs it; {host} asks again by itself",
    ),
    Template(
        "SouthboundUnreachable",
        "Host",
        "It is deleted once the network's database has let it go, which does not answer. Said: {left}.",
        "qx status",
    ),
)

_NETWORKS = (
    Template("Programmed", "Network, Router, SecurityGroup", "It is in force on all hosts."),
    Template(
        "Programming",
        "Network, Router, SecurityGroup, FloatingIP, VirtualMachine",
        "It is being set up.",
        NOTHING_TO_DO,
    ),
    Template("Programming", "log", "The network's database does not have {row} yet.", NOTHING_TO_DO),
    Template(
        "NorthboundUnreachable",
        "Network, Router, SecurityGroup, FloatingIP, VirtualMachine",
        "The network's database does not answer; networks that work go on working.",
        "qx status shows which process is down",
    ),
    Template(
        "NorthboundUnreachable",
        "VirtualMachine",
        "This operator was started without a network database.",
        "start it with {flag}",
    ),
    Template(
        "SubnetOverlap",
        "Network, Router",
        "{cidr} overlaps {other_cidr} of {other}.",
        "choose another subnet",
    ),
    Template(
        "SubnetOverlap",
        "Router",
        "The route to {destination} is its way out through network {outside} already.",
        "remove that route, or take away external",
    ),
    Template(
        "SubnetOverlap",
        "Router",
        "The route to {destination} is for the same addresses as the one to {other}.",
        "remove one of the two",
    ),
    Template(
        "PhysicalNetworkUnusable",
        "Network",
        "No host can use wire {physical}. Said: {said}.",
        "qx host explain {host}",
    ),
    Template(
        "SubnetOverlap",
        "log",
        "Each prefix for the hosts' own legs overlaps a network or an address of a host: {prefixes}.",
        "choose another subnet for one of those networks",
    ),
    Template(
        "SubnetOverlap",
        "VirtualMachine",
        "Network {network} takes in no one: its subnet overlaps another on the same wire.",
        "use another network, or correct the subnet; it then goes on by itself",
    ),
    Template(
        "AddressesExhausted",
        "Network",
        "Subnet {subnet} has no address for a guest: its gateway and excludeRanges take all.",
        "shorten excludeRanges",
    ),
    Template(
        "UnderlayTooSmall",
        "Network",
        "Packets of {mtu} bytes need {wanted} between hosts, which carry {found}: larger ones are lost.",
        "set spec.mtu to {fits} at most, or raise the MTU between the hosts",
    ),
    Template(
        "PhysicalNetworkUnknown",
        "Network, VirtualMachine",
        "No host has a wire named {physical}.",
        "add it to spec.physicalNetworks of a host, or correct spec.physical.name",
    ),
    Template(
        "NetworkNotFound",
        "Router, FloatingIP",
        "There is no network {network} here.",
        "create it or correct the spec; it then goes on by itself",
    ),
    Template(
        "InUse",
        "SecurityGroup",
        "It is to be deleted; its rules stay in force as long as it is used by {group_users}.",
        "delete those, or take the group out of them",
    ),
    Template(
        "GroupNotFound",
        "SecurityGroup",
        "There is no security group {group} here.",
        "create it or correct {path}",
    ),
    Template(
        "NoGatewayHost",
        "Router, FloatingIP",
        "No host that is Ready has the wire {physical} to lead out.",
        "bring a host back, or add the wire to one",
    ),
    Template(
        "SuspiciousDeletion",
        "Network, Router, SecurityGroup",
        "{count} of {all} entries would be removed though nobody deleted their objects; nothing is removed.",
        "apply them again if they were lost; otherwise nothing, the entries do no harm",
    ),
)

NETWORK_TEMPLATES: tuple[Template, ...] = (*_NICS, *_NETWORKS)
