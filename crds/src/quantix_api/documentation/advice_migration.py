"""What to do about reasons of migrations, and of hosts that are emptied. Data only."""

from __future__ import annotations

from quantix_api.documentation.advice_entry import Advice, waits

_MIGRATION = "`qx migration show NAME`; [moving VMs](migration.md)."
_VM = "`qx vm explain NAME`; [moving VMs](migration.md)."

MIGRATION_ADVICE: dict[str, Advice] = {
    "Queued": waits(
        _MIGRATION,
        "`spec.migrations` of SchedulingPolicy `default` says how many may run at once.",
    ),
    "Preparing": waits(
        _MIGRATION,
        "The message names the host that it waits for. What has not begun within "
        "`spec.migration.timeoutSeconds` of the VM is given up.",
    ),
    "CuttingOver": waits(
        _MIGRATION,
        "The VM is the target's already. Where that is silent, it takes the VM up when it is back.",
    ),
    "Cancelled": Advice(_MIGRATION, "Make a new one, if the VM is to move after all."),
    "NotRunning": Advice(
        _VM, "Start the VM. What is off needs no migration: it is placed when it starts, where its disks are."
    ),
    "CPUFeatureMissing": Advice(
        _VM,
        "Choose a host with the same CPU, or give the VM a model that both have (`spec.cpu.model`) and "
        "restart it.",
    ),
    "SourceFailed": Advice(_MIGRATION, "Do what the message says of the host; the VM runs on where it was."),
    "TargetFailed": Advice(_MIGRATION, "Do what the message says of the host, or name another one."),
    "PostCopyFailed": Advice(
        _MIGRATION,
        "Nothing: the VM starts again. Where networks or hosts fail often, set `postCopy` of its "
        "`spec.migration` to false.",
    ),
    "TimedOut": Advice(
        _MIGRATION,
        "Raise `spec.migration.timeoutSeconds` of the VM, try a quieter hour or a faster network, or let the "
        "guest go on at the target before all of its memory is there: `qx vm migrate NAME --post-copy`.",
    ),
    "MigrationFailed": Advice(_MIGRATION, "Its Ready says why, and what to do."),
    "CPUPassthrough": Advice("`spec.cpu.model`.", "Set it to Auto and restart the VM: then it can move."),
    "PolicyBlock": Advice(
        "`spec.migration.onMaintenance`.",
        "The VM waits for a person: `qx vm migrate NAME` moves it all the same, or set it to Migrate.",
    ),
    "Draining": waits(
        "`qx migration list`, and `qx vm list --host HOST`.",
        "What cannot leave is told as Blocked.",
    ),
    "Blocked": Advice(
        "`qx vm list --host HOST`, and `qx vm explain NAME`.",
        "Do what the message says, or stop that VM: it starts on another host. Nothing leaves a host that is "
        "silent: bring it back first.",
    ),
}
