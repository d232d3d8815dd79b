"""Messages about VMs whose host fails, and about what protects them from that. Data only."""

from __future__ import annotations

from quantix_api.message_template import NOTHING_TO_DO, Template

_HOST_FAILURES = (
    Template(
        "HostSuspect",
        "VirtualMachine",
        "{host} has been silent since {at}; what its VMs do is not known.",
        NOTHING_TO_DO,
    ),
    Template("HostSuspect", "Host", "Its heartbeats stopped; what its VMs do is not known."),
    Template(
        "HostUnreachable",
        "VirtualMachine",
        "{host} has been silent since {at}; what its VMs do is not known.",
        "qx host explain {host}",
    ),
    Template(
        "HostUnreachable",
        "Volume, VirtualMachine",
        "{volume} is on {keeper}, which has been silent since {at}.",
        "qx host explain {keeper}",
    ),
    Template(
        "HostUnreachable",
        "Volume",
        "It is made from volume {source}, which is on {keeper}, and {keeper} has been silent since {at}.",
        "bring {keeper} back; then it goes on by itself",
    ),
    Template(
        "HostUnreachable",
        "Volume",
        "{keeper} is to bring {volume} to pool {pool}, and has been silent since {at}.",
        "bring {keeper} back; then it goes on by itself",
    ),
    Template("HostFailed", "VirtualMachine", "{host} has failed.", "bring {host} back"),
    Template(
        "HostFailed",
        "VirtualMachine",
        "A recovery of {host} is open, so {name} does not start there yet.",
        "nothing; it goes on once the recovery has ended",
    ),
    Template(
        "HostIsolated",
        "VirtualMachine",
        "{host} has lost its network but still reaches its storage; the VM goes on running there.",
        "bring the network of {host} back",
    ),
    Template(
        "HostDownLocalDisk",
        "VirtualMachine",
        "{host} is down, and disk {disk} exists only on {host}.",
        "bring {host} back; {name} then starts by itself",
    ),
    Template(
        "FenceUnproven",
        "VirtualMachine, HostRecovery",
        "{host} is silent, but nothing proves it stopped: {why}. "
        "Starting its VMs elsewhere could destroy their disks.",
        "switch {host} off by hand, then set spec.confirmedDead of its HostRecovery",
    ),
    Template(
        "FencingHeld",
        "HostRecovery",
        "{silent} of {hosts} hosts fell silent at once, which points at the network. "
        "Nobody is fenced; VMs go on running.",
        "check the switch between them; the rest goes on by itself",
    ),
    Template(
        "CPUFeatureMissing",
        "VirtualMachineMigration",
        "{host}'s CPU lacks {feature}, which {name} was started with.",
        "another host, or cpu model {model} and a restart",
    ),
)

_PROTECTION = (
    Template("Protected", "VirtualMachine", "If {host} fails, it starts on another host."),
    Template(
        "LocalStorage",
        "VirtualMachine",
        "Disk {disk} exists only on {host}, so it cannot start elsewhere.",
        "move it to a pool that several hosts reach",
    ),
    Template(
        "HostDevice",
        "VirtualMachine",
        "It has device {device} of {host} to itself.",
        "take the device away to protect it",
    ),
    Template("PolicyNever", "VirtualMachine", "Its ha.restart is Never.", "set ha.restart to OnFailure"),
    Template(
        "PolicyWait", "VirtualMachine", "Its ha.onHostIsolated is Wait.", "set ha.onHostIsolated to Restart"
    ),
    Template(
        "NoFencing",
        "VirtualMachine",
        "Nothing could prove that {host} has stopped.",
        "nothing yet: failover is not built",
    ),
    Template(
        "NoOtherHost", "VirtualMachine", "No other host could run it.", "add a host, or relax its placement"
    ),
    Template(
        "NoSpareRoom",
        "VirtualMachine",
        "If {host} fails, no other host has {wanted} free.",
        "stop a VM or add a host",
    ),
    Template(
        "QuorumAtRisk",
        "VirtualMachine",
        "One more loss stops {what}.",
        "bring the lost member back",
    ),
    Template("Migratable", "VirtualMachine", "It can move to another host while it runs."),
    Template(
        "CPUPassthrough",
        "VirtualMachine",
        "Its cpu.model is HostPassthrough, and no other host has the same CPU.",
        "set cpu.model to Auto and restart it",
    ),
    Template("PolicyBlock", "VirtualMachine", "Its migration.onMaintenance is Block.", "set it to Migrate"),
    Template(
        "LocalMedium",
        "VirtualMachine",
        "The medium in {device} exists only on {host}.",
        "take the medium out",
    ),
    Template("AsAsked", "VirtualMachine", "It runs where its placement wants it."),
    Template("AffinityBroken", "VirtualMachine", "It is away from {others} on {host}.", "move one of them"),
    Template(
        "AntiAffinityBroken", "VirtualMachine", "It is together with {others} on {host}.", "move one of them"
    ),
    Template(
        "SelectorBroken",
        "VirtualMachine",
        "{host} no longer has the labels that its hostSelector asks for.",
        "move it, or label the host",
    ),
)

FAILURE_TEMPLATES: tuple[Template, ...] = (*_HOST_FAILURES, *_PROTECTION)
