"""Messages about VMs: placement, start and stop, guests, failures of their hosts. Data only."""

from __future__ import annotations

from quantix_api.message_template import NOTHING_TO_DO, Template

_PLACEMENT = (
    Template("Assigned", "VirtualMachine", "Host {host} runs it."),
    Template(
        "NotEnoughMemory",
        "VirtualMachine",
        "No host has {wanted} free: {hosts}.",
        "lower memory, stop or move a VM, or add a host",
    ),
    Template(
        "NotEnoughCPU",
        "VirtualMachine",
        "No host has {wanted} CPUs free: {hosts}.",
        "lower cpu.cores, stop or move a VM, or add a host",
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
        "delete one, or have the quota raised (qx namespace show {namespace})",
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
    Template("Stopped", "VirtualMachine", "It is stopped, as asked."),
    Template("Paused", "VirtualMachine", "It is paused on {host}, as asked."),
    Template("Starting", "VirtualMachine", "{host} is starting it.", NOTHING_TO_DO),
    Template(
        "Stopping",
        "VirtualMachine",
        "The guest was asked to shut down; it is stopped by force after {seconds} s.",
        "qx vm stop {name} --force stops it at once",
    ),
    Template("Stopping", "VirtualMachine", "{host} is stopping it.", NOTHING_TO_DO),
    Template("Restarting", "VirtualMachine", "{host} is restarting it.", NOTHING_TO_DO),
    Template("Pending", "every kind", "It was not looked at yet.", NOTHING_TO_DO),
    Template("Deleting", "every kind", "It is being deleted: {what}.", NOTHING_TO_DO),
    Template(
        "InUse",
        "refusal",
        "{name} is the base of {count} volumes: {users}.",
        "delete those first",
    ),
    Template(
        "InUse",
        "refusal",
        "{kind} {name} has {count} users: {users}.",
        "delete those first",
    ),
    Template(
        "InUse",
        "refusal",
        "Volume {volume} is a disk of {users}.",
        "delete the VM or take the disk out of it first",
    ),
    Template(
        "InUse",
        "refusal",
        "Network {network} has {ports} ports.",
        "delete the VMs and routers in it first",
    ),
    Template("InUse", "refusal", "Host {host} has {count} VMs.", "move or delete them first"),
    Template("InUse", "refusal", "Host {host} is being recovered.", "wait for its HostRecovery to end"),
    Template(
        "InUse",
        "refusal",
        "Pool {pool} holds {allocated} of volumes and images.",
        "delete or move those first",
    ),
    Template(
        "Protected",
        "refusal",
        "{kind} {name} is protected against deletion.",
        "set spec.deletionProtection to false first",
    ),
    Template("InUse", "every kind", "It is to be deleted, but {users} still use it.", "delete those first"),
    Template(
        "InternalError",
        "every kind",
        "Something went wrong that should not be possible. Said: {said}.",
        "report it with qx support-bundle; it is tried again meanwhile",
    ),
    Template(
        "RestartRequired",
        "VirtualMachine",
        "{change} takes effect at the next start.",
        "qx vm restart {name}, or set it back",
    ),
    Template(
        "WaitingForGuest",
        "VirtualMachine",
        "The guest has not let go of {device} yet.",
        "unmount it in the guest, or qx vm restart {name}",
    ),
    Template(
        "WaitingForDependency",
        "VirtualMachine",
        "It starts once {names} are Ready.",
        "nothing; it starts anyway after {seconds} s",
    ),
    Template(
        "InstanceTypeNotFound",
        "VirtualMachine",
        "There is no instance type {name}.",
        "create it or correct spec.instanceType; it then starts by itself",
    ),
    Template(
        "SecretNotFound",
        "VirtualMachine",
        "There is no Secret {name} with key {key} here.",
        "create it or correct {path}; it then starts by itself",
    ),
    Template(
        "IdentityConflict",
        "VirtualMachine",
        "Its UUID {uuid} is that of {other} already.",
        "choose another identity.uuid",
    ),
    Template(
        "ConfigRefused",
        "VirtualMachine",
        "{host} cannot run it as it is described. Said: {said}.",
        "change the spec that this names",
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

_GUEST = (
    Template(
        "GuestNotReady",
        "VirtualMachine",
        "It runs, but did not answer on TCP port {port} within {seconds} s.",
        "qx vm console {name} shows the guest",
    ),
    Template(
        "GuestNotReady",
        "VirtualMachine",
        "It runs, but its agent did not answer within {seconds} s.",
        "qx vm console {name} shows the guest",
    ),
    Template(
        "GuestShutdown",
        "VirtualMachine",
        "The guest powered itself off.",
        "qx vm start {name}",
    ),
    Template(
        "GuestPanicked",
        "VirtualMachine",
        "The guest's kernel stopped with a panic.",
        "qx vm log {name} shows its last words",
    ),
    Template(
        "QEMUCrashed",
        "VirtualMachine",
        "QEMU ended {times} times in {minutes} min; next start at {at}. Said: {said}.",
        "qx vm explain {name}; report it with qx support-bundle",
    ),
    Template(
        "QEMUCrashed",
        "VirtualMachine",
        "QEMU ended; it is started again. Said: {said}.",
        NOTHING_TO_DO,
    ),
    Template(
        "QEMUCrashed",
        "VirtualMachine",
        "QEMU was killed; it is started again.",
        NOTHING_TO_DO,
    ),
    Template(
        "QEMUCrashed",
        "VirtualMachine",
        "QEMU ended, and ha.restart is Never. Said: {said}.",
        "qx vm start {name}",
    ),
    Template(
        "StuckInIO",
        "VirtualMachine",
        "QEMU (pid {pid}) waits for its storage and cannot be ended.",
        "bring pool {pool} back",
    ),
    Template(
        "OrphanProcess",
        "VirtualMachine",
        "A QEMU of it (pid {pid}) still runs on {host}, though nothing there knows why.",
        "nothing; it is ended first",
    ),
    Template(
        "StorageIOError",
        "VirtualMachine",
        "Disk {disk} cannot be read or written, so the VM is paused and loses nothing. Said: {said}.",
        "bring pool {pool} back; it resumes by itself",
    ),
    Template(
        "NotInstalled", "VirtualMachine", "No agent has answered in the guest.", "install qemu-guest-agent"
    ),
    Template("Connected", "VirtualMachine", "The agent in the guest answers."),
    Template(
        "Silent",
        "VirtualMachine",
        "The agent in the guest has been silent since {at}.",
        "qx vm console {name} shows the guest",
    ),
)

_HOST_FAILURES = (
    Template(
        "HostSuspect",
        "VirtualMachine",
        "{host} has been silent since {at}; what its VMs do is not known.",
        NOTHING_TO_DO,
    ),
    Template(
        "HostUnreachable",
        "VirtualMachine",
        "{host} has been silent since {at}; what its VMs do is not known.",
        "qx host explain {host}",
    ),
    Template("HostFailed", "VirtualMachine, Volume", "{host} has failed.", "bring {host} back"),
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
        "switch {host} off by hand, then qx host confirm-dead {host}",
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
    Template(
        "MigrationTooSlow",
        "VirtualMachineMigration",
        "{name} changes memory faster than the network carries it.",
        "--post-copy, a quieter hour, or a faster link",
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
        "give the host a bmc, or the VM a pool that can fence",
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

_REFUSALS = (
    Template(
        "NameTaken",
        "refusal",
        "A VM {name} exists here since {age}.",
        "another name, or qx vm set {name}",
    ),
    Template(
        "NotAllowed",
        "refusal",
        "{user} may not {verb} {what}.",
        "ask for role {role}; kubectl auth can-i shows what you may",
    ),
    Template(
        "APIUnreachable",
        "client",
        "The API at {address} {what}; running VMs are not affected.",
        "qx doctor on a control-plane host",
    ),
    Template("Accepted", "InstanceType, HAPolicy, SchedulingPolicy", "It counts."),
)

VM_TEMPLATES: tuple[Template, ...] = (
    *_PLACEMENT,
    *_LIFE,
    *_GUEST,
    *_HOST_FAILURES,
    *_PROTECTION,
    *_REFUSALS,
)
