"""Messages about VMs: placement, start and stop. Data only."""

from __future__ import annotations

from quantix_api.message_template import NOTHING_TO_DO, Template

_PLACEMENT = (
    Template("Assigned", "VirtualMachine", "Host {host} runs it."),
    Template("Scheduled", "VirtualMachine", "Assigned to host {host} (epoch {epoch})."),
    Template(
        "NotEnoughMemory",
        "VirtualMachine",
        "No host has {wanted} free: {hosts}.",
        "lower memory, stop or move a VM, or add a host",
    ),
    Template(
        "NotEnoughCPU",
        "VirtualMachine",
        "No host has {wanted} free: {hosts}.",
        "lower cpu.cores, stop or move a VM, or add a host",
    ),
    Template(
        "NotEnoughCPU",
        "VirtualMachine",
        "No host has {wanted} free, where each real one counts as {times}: {hosts}.",
        "lower cpu.cores, stop or move a VM, add a host, or raise overcommit.cpuPercent in the Host's spec",
    ),
    Template(
        "NotEnoughMemory",
        "VirtualMachine",
        "It needs {needs} of memory on {host}, which has {free} for it: it keeps what it was given.",
        "set less, or qx vm stop {name} and start it where there is room; else it grows once there is",
    ),
    Template(
        "NotEnoughCPU",
        "VirtualMachine",
        "{host} has no room for {cores} of it: it keeps what it was given.",
        "set fewer, or qx vm stop {name} and start it where there is room; else it grows once there is",
    ),
    Template(
        "NoHostFits",
        "VirtualMachine",
        "No host fits: {reasons}.",
        "qx vm explain {name} lists every host",
    ),
    Template("NoHostFits", "VirtualMachine", "There is no host yet.", "add a host with qx up on it"),
    Template(
        "AntiAffinity",
        "VirtualMachine",
        "Group {group} wants {wanted}; {ready} are ready.",
        "add a host or leave the group",
    ),
    Template(
        "HAReserve",
        "VirtualMachine",
        "Starting {name} would leave no room for the loss of {failures}, which the policy keeps.",
        "stop a VM, add a host, or start it with ha.restart Never",
    ),
    Template(
        "QuotaExceeded",
        "refusal",
        "Namespace {namespace} may have {limit} and has {used}.",
        "delete one, or have the quota raised (kubectl describe quota -n {namespace})",
    ),
    Template("NotWanted", "VirtualMachine", "It is stopped, so it needs no host."),
    Template(
        "Held",
        "VirtualMachine",
        "It {what}, and is not started by itself again.",
        "qx vm start {name}, or set ha.restart to Always",
    ),
    Template(
        "RebuildingAssignments",
        "VirtualMachine",
        "The hosts are being asked which VMs run, because the record of that was lost.",
        NOTHING_TO_DO,
    ),
)

_LIFE = (
    Template("Running", "VirtualMachine", "It runs on {host}."),
    Template(
        "Adopted",
        "VirtualMachine",
        "Volume {volume}, which an earlier VM of this name left, is disk {disk} now, data and all.",
    ),
    Template("Stopped", "VirtualMachine", "It is stopped, as asked."),
    Template("Paused", "VirtualMachine", "It is paused on {host}, as asked."),
    Template("Starting", "VirtualMachine", "{host} is starting it.", NOTHING_TO_DO),
    Template("Starting", "VirtualMachine", "quantix-operator has not decided {what} yet.", NOTHING_TO_DO),
    Template(
        "Stopping",
        "VirtualMachine",
        "The guest was asked to shut down; it is stopped by force after {seconds} s.",
        "qx vm stop {name} --now pulls the plug",
    ),
    Template("Stopping", "VirtualMachine", "{host} is stopping it.", NOTHING_TO_DO),
    Template("Restarting", "VirtualMachine", "{host} is restarting it.", NOTHING_TO_DO),
    Template(
        "StartRefused",
        "VirtualMachine",
        "{host} could not start it; it is tried again. Said: {said}.",
        "qx vm explain {name}",
    ),
    Template("Pending", "every kind", "quantix-operator has not looked at it yet.", NOTHING_TO_DO),
    Template("Pending", "StoragePool, Image", "No host has looked at pool {pool} yet.", NOTHING_TO_DO),
    Template("Pending", "VirtualMachine", "{host} has let go of it, and no host has it yet.", NOTHING_TO_DO),
    Template("Deleting", "every kind", "It is being deleted: {what}.", NOTHING_TO_DO),
    Template(
        "InUse", "every kind", "It is to be deleted, but is still used by {users}.", "delete those first"
    ),
    Template(
        "InternalError",
        "every kind",
        "Something went wrong that should not be possible. Said: {said}.",
        "report it with the logs of operator and hostd; it is tried again meanwhile",
    ),
    Template(
        "InternalError",
        "VirtualMachine",
        "Host {host} cannot keep its files of this VM. Said: {said}: {path}.",
        "look at the disk of host {host}; it goes on by itself",
    ),
    Template(
        "RestartRequired",
        "VirtualMachine",
        "{change} takes effect at the next start.",
        "qx vm restart {name}, or set it back",
    ),
    Template(
        "RestartRequired",
        "VirtualMachine",
        "{change} takes effect at the next start: {why}.",
        "qx vm restart {name}, or set it back",
    ),
    Template(
        "WaitingForGuest",
        "VirtualMachine",
        "The guest has not let go of {device} yet.",
        "unmount it in the guest, or qx vm restart {name}",
    ),
    Template(
        "WaitingForGuest",
        "VirtualMachine",
        "The guest has {has} of memory so far, of {wants}.",
        "look whether its virtio-mem driver runs, or qx vm restart {name}",
    ),
    Template(
        "WaitingForGuest",
        "VirtualMachine",
        "NIC {nic} is in network {network} now; its link is down for {seconds} s, so that the guest asks for "
        "another address.",
        NOTHING_TO_DO,
    ),
    Template("HotPlugged", "VirtualMachine", "The running guest was given {device}.", NOTHING_TO_DO),
    Template("HotUnplugged", "VirtualMachine", "The running guest has let go of {device}.", NOTHING_TO_DO),
    Template(
        "PlugFailed",
        "VirtualMachine",
        "The running guest could not be given a device. Said: {said}.",
        "qx vm explain {name}",
    ),
    Template(
        "WaitingForDependency",
        "VirtualMachine",
        "It waits for {names} to be Ready, and starts without at {at}.",
        "look at those, or take them out of ha.after",
    ),
    Template(
        "WaitingForDependency",
        "VirtualMachine",
        "{circle} wait for each other to be Ready; it starts without at {at}.",
        "take one of them out of ha.after",
    ),
    Template(
        "StartedWithout",
        "VirtualMachine",
        "It starts without {names}: not Ready within the {seconds} s of ha.afterTimeoutSeconds.",
        NOTHING_TO_DO,
    ),
    Template(
        "InstanceTypeNotFound",
        "VirtualMachine",
        "There is no instance type {name}.",
        "create it or correct spec.instanceType; it then goes on by itself",
    ),
    Template(
        "InstanceTypeNotFound",
        "VirtualMachine",
        "There is no instance type {missing}: it keeps what it was given before.",
        "create it or correct spec.instanceType; it then goes on by itself",
    ),
    Template(
        "SecretNotFound",
        "VirtualMachine",
        "There is no Secret {name} with key {key} here.",
        "create it or correct {path}; it then goes on by itself",
    ),
    Template(
        "SecretNotFound",
        "VirtualMachine",
        "There is no Secret {name} here.",
        "create it or correct {path}; it then goes on by itself",
    ),
    Template(
        "SecretNotFound",
        "VirtualMachine",
        "What Secret {name} holds under {key} is {what}.",
        "correct it or {path}; it then goes on by itself",
    ),
    Template(
        "SecretNotGranted",
        "VirtualMachine",
        "Its host is about to be allowed to read Secret {name}, which {path} names.",
        NOTHING_TO_DO,
    ),
    Template(
        "IdentityConflict",
        "VirtualMachine",
        "Its UUID {uuid} is that of {other} already.",
        "choose another identity.uuid",
    ),
    Template(
        "IdentityConflict",
        "VirtualMachine",
        "A QEMU on {host} that is not this VM's (pid {pid}) has its UUID {uuid}; it is left alone, and this "
        "VM does not start beside it.",
        "end that guest, or make the VM anew with another identity.uuid; it then goes on by itself",
    ),
    Template(
        "IdentityConflict",
        "VirtualMachine",
        "libvirt has a domain that is not this VM's and has its name or its UUID {uuid}.",
        "rename or undefine that domain; it then goes on by itself",
    ),
    Template(
        "IdentityConflict",
        "VirtualMachine",
        "Domain {domain} was not made by Quantix, so it is left alone.",
        "rename or undefine that domain",
    ),
    Template(
        "StateMissing",
        "VirtualMachine",
        "What its firmware and TPM remember is not where it was, in pool {pool}.",
        "bring the pool back, or restore a snapshot",
    ),
    Template(
        "RestoreInProgress",
        "VirtualMachine",
        "{restore} is setting its disks back.",
        NOTHING_TO_DO,
    ),
)

VM_TEMPLATES: tuple[Template, ...] = (*_PLACEMENT, *_LIFE)
