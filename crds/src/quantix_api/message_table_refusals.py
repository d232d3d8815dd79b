"""Messages of refusals and of clients: what is no condition of an object. Data only."""

from __future__ import annotations

from quantix_api.message_template import Template

REFUSAL_TEMPLATES: tuple[Template, ...] = (
    Template(
        "InUse",
        "refusal",
        "{name} is the base of {count} volumes: {users}.",
        "delete those first",
    ),
    Template(
        "InUse",
        "refusal",
        "{kind} {name} has {count}: {users}.",
        "delete those first",
    ),
    Template(
        "InUse",
        "refusal",
        "Volume {volume} is a disk of {users}.",
        "qx vm detach VM DISK takes it out of the VM; or delete that first",
    ),
    Template(
        "InUse",
        "refusal",
        "Network {network} has {ports}.",
        "delete the VMs and routers in it first",
    ),
    Template("InUse", "refusal", "Host {host} has {count}.", "move or delete them first"),
    Template("InUse", "refusal", "Host {host} is being recovered.", "wait for its HostRecovery to end"),
    Template(
        "InUse",
        "refusal",
        "Pool {pool} holds {allocated} of volumes.",
        "delete or move those first",
    ),
    Template(
        "InUse",
        "refusal",
        "Pool {pool} is named by {count} for a disk.",
        "move their disks to another pool, or delete those VMs first",
    ),
    Template(
        "InUse",
        "refusal",
        "Pool {pool} keeps {snapshots}.",
        "delete those first (qx snapshot list)",
    ),
    Template(
        "OnlyGrows",
        "refusal",
        "{what} can only grow, and has {size}.",
        "ask for at least that; a smaller disk is a new one",
    ),
    Template(
        "SubnetInUse",
        "refusal",
        "Network {network} has {ports}, so no subnet can leave it.",
        "delete the VMs in it first, or use another network",
    ),
    Template(
        "SizeFollowsDisk",
        "refusal",
        "Volume {volume} is a disk of {vm}, whose spec says its size.",
        "change spec.disks[].size of the VM",
    ),
    Template(
        "Protected",
        "refusal",
        "{kind} {name} is protected against deletion.",
        "qx {noun} set {name} --no-protect, or set spec.deletionProtection to false",
    ),
    Template(
        "NamespaceDeleting",
        "VirtualMachine, Volume, Image",
        "Namespace {namespace} is being deleted, which nothing calls back; {name} stays while it is "
        "protected.",
        "copy elsewhere what is to be kept, then qx {noun} set {name} -n {namespace} --no-protect, which "
        "lets it go for good",
    ),
    Template(
        "GoesWithNamespace",
        "VirtualMachine, Volume, Image",
        "Namespace {namespace} is being deleted, which nothing calls back; {name} goes with it for good, at "
        "the latest once nothing in it is protected.",
        "copy elsewhere what is to be kept; qx {noun} set {name} -n {namespace} --protect makes it stay "
        "until then",
    ),
    Template(
        "NamespaceDeleting",
        "refusal",
        "Namespace {namespace} is being deleted, so nothing can be made in it.",
        "another namespace, with -n; kubectl describe namespace {namespace} says what it waits for",
    ),
    Template(
        "PlatformNamespace",
        "refusal",
        "Namespace {namespace} holds what Quantix itself needs: without it no VM can be placed or run.",
        "delete single objects in it; to take Quantix off this cluster, first "
        "kubectl delete validatingadmissionpolicybinding {policy}",
    ),
    Template(
        "CleanupPending",
        "refusal",
        "{kind} {name} is being deleted; its mark quantix.io/cleanup stays until nothing of it is left.",
        "wait for it; kubectl describe says what it waits for",
    ),
    Template(
        "NotHere",
        "refusal",
        "{kind} {name} is not on host {host}.",
        "qx explain {target} says where it is",
    ),
    Template(
        "NoOrphan",
        "refusal",
        "No guest of UID {uid} is on host {host} without a VM in the API.",
        "qx host end-orphan lists those that are; qx vm delete ends the guest of a VM",
    ),
    Template(
        "ScreenTooLarge",
        "refusal",
        "The screen of {domain} is larger than {most}, so there is no picture of it.",
        "qx vm view shows it",
    ),
    Template(
        "NoScreen",
        "refusal",
        "The guest has no graphics card, so there is no picture of its screen.",
        "qx vm console shows its serial console; console.video gives it a card at its next start",
    ),
    Template(
        "ScreenHangs",
        "refusal",
        "{domain} owes an earlier picture of its screen, so it is not asked for another.",
        "ask again later",
    ),
    Template(
        "NotWaiting",
        "refusal",
        "Image {image} takes no file: {why}.",
        "qx image show {image} says how it is; an image never changes, so make a new one",
    ),
    Template(
        "NotWaiting",
        "refusal",
        "Volume {volume} takes no file: {why}.",
        "qx volume show {volume} says how it is; a file is sent once, and another one needs a new volume",
    ),
    Template(
        "TooManyUploads",
        "refusal",
        "Host {host} takes as many files of namespace {namespace}, or of all, as it does at once.",
        "send it again once one of them has arrived",
    ),
    Template(
        "TooManyReaders",
        "refusal",
        "Host {host} sends as many images at once, or to {user}, as it does.",
        "ask again once one of them has arrived",
    ),
    Template(
        "NameTaken",
        "refusal",
        "{one} {name} exists here for {age}.",
        "another name, or qx {noun} set {name}",
    ),
    Template(
        "NameTaken",
        "refusal",
        "{one} {kept} exists here for {age}, and stays what it is.",
        "another name, or qx {noun} delete {kept}",
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
        "qx doctor on the machine of its control plane",
    ),
    Template("Accepted", "InstanceType, HAPolicy, SchedulingPolicy", "It counts."),
)
