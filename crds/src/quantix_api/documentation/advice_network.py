"""What to do about reasons of networks, addresses and security groups. Data only."""

from __future__ import annotations

from quantix_api.documentation.advice_entry import Advice, waits

_NETWORK = "`qx network explain NETWORK`."
_OVN = "`qx doctor` on the host: are OVN and Open vSwitch up?"

NETWORK_ADVICE: dict[str, Advice] = {
    "NetworkNotFound": Advice(
        "`qx network list`, and `qx network list 'shared/*'` for those of everybody.",
        "Correct the name in the NIC, or make the network (`qx network create NAME --subnet CIDR`).",
    ),
    "NetworkNotAllowed": Advice(
        "`allowedNamespaces` of the network; `kubectl get namespace NAMESPACE --show-labels`.",
        "Use another network, or have its administrator label your namespace.",
    ),
    "AddressInUse": Advice(
        f"{_NETWORK} Stopped VMs keep their addresses.",
        "Choose another address, leave it out, or free that one.",
    ),
    "AddressOutsideSubnet": Advice(
        _NETWORK,
        "Choose one from the subnet, or leave it out: not its gateway, not its first and last one, which are "
        "for the network and for everybody in it, and none of `exclude`.",
    ),
    "AddressesExhausted": Advice(
        f"{_NETWORK} Stopped VMs keep their addresses, too.",
        "Delete VMs that nobody needs, shorten `exclude`, or make a larger network: a subnet cannot change.",
    ),
    "MACInUse": Advice(
        _NETWORK, "Choose another `mac`, or leave it out: one is then derived that nobody has."
    ),
    "SecurityGroupNotFound": Advice(
        "`qx securitygroup list`: groups are of the VM's own namespace.",
        "Make the group, or correct the NIC.",
    ),
    "PortNotBound": Advice(
        _OVN, "Within some seconds it goes on by itself; after that the host needs a look."
    ),
    "Programming": waits(_OVN, "More than some seconds: `qx status` shows which process is down."),
    "DuplicateInterface": Advice(
        "`ovs-vsctl find Interface external_ids:iface-id=PORT` on the host.",
        "Remove the interface that Quantix did not make: two would take each other's packets.",
    ),
    "SouthboundUnreachable": Advice(
        _OVN, "NICs that work go on working. Bring the process back that is down."
    ),
    "NorthboundUnreachable": Advice(
        f"{_OVN} `qx status` as well.",
        "What is in force stays in force; changes wait. Bring the process back.",
    ),
    "SubnetOverlap": Advice(
        "`qx network list -A`: networks whose routers or wires meet may not overlap.",
        "Make the network anew with another subnet. The one that was there first goes on.",
    ),
    "PhysicalNetworkUnknown": Advice(
        "`kubectl get host HOST -o yaml`, `spec.physicalNetworks`.",
        "Name the wire there, or correct the network.",
    ),
    "GroupNotFound": Advice(
        "`qx securitygroup list`.", "Make the group that the rule names, or correct the rule."
    ),
    "NoGatewayHost": Advice(
        "`qx host list`, and `spec.physicalNetworks` of the hosts.", "Bring a host back that has that wire."
    ),
    "SuspiciousDeletion": Advice(
        "Objects of networks that are missing in the API though nobody deleted them: was it restored from a "
        "backup?",
        "Apply the missing manifests again. If they were meant to go, leave it: what is left over does no "
        "harm.",
    ),
}
