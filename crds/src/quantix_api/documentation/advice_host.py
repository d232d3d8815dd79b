"""What to do about reasons of hosts and of the certificates that they ask for. Data only."""

from __future__ import annotations

from quantix_api.documentation.advice_entry import Advice, waits

_HOST = "`qx host explain HOST`, and `qx doctor` on it."
_CSR = "`kubectl describe csr`; [certificates](certificates.md) says who gets which."
_LATER = "Failover is not built yet, so nothing gives it."

_STATE = {
    "Joining": waits(_HOST, "What it waits for stands in the message."),
    "Suspect": waits(_HOST, "After some seconds more it is Unreachable."),
    "Isolated": Advice(_HOST, "Mend its network."),
    "StorageLost": Advice(_HOST, "Bring the pool or the storage network back."),
    "Failed": Advice(_HOST, _LATER),
    "Fencing": waits(_HOST, _LATER),
    "Fenced": Advice(_HOST, _LATER),
    "Cleaning": waits(_HOST, _LATER),
    "ShuttingDown": Advice(_HOST, "`make up` (or `qx up`) on it starts Quantix and its VMs again."),
    "LibvirtDown": waits(
        f"{_HOST} libvirt's log is in `/var/log/quantix`.",
        "Guests run on without libvirt; what waits to start or to change waits for it.",
    ),
    "NetworkDown": waits(
        _HOST, "What is connected stays connected. A full disk keeps a database from starting."
    ),
    "OVNAlreadyConfigured": Advice(
        "`ovs-vsctl get Open_vSwitch . external_ids` on it.",
        "The machine belongs to another OVN (OpenStack, Kubernetes). One Open vSwitch serves one: use "
        "another machine.",
    ),
    "Cordoned": Advice(
        "`spec.unschedulable` of the host.", "Set it to false when the host is to take VMs again."
    ),
    "Maintenance": Advice("`spec.maintenance` of the host.", "Set it to false when the work on it is done."),
    "Flapping": Advice(_HOST, _LATER),
    "NotReady": Advice(_HOST, "Do what its Ready says."),
    "KVMUnusable": Advice(
        "`ls -l /dev/kvm` and `lscpu | grep Virtualization` on the host.",
        "Turn on VT-x or AMD-V in its firmware; where it is a VM itself, nested virtualization on its own "
        "host. Guests run meanwhile, slowly.",
    ),
    "HostFirewallDropsGuests": Advice(
        "`iptables -S FORWARD` on the host; Docker sets its policy to drop.",
        "Run the command that the message names, and have it run at each boot.",
    ),
    "PlatformUnknown": Advice(
        "`kubectl -n quantix-system get configmap quantix-platform`; `qx status` for the operator.",
        "Bring the operator back: it writes that object every 30 s. What guests had begun before goes on, "
        "and so does what they send to each other.",
    ),
    "UnderlayTooSmall": Advice(
        "`ip link` on the hosts. Networks keep the MTU that fitted when they were made; of one whose spec "
        "names a larger one the Network says so, and no host.",
        "Raise the MTU between the hosts, or lower `spec.mtu` of the Network: large packets of guests are "
        "lost on the way from host to host.",
    ),
    "MigrationInterfaceUnusable": Advice(
        "`ip address` on the host.",
        "VMs move meanwhile by the host's own address. Name an interface that is there and has one.",
    ),
    "TunnelInterfaceShared": Advice(
        "`ip address` and `ip route` on the host.",
        "Guests on different hosts do not reach each other over it. Name an interface that only tunnels use "
        "([networks](networks.md#the-wire-for-tunnels)).",
    ),
    "TunnelInterfaceUnusable": Advice(
        "`ip address` on the host.",
        "Name an interface that is there and has an address ([networks](networks.md#the-wire-for-tunnels)).",
    ),
    "PhysicalNetworkUnusable": Advice(
        "An interface of the Host's spec.physicalNetworks is not there, has an address of the host, leads to "
        "the outside, or is the wire for tunnels. Networks on other wires of that host are not affected.",
        "Name an interface that the host itself does not use: guests have all of it.",
    ),
    "NoAppArmor": Advice("`aa-status` on the host.", "Turn AppArmor on and reboot. VMs run without it, too."),
    "OrphanGuest": Advice(
        "`qx host end-orphan` on the host, as root, lists such guests.",
        "Its VM was taken out of the API by force. Save what you need from the guest, then `qx host "
        "end-orphan UID`; nothing ends it by itself.",
    ),
    "OrphanVolume": Advice(
        "The directory that it names, as root on the host.",
        "No Volume names this data. Copy it away (`qx image upload` takes a disk back) or remove the "
        "directory; Quantix never does.",
    ),
    "TooFewPages": Advice(
        "`qx host explain HOST` tells its huge pages.",
        "Ask for fewer, lower `spec.reserved.memory` or stop VMs: more follow as memory comes free. Pages of "
        "1 GiB are best set aside on the kernel's command line.",
    ),
    "Lost": Advice(_HOST, _LATER),
    "NoSharedPool": Advice("`qx pool list`.", "Nothing on one machine; on several, make a pool in Ceph."),
    "AddressShared": Advice(
        "`ip address` on both hosts.",
        "Give each host an address of its own; a certificate is made for one of them.",
    ),
    "AddressUnknown": waits(_HOST, _LATER),
    "BMCUnreachable": Advice("`spec.bmc` of the host.", _LATER),
}

_CERTIFICATES = {
    "TokenUnknown": Advice(_CSR, "Run `make up` on the machine again: it makes a new token."),
    "NotAHost": Advice(_CSR, "Only hosts get such certificates. People: [teams](teams.md)."),
    "WrongName": Advice(
        _CSR, "The machine's name as a host changed: set `QUANTIX_HOST_NAME` to what it was."
    ),
    "WrongGroup": Advice(_CSR, "Only hostd makes requests of this kind; do not write them by hand."),
    "Unexpected": Advice(_CSR, "Only hostd makes requests of this kind; do not write them by hand."),
    "WeakKey": Advice(_CSR, "Ask with an ECDSA P-256 key, as hostd does."),
    "WrongUsages": Advice(_CSR, "Only hostd makes requests of this kind; do not write them by hand."),
    "HostUnknown": Advice(
        "`qx host list`.", "Its Host object was deleted: `make up` on the machine lets it join again."
    ),
    "NoNames": Advice(_CSR, "Only hostd makes requests of this kind; do not write them by hand."),
    "WrongAddress": Advice(
        "`kubectl get host HOST -o yaml`, `status.addresses`.",
        "The host reports its addresses itself: wait for it.",
    ),
    "Malformed": Advice(_CSR, "Only hostd makes requests of this kind; do not write them by hand."),
}

HOST_ADVICE: dict[str, Advice] = {**_STATE, **_CERTIFICATES}
