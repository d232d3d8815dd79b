"""Messages about hosts. Data only."""

from __future__ import annotations

from quantix_api.message_template import NOTHING_TO_DO, Template

_READY = (
    Template("Healthy", "Host", "It runs VMs."),
    Template("Joining", "Host", "It is joining: {what}.", NOTHING_TO_DO),
    Template(
        "Suspect", "Host", "It has been silent since {at}; what its VMs do is not known.", NOTHING_TO_DO
    ),
    Template(
        "Unreachable",
        "Host",
        "It has been silent since {at}; what its VMs do is not known.",
        "look at the machine: is it on, is its network up, does quantix-hostd run",
    ),
    Template(
        "Isolated",
        "Host",
        "It has lost its network but still reaches its storage; its VMs go on running.",
        "bring its network back",
    ),
    Template(
        "StorageLost",
        "Host",
        "It no longer reaches pool {pool}.",
        "bring the pool or the storage network back",
    ),
    Template("Failed", "Host", "It has failed.", "bring it back"),
    Template(
        "Fencing",
        "Host",
        "It is being kept from writing, so that its VMs can start elsewhere.",
        NOTHING_TO_DO,
    ),
    Template(
        "Fenced",
        "Host",
        "It can no longer write; its VMs start elsewhere.",
        "bring it back when it is repaired",
    ),
    Template("Cleaning", "Host", "It is back, and what was left of its VMs is being removed.", NOTHING_TO_DO),
    Template(
        "ShuttingDown",
        "Host",
        "Quantix is being stopped on it; its guests shut down.",
        "qx up starts it again",
    ),
    Template(
        "ShuttingDown",
        "VirtualMachine",
        "It is off because Quantix is being stopped on {host}.",
        "qx up on {host}, which starts it again",
    ),
    Template(
        "ShuttingDown",
        "VirtualMachine",
        "It was shut down because {emptied} is in maintenance, as its migration.onMaintenance wants it.",
        "nothing: it starts elsewhere, or with disks of {emptied} alone after qx host resume {emptied}",
    ),
    Template(
        "LibvirtDown",
        "Host",
        "libvirt does not answer on it; guests that run go on without it.",
        "nothing; it is started again by itself",
    ),
    Template(
        "LibvirtDown",
        "VirtualMachine, Volume",
        "libvirt does not answer. Said: {said}.",
        "nothing; it is started again by itself",
    ),
    Template(
        "NetworkDown",
        "Host",
        "{process} does not answer on it; NICs that work go on working. Said: {said}.",
        "nothing; it is started again by itself",
    ),
    Template(
        "OVNAlreadyConfigured",
        "Host",
        "Its Open vSwitch belongs to another OVN already ({remote}).",
        "take that away, or use another machine",
    ),
)

_SCHEDULABLE = (
    Template("Open", "Host", "It takes new VMs."),
    Template(
        "Cordoned",
        "Host",
        "Its spec.unschedulable is true, so it takes no new VMs.",
        "set spec.unschedulable of host {host} to false",
    ),
    Template(
        "Maintenance",
        "Host",
        "It is in maintenance, so it takes no new VMs.",
        "set spec.maintenance of host {host} to false",
    ),
    Template(
        "Flapping",
        "Host",
        "It failed {times} times within {minutes} min, so it takes no new VMs.",
        "find the cause, then set spec.trustAt to now",
    ),
    Template("NotReady", "Host", "It is not Ready, so it takes no new VMs.", "qx host explain {host}"),
    Template("Empty", "Host", "No VM is left on it."),
)

_ABILITIES = (
    Template("Works", "Host", "It works."),
    Template(
        "KVMUnusable",
        "Host",
        "KVM does not work on {host} (its CPU offers no vmx or svm), so guests are emulated (TCG) and slow.",
        "turn on VT-x or AMD-V in the firmware, then reboot",
    ),
    Template(
        "KVMUnusable",
        "Host",
        "KVM does not work on {host} (it is a VM, and its own host passes on no {nested}), so guests are "
        "emulated (TCG) and slow.",
        "turn on nested virtualization on the host that {host} runs on",
    ),
    Template(
        "KVMUnusable",
        "Host",
        "KVM does not work on {host} (there is no {device}: module {module} is not loaded), so guests are "
        "emulated (TCG) and slow.",
        "modprobe {module} on {host}, then make down and make up there",
    ),
    Template(
        "KVMUnusable",
        "Host",
        "KVM does not work on {host} (user {user} may not open {device}), so guests are emulated (TCG) and "
        "slow.",
        "let that user read and write {device}, such as by group kvm, then make down and make up on {host}",
    ),
    Template(
        "KVMUnusable",
        "Host",
        "KVM does not work on {host} ({why}), so guests are emulated (TCG) and slow.",
        "where {host} is a VM itself, turn on nested virtualization on its own host",
    ),
    Template(
        "HostFirewallDropsGuests",
        "Host",
        "The firewall of {host} drops what guests send: its FORWARD chain has policy drop.",
        "{command}",
    ),
    Template(
        "PlatformUnknown",
        "Host",
        "{host} lets guests begin nothing new outside: which addresses it keeps them from is in ConfigMap "
        "{named} in {namespace}, and that is not there.",
        "see that the operator runs, which writes it: qx status",
    ),
    Template(
        "UnderlayTooSmall",
        "Host",
        "The network between hosts carries {found} bytes at {host}; network {network} needs {wanted}.",
        "raise the MTU of {interface} to {wanted}",
    ),
    Template(
        "MigrationInterfaceUnusable",
        "Host",
        "{host} has no address on {interface}, so VMs that move come to the host's own address.",
        "give {interface} an address, or name another interface in spec.interfaces.migration",
    ),
    Template(
        "TunnelInterfaceShared",
        "Host",
        "{host} cannot have {interface} for tunnels, as {address} on it serves other ends, too: without the "
        "kernel's module openvswitch the interface goes to the switch whole.",
        "give spec.interfaces.tunnel an interface of its own, or {host} that module",
    ),
    Template(
        "TunnelInterfaceUnusable",
        "Host",
        "{host} names no interface for tunnels, so its guests do not reach those of other hosts: without the "
        "kernel's module openvswitch tunnels need one of their own.",
        "name it in spec.interfaces.tunnel of {host}",
    ),
    Template(
        "TunnelInterfaceUnusable",
        "Host",
        "{interface}, which spec.interfaces.tunnel of {host} names, is not there; there is {known}.",
        "name one that is there",
    ),
    Template(
        "TunnelInterfaceUnusable",
        "Host",
        "{interface}, which spec.interfaces.tunnel of {host} names, has no address.",
        "give {interface} an address that the other hosts reach",
    ),
    Template(
        "PhysicalNetworkUnusable",
        "Host",
        "{interface}, which {host} is to have for physical network {physical}, is not there.",
        "correct it in spec.physicalNetworks",
    ),
    Template(
        "PhysicalNetworkUnusable",
        "Host",
        "{interface}, which {host} is to have for physical network {physical}, is its own: it has {address}.",
        "an interface without an address, such as a second one, or a VLAN of its own for the host",
    ),
    Template(
        "PhysicalNetworkUnusable",
        "Host",
        "{tunnels}, which {host} is to have for physical network {physical}, is its wire for tunnels.",
        "another interface in spec.physicalNetworks",
    ),
    Template("AppArmor", "Host", "AppArmor confines every QEMU."),
    Template(
        "NoAppArmor",
        "Host",
        "AppArmor is off on {host}, so a guest that breaks out of QEMU is held back less.",
        "turn AppArmor on, then reboot",
    ),
    Template("Known", "Host", "Every guest on it belongs to a VM in the API."),
    Template(
        "OrphanGuest",
        "Host",
        "Since {since} it has domain {domain}, whose VM {vm} is no longer in the API.",
        "qx host end-orphan {uid} on it, as root",
    ),
    Template(
        "OrphanGuest",
        "Host",
        "Since {since} it has domain {domain}, whose VM {vm} is no longer in the API, and {more} more such.",
        "qx host end-orphan {uid} on it, as root; without a UID it lists them",
    ),
    Template("Owned", "Host", "In the pools that it reaches, no data was found that belongs to no Volume."),
    Template(
        "OrphanVolume",
        "Host",
        "Pool {pool} has data that belongs to no Volume in the API: {path}.",
        "look at it on the host, as root; remove that directory once nobody wants it",
    ),
    Template(
        "OrphanVolume",
        "Host",
        "Pool {pool} has data that belongs to no Volume in the API: {path}, and {more} more such.",
        "look at them on the host, as root; remove those directories once nobody wants them",
    ),
    Template("PagesSetAside", "Host", "It has the huge pages that it was asked for."),
    Template(
        "TooFewPages",
        "Host",
        "It was asked for {wanted} huge pages of {page} and has {found}: the rest of its memory is in use, "
        "or kept for itself and its VMs.",
        "set spec.reserved.{field} of host {host} to {found}, or stop VMs on it",
    ),
    Template("Alive", "Host", "Its beat in the storage is seen."),
    Template("Lost", "Host", "Its beat in pool {pool} stopped at {at}.", "bring the storage network back"),
    Template(
        "NoSharedPool",
        "Host",
        "No pool is shared with other hosts, so its VMs cannot start elsewhere.",
        "add a pool that several hosts reach",
    ),
    Template(
        "AddressShared",
        "Host",
        "Its storage address {address} is that of {other} too.",
        "give it one of its own",
    ),
    Template("AddressUnknown", "Host", "The addresses of its storage clients are not known.", NOTHING_TO_DO),
    Template("BMCUnreachable", "Host", "Its BMC {address} does not answer.", "correct spec.bmc"),
)

HOST_TEMPLATES: tuple[Template, ...] = (*_READY, *_SCHEDULABLE, *_ABILITIES)
