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
        "Choose another address, leave it out, or free that one. Of two routers in a network one is its "
        "gateway; the other one needs an address of its own there (`--network NET,address=ADDRESS`).",
    ),
    "AddressOutsideSubnet": Advice(
        _NETWORK,
        "Choose one from the subnet, or leave it out.",
    ),
    "AddressReserved": Advice(
        _NETWORK,
        "Choose another one from the subnet, or leave it out: not its gateway, not its first and last one, "
        "which are for the network and for everybody in it, and none of `exclude`.",
    ),
    "AddressesExhausted": Advice(
        f"{_NETWORK} Stopped VMs keep their addresses, too.",
        "Delete VMs and floating IPs that nobody needs, shorten `exclude`, or make a larger network: a "
        "subnet cannot change.",
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
    "NoSubnet": Advice(
        _NETWORK,
        "Make the floating IP anew (`qx floatingip create --network NETWORK`) in a network with an IPv4 "
        "subnet. IPv6 addresses of guests are not translated: where they are routed, they are reached as "
        "they are.",
    ),
    "VirtualMachineNotFound": Advice(
        "`qx vm list`. A floating IP stays when its VM goes.",
        "Attach it to another VM (`qx floatingip attach NAME VM`), or delete it.",
    ),
    "NICNotFound": Advice(
        "`qx vm show VM`, `spec.nics`.",
        "Name a NIC that the VM has (`qx floatingip attach NAME VM --nic NIC`).",
    ),
    "NICNotReady": Advice(
        "`qx vm explain VM`: its NIC gets an address when its network is there and has one free.",
        "What keeps the NIC from its address, keeps the floating IP from the NIC.",
    ),
    "NICInUse": Advice(
        "`qx floatingip list`: which one leads to that VM.",
        "A NIC has one floating IP: the one that leads to it already. Detach that one, or give the VM "
        "another NIC.",
    ),
    "NoRoute": Advice(
        "`qx router list`: a router must be in the network of the NIC, and its way out must be the network "
        "of the floating IP.",
        "Join the two networks (`qx router create NAME --network NETWORK --external shared/outside`), or "
        "attach the floating IP to a NIC that is behind such a router. A guest that runs already answers by "
        "it once it has renewed its DHCP lease (half of `leaseSeconds`, 30 minutes), or after `qx vm "
        "restart`.",
    ),
}
