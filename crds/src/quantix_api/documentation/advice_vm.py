"""What to do about reasons of VMs and of the guests in them. Data only."""

from __future__ import annotations

from quantix_api.documentation.advice_entry import Advice, waits

_EXPLAIN = "`qx vm explain NAME`."
_CONSOLE = "`qx vm console NAME` and `qx vm screenshot NAME` show the guest."
_HOST = "`qx host explain HOST`, and `qx doctor` on that host."
_UNFIT = "`qx vm explain NAME` lists the hosts by what keeps the VM off them."

_PLACEMENT = {
    "NotEnoughMemory": Advice(
        f"{_UNFIT} `qx status` shows how much memory is promised.",
        "Give the VM less (`qx vm set NAME --memory SIZE`), or stop another. While a VM runs, what it was "
        "given before stays, and it grows as soon as there is room. Where it is about addresses, no room "
        "helps: lower `--max-memory` to what the message names; a guest with the CPU of its host "
        "(`--cpu-model HostPassthrough`, where KVM works) can have more than one with a model of QEMU.",
    ),
    "NotEnoughCPU": Advice(
        f"{_UNFIT} `qx status` shows how many CPUs are promised, and on how many real ones.",
        "Give the VM fewer cores (`qx vm set NAME --cpu N`), stop another, or allow more vCPUs for each CPU "
        "in `overcommit.cpuPercent` of the SchedulingPolicy `default`.",
    ),
    "NoHostFits": Advice(
        _UNFIT, "Change what the lines name: labels that `placement` asks for, taints, the pool, the size."
    ),
    "AntiAffinity": Advice(
        f"{_UNFIT} The VMs that it stays away from are those with the labels in `placement.antiAffinity`.",
        "Add a host, or set `strength: Preferred`: then it starts beside them where there is no other place.",
    ),
    "HAReserve": Advice(_UNFIT, "Stop a VM or add a host. Nothing gives it on one machine."),
    "NotWanted": Advice("`spec.powerState` of the VM.", "Nothing. `qx vm start NAME` starts it."),
    "Held": Advice(
        "The message says what ended it; `qx vm explain NAME` and the events tell when.",
        "`qx vm start NAME`. With `ha.restart: Always` it starts again by itself whenever the guest powers "
        "off.",
    ),
    "RebuildingAssignments": waits(
        "`qx status`.", "It waits for every host to say what it runs: bring hosts back that are away."
    ),
    "WaitingForDependency": waits(
        "`ha.after` of the VM, and `qx vm explain` of those that it names.",
        "Where one of them is never Ready, the time limit in `ha.afterTimeoutSeconds` ends the wait.",
    ),
    "StartedWithout": Advice(
        "`qx vm explain` of the VMs that it names.",
        "Nothing for this VM: it starts. Mend the others, or give them longer in `ha.afterTimeoutSeconds`.",
    ),
    "InstanceTypeNotFound": Advice(
        "`qx instancetype list`.", "Correct `spec.instanceType`, or add that type."
    ),
    "SecretNotFound": Advice(
        "`kubectl get secret -n NAMESPACE`: the Secret is in the VM's namespace and has that key.",
        "Make it, or correct the name. It then goes on by itself.",
    ),
    "SecretNotGranted": waits(
        _EXPLAIN,
        "Hosts read the Secrets of their own VMs and volumes only, each from some moment after it got them. "
        "Where this lasts for more than seconds, the operator does not run: `qx status`.",
    ),
    "IdentityConflict": Advice(
        "`qx vm list -A` for the other VM; for a guest that is not Quantix's, `virsh list --all` on the "
        "host.",
        "A VM's UUID cannot change: make the VM anew with another `identity.uuid`, or none. A guest of "
        "somebody else on that machine is left alone; end it, or rename its domain.",
    ),
    "ConfigRefused": Advice(
        "The message names the field or QEMU's own words; `qx vm explain NAME` shows them whole.",
        "Change that field, or leave out what it says cannot be. Fields that are not built yet are marked in "
        "the reference of the kinds.",
    ),
}

_POWER = {
    "Pending": waits(
        "`qx status`: does the operator run?",
        "If it lasts for more than seconds, `qx doctor` on that machine.",
    ),
    "Starting": waits(
        f"{_EXPLAIN} Its `progress` and events say what was done.",
        "More than a minute points at the host: `qx host explain HOST`.",
    ),
    "Stopping": waits(
        _CONSOLE,
        "A guest that does not listen is ended after `gracePeriodSeconds`; `qx vm stop NAME --now` is at "
        "once.",
    ),
    "Restarting": waits(_CONSOLE, "`qx vm restart NAME --now` does not wait for the guest."),
    "StartRefused": Advice(
        "The message ends with libvirt's or QEMU's words; hostd's log on the host has the rest.",
        "Correct what they name. It is tried again by itself, ever more rarely; `qx vm restart NAME` tries "
        "at once.",
    ),
    "RestartRequired": Advice(
        "`qx vm explain NAME` lists each change, from → to.",
        "`qx vm restart NAME` when it suits the guest, or set the value back. Nothing restarts it by "
        "itself. [What changes at once](live-changes.md).",
    ),
    "WaitingForGuest": Advice(
        f"{_CONSOLE} Is the disk mounted, does the guest still boot, is it paused?",
        "Unmount the disk in the guest. For memory: [live changes](live-changes.md) says what the guest "
        "needs. A restart always ends it.",
    ),
    "PlugFailed": Advice(
        _EXPLAIN, "Correct what the message names; otherwise `qx vm restart NAME` plugs it in."
    ),
    "Deleting": waits(
        "`kubectl describe` says what is still there.",
        "A VM waits for its host to say that nothing is left of it: bring a silent host back.",
    ),
    "InternalError": Advice(
        "hostd's and the operator's logs at that time; `qx support-bundle` collects them.",
        "It is tried again by itself. Report it with the bundle: it is a defect.",
    ),
}

_GUEST = {
    "GuestNotReady": Advice(
        f"{_CONSOLE} Is the service up, has the guest an address, does a security group close the port?",
        "Mend the guest, or correct `spec.readiness`. The VM runs on and becomes Ready by itself.",
    ),
    "KernelLimit": Advice(
        "`sysctl fs.aio-nr fs.aio-max-nr` on its host: what is taken, and the limit. hostd raises the limit "
        "when it starts, unless `/proc/sys` may not be written there (a container); its log says so.",
        "Raise it there as the message says. The VM then starts by itself.",
    ),
    "GuestShutdown": Advice(
        "What the guest said last: `qx vm console NAME` once it runs again.",
        "`qx vm start NAME`. Set `ha.restart: Always` where it is never to stay off.",
    ),
    "GuestPanicked": Advice(
        f"{_CONSOLE} The panic stands on its serial port.",
        "It starts again by itself, ever more rarely. Mend the guest; `qx vm stop NAME` ends the circle.",
    ),
    "GuestResets": Advice(
        f"{_CONSOLE} A boot loader that fails begins anew without an end, while QEMU runs on and Ready is "
        "True.",
        "What the console says. With `firmware.secureBoot` give the guest 512 MiB of memory or more; where a "
        "boot loader is not signed, leave it out. A watchdog that resets the guest says so itself.",
    ),
    "MemoryTaken": Advice(
        "`qx status` and `free` on the host; the metric `quantix_vm_memory_actual_bytes` is what the guest "
        "has.",
        "Nothing: it is given back by itself. Fewer VMs on the host, or a lower `overcommit.memoryPercent`, "
        "end the shortage; without `memory.minSize` nothing is taken. "
        "[Memory that a host takes back](cpu-memory-devices.md).",
    ),
    "WatchdogFired": Advice(
        f"{_CONSOLE} The service in the guest that feeds the watchdog, or all of the guest, stood still.",
        "Mend the guest. `watchdog.action: None` only tells it; with `Pause` the guest stands still until "
        "`qx vm pause NAME` and `qx vm resume NAME`.",
    ),
    "QEMUCrashed": Advice(
        "QEMU's last words in the message, and its log on the host: `/var/log/quantix/libvirt/qemu`.",
        "It starts again by itself, ever more rarely. Where the host is short of memory, the kernel kills "
        "guests: give VMs less. Otherwise report it with `qx support-bundle`.",
    ),
    "QEMUHangs": Advice(
        "`qx vm console NAME`: whether the guest does anything; `uptime` and `dmesg` on the host; `qx pool "
        "explain POOL` of its disks.",
        "A busy host passes: it is asked again. A QEMU that stays so hangs on its storage or in itself: "
        "`qx vm stop NAME --now` ends it. The other VMs of the host notice neither.",
    ),
    "StuckInIO": Advice(
        "The pool's storage: `qx pool explain POOL`, `dmesg` on the host.",
        "Bring the storage back. Nobody can end a process that waits in the kernel; no second guest is "
        "started.",
    ),
    "OrphanProcess": Advice(
        "`ps -p PID` on the host.",
        "`qx vm stop NAME`, then `qx vm start NAME`. No second guest is started while the first lives.",
    ),
    "StorageIOError": Advice(
        "`qx pool explain POOL`; `dmesg` and `df` on the host.",
        "Mend the storage. The VM is paused, so the guest has lost nothing, and it resumes by itself.",
    ),
    "StateMissing": Advice(
        "The pool of the VM's first disk: `qx pool explain POOL`. UEFI variables and the TPM lie beside "
        "that disk.",
        "Bring the pool back. They are not made anew: a guest that sealed its keys in the TPM would be "
        "locked out.",
    ),
    "NotInstalled": Advice(
        "`systemctl status qemu-guest-agent` in the guest.",
        "Install `qemu-guest-agent` there. [What it is for](cloud-init.md#the-agent).",
    ),
    "Refused": Advice(
        "`/etc/qemu/qemu-ga.conf` in the guest.",
        "Take the commands out of its list of those that are blocked.",
    ),
    "Silent": Advice(
        f"{_CONSOLE} A guest that hangs or is busy does not answer.",
        "Start the agent again in the guest; `qx vm reset NAME` where all of it hangs.",
    ),
}

_FAILURES = {
    "HostSuspect": waits(_HOST, "After some seconds more it is HostUnreachable."),
    "HostUnreachable": Advice(
        f"{_HOST} Is the machine on, is its network up?",
        "Bring it back. Its guests may well run: nothing starts them elsewhere on a guess.",
    ),
    "HostFailed": Advice(_HOST, "Bring it back: its VMs start by themselves. Failover is not built yet."),
    "HostIsolated": Advice(_HOST, "Mend its network. Its VMs run on meanwhile."),
    "HostDownLocalDisk": Advice(
        _HOST, "Bring the host back. The disk is nowhere else; a backup is the other way."
    ),
    "FenceUnproven": Advice(
        "The machine itself: is it off?",
        "Switch it off by hand and see that it is off before you confirm it. Failover is not built yet.",
    ),
    "FencingHeld": Advice("The switch between the hosts.", "Mend the network. Failover is not built yet."),
    "LocalStorage": Advice(
        "`qx pool list`.",
        "Nothing on one machine. On several, `qx volume move VOLUME --pool` a pool in Ceph.",
    ),
    "HostDevice": Advice(
        "`spec.hostDevices`.",
        "A VM with a device of its host stays there. Take the device out of spec and restart the VM to free "
        "it of that. [Devices of the host](cpu-memory-devices.md).",
    ),
    "DeviceUnavailable": Advice(
        "`kubectl get host NAME -o yaml`: `status.devices` says which devices there are, who has them, and "
        "why one cannot be had.",
        "Do what the message of the device says, add the class to `spec.devices` of a Host that has such "
        "a device, or stop a VM that has one. [Devices of the host](cpu-memory-devices.md).",
    ),
    "PolicyNever": Advice(
        "`spec.ha.restart`.", "Set it to `OnFailure`, if the VM is to start again by itself."
    ),
    "PolicyWait": Advice("`spec.ha.onHostIsolated`.", "Failover is not built yet."),
    "NoFencing": Advice("`qx host explain HOST`.", "Failover is not built yet."),
    "NoOtherHost": Advice(
        "`qx host list`.", "Nothing on one machine: one host cannot take over from itself."
    ),
    "NoSpareRoom": Advice("`qx status`.", "Stop a VM, or add a host. Failover is not built yet."),
    "QuorumAtRisk": Advice("`qx status`.", "Bring the lost member back. Failover is not built yet."),
    "LocalMedium": Advice("`spec.cdroms`.", "`qx vm detach NAME DRIVE` takes the medium out."),
    "AffinityBroken": Advice(_EXPLAIN, "`qx vm migrate NAME`; `qx plan balance` names a host."),
    "AntiAffinityBroken": Advice(
        _EXPLAIN, "`qx vm migrate NAME` one of them. With one host there is no other place."
    ),
    "SelectorBroken": Advice(
        "`kubectl get host HOST --show-labels`.", "Label the host again, or `qx vm migrate NAME`."
    ),
}

VM_ADVICE: dict[str, Advice] = {**_PLACEMENT, **_POWER, **_GUEST, **_FAILURES}
