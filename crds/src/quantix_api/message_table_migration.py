"""Messages about VMs that move to another host while they run. Data only."""

from __future__ import annotations

from quantix_api.message_template import NOTHING_TO_DO, Template

_MIGRATION = "VirtualMachineMigration"

_ON_THE_WAY = (
    Template("Queued", _MIGRATION, "It waits for its turn: {what}.", NOTHING_TO_DO),
    Template("Preparing", _MIGRATION, "{target} makes ready to receive {name}.", NOTHING_TO_DO),
    Template(
        "Preparing",
        _MIGRATION,
        "{target} is ready to receive {name}, and {source} is about to send it.",
        "where that lasts, qx host explain {source} tells why",
    ),
    Template("Copying", _MIGRATION, "{name} is copied from {source} to {target}.", NOTHING_TO_DO),
    Template("CuttingOver", _MIGRATION, "{source} has handed {name} over to {target}.", NOTHING_TO_DO),
    Template(
        "CuttingOver",
        _MIGRATION,
        "{name} runs on {running}, and the rest of its memory follows from {source}.",
        NOTHING_TO_DO,
    ),
    *(
        Template(
            phase,
            _MIGRATION,
            "It waits for {silent}, which has been silent since {at}.",
            "bring {silent} back; then it goes on by itself",
        )
        for phase in ("Queued", "Preparing", "Copying", "CuttingOver")
    ),
    *(
        Template(
            phase,
            _MIGRATION,
            "It waits for {host}: {said}.",
            "qx status shows how both hosts are; after migration.timeoutSeconds it is given up",
        )
        for phase in ("Preparing", "Copying")
    ),
    *(
        Template(
            phase,
            _MIGRATION,
            "{wish}, and it waits for {host} to say that it was given up.",
            NOTHING_TO_DO,
        )
        for phase in ("Preparing", "Copying")
    ),
    *(
        Template(
            phase,
            _MIGRATION,
            "{wish}, but only {silent} can give it up, which has been silent since {at}.",
            "bring {silent} back; then it ends by itself",
        )
        for phase in ("Preparing", "Copying")
    ),
    Template(
        "CuttingOver",
        _MIGRATION,
        "{source} says that it has handed {name} over, but the disks do not say so to {unnamed}.",
        "nothing; it ends once {source} hands them over, or lets go of them",
    ),
    Template(
        "CuttingOver",
        _MIGRATION,
        "{source} and {target} name epochs of the hand-over of {name} that {epochs}.",
        "qx support-bundle, and report it",
    ),
)

_ENDED = (
    Template("Succeeded", _MIGRATION, "{name} runs on {target}."),
    Template("Cancelled", _MIGRATION, "It was cancelled; {name} runs on where it was."),
    Template(
        "NotRunning",
        _MIGRATION,
        "Only a VM that runs can be moved, and {name} {state}.",
        "qx vm start {name}, which also chooses a host anew",
    ),
    Template(
        "NotRunning",
        _MIGRATION,
        "Only a VM that runs can be moved, and {paused} is paused.",
        "qx vm resume {paused}, then move it",
    ),
    Template("NotRunning", _MIGRATION, "There is no VM {missing} in this namespace.", "qx vm list"),
    Template(
        "NoHostFits",
        _MIGRATION,
        "No other host can take {name} from {source}: {reasons}.",
        "make room or add a host; {name} runs on where it is",
    ),
    Template(
        "NoHostFits",
        _MIGRATION,
        "{target} cannot take {name}: it {reasons}.",
        "another host, or none, so that one is chosen",
    ),
    Template("NoHostFits", _MIGRATION, "{name} is on {target} already.", "another host"),
    Template(
        "CPUFeatureMissing",
        _MIGRATION,
        "{host} cannot give {name} the CPU {model} with which it was started.",
        "another host, or a restart of {name} there",
    ),
    Template(
        "SourceFailed",
        _MIGRATION,
        "{host} gave it up: {said}.",
        "qx status shows how both hosts are; then make a new migration",
    ),
    Template("TargetFailed", _MIGRATION, "{host} could not receive it: {said}.", "another host"),
    Template(
        "TargetFailed",
        _MIGRATION,
        "{target} has been silent since {at}, and {source} gave it up: {said}.",
        "another host, or bring {target} back",
    ),
    Template(
        "SourceFailed",
        _MIGRATION,
        "{host} said that it had handed {name} over, but the disks did not say so to {unnamed}.",
        "look after {host}: somebody else may have its key",
    ),
    Template(
        "SourceFailed",
        _MIGRATION,
        "Neither host said how it ended, and the VM is no longer being moved.",
        "make a new migration",
    ),
    Template(
        "PostCopyFailed",
        _MIGRATION,
        "A part of the memory of {name} was lost on the way; it starts anew from its disks on {host}.",
        "a steadier network, or postCopy false",
    ),
    Template(
        "TimedOut",
        _MIGRATION,
        "{name} was not moved within {seconds} s.",
        "a quieter hour, or a longer migration.timeoutSeconds",
    ),
    Template(
        "TimedOut",
        _MIGRATION,
        "{unsent} was not begun to be moved within {seconds} s: {said}.",
        "put right what it says; then make a new migration",
    ),
)

_OF_HOSTS = (
    Template("Preparing", _MIGRATION, "QEMU of {uncertified} has no certificate yet."),
    Template("Preparing", _MIGRATION, "A snapshot of {kept} is being taken."),
    Template("Preparing", _MIGRATION, "A disk of {displaced} is on its way to another pool."),
    Template("Copying", _MIGRATION, "All of {name} was sent, and its QEMU on {lingers} does not end."),
    Template("NotRunning", _MIGRATION, "{name} does not run on {here}, or is about to stop."),
    Template("NotRunning", _MIGRATION, "{stopping} is to be off."),
    Template("SourceFailed", _MIGRATION, "libvirt says: {said}."),
    Template("SourceFailed", _MIGRATION, "libvirt ended here meanwhile: {ended}."),
    Template("TargetFailed", _MIGRATION, "libvirt of {cut} ended meanwhile, or the way there: {said}."),
    Template("SourceFailed", _MIGRATION, "hostd of {restarted} was started anew meanwhile."),
    Template("SourceFailed", _MIGRATION, "{unswitched} did not stop to go on elsewhere."),
    Template("SourceFailed", _MIGRATION, "{unsure} is not sure that {name} is its own."),
    Template("SourceFailed", _MIGRATION, "No route leads to {unreached}."),
    Template("SourceFailed", _MIGRATION, "Disks of {changing} are about to be plugged in or out."),
    Template("SourceFailed", _MIGRATION, "The disks of {name} do not say that it is {unnamed}'s."),
    Template("TargetFailed", _MIGRATION, "{target} has not told its address."),
    Template("TargetFailed", _MIGRATION, "hostd of {deaf} does not answer: {said}."),
    Template("TargetFailed", _MIGRATION, "{kept} is there already, and is no copy."),
    Template("TargetFailed", _MIGRATION, "A guest of {present} is here already."),
    Template("TargetFailed", _MIGRATION, "The claim of {claimed} is this host's already."),
    Template("TargetFailed", _MIGRATION, "It does not know pool {unknown}."),
    Template("TargetFailed", _MIGRATION, "This cannot be made ready: {said}."),
)
"""What hosts say; the operator quotes it in a sentence that names the host."""

_EVENTS = (
    Template("MigrationStarted", "VirtualMachine", "It moves from {source} to {target}."),
    Template("Migrated", "VirtualMachine", "It moved from {source} to {target}."),
    Template("MigrationFailed", "VirtualMachine", "It was not moved from {source}: {why}."),
    Template(
        "MigrationCancelled", "VirtualMachine", "It was not moved from {source}: its migration was cancelled."
    ),
    Template(
        "MigrationFailed",
        "VirtualMachine",
        "A part of its memory was lost between {source} and {lost}; it starts anew from its disks there.",
    ),
)

_DRAINING = (
    Template("Draining", "Host", "VMs are leaving it.", NOTHING_TO_DO),
    Template("Draining", "Host", "It goes once it is done with {work}.", NOTHING_TO_DO),
    Template(
        "Draining",
        "Host",
        "{host} runs, and would be there again at once.",
        "make clean on {host}; it then goes by itself",
    ),
    Template("Blocked", "Host", "{name} does not leave it: {why}.", "stop or move {name}"),
    Template(
        "Blocked",
        "Host",
        "It has been silent since {at}, so no VM leaves it: what they do is not known, and failover is not "
        "built yet.",
        "turn the machine on, or mend its network; if quantix-hostd does not run there: make up",
    ),
)

MIGRATION_TEMPLATES: tuple[Template, ...] = (*_ON_THE_WAY, *_ENDED, *_OF_HOSTS, *_EVENTS, *_DRAINING)
