"""Messages about guests that run: their QEMU, kernel, agent and disks. Data only."""

from __future__ import annotations

from quantix_api.message_template import NOTHING_TO_DO, Template

GUEST_TEMPLATES: tuple[Template, ...] = (
    Template(
        "GuestNotReady",
        "VirtualMachine",
        "It runs and does not answer on TCP port {port} yet; it has {within} s from its start for that.",
        "qx vm console {name} shows the guest; its security groups have to let TCP port {port} in",
    ),
    Template(
        "GuestNotReady",
        "VirtualMachine",
        "It runs and its agent does not answer yet; it has {within} s from its start for that.",
        "qx vm console {name} shows the guest",
    ),
    Template(
        "GuestNotReady",
        "VirtualMachine",
        "It runs, but did not answer on TCP port {port} within {seconds} s.",
        "qx vm console {name} shows the guest; its security groups have to let TCP port {port} in",
    ),
    Template(
        "GuestNotReady",
        "VirtualMachine",
        "It runs, but its agent did not answer within {seconds} s.",
        "qx vm console {name} shows the guest",
    ),
    Template(
        "KernelLimit",
        "VirtualMachine",
        "Its host's kernel has no asynchronous I/O left for its disks: fs.aio-max-nr is {most}, and taken.",
        "on the host, as root: sysctl -w fs.aio-max-nr={wanted}",
    ),
    Template(
        "GuestShutdown",
        "VirtualMachine",
        "The guest powered itself off.",
        "qx vm start {name}",
    ),
    Template(
        "GuestResets",
        "VirtualMachine",
        "The guest was reset {times} times within {minutes} min.",
        "qx vm console {name} shows the guest; with Secure Boot give it 512 MiB of memory or more",
    ),
    Template(
        "GuestPanicked",
        "VirtualMachine",
        "The guest's kernel stopped with a panic.",
        "qx vm console {name} shows its last words, once it runs again",
    ),
    Template(
        "GuestPanicked",
        "VirtualMachine",
        "The guest's kernel stopped with a panic {times}; it starts again at {at}.",
        "qx vm console {name} shows its last words; qx vm stop {name} ends this",
    ),
    Template(
        "WatchdogFired",
        "VirtualMachine",
        "The guest no longer feeds its watchdog, whose action is {action}.",
    ),
    Template(
        "WatchdogFired",
        "VirtualMachine",
        "The guest's watchdog fired {times}; the guest is begun anew at {at}.",
        "qx vm console {name} shows the guest; qx vm stop {name} ends this",
    ),
    Template(
        "WatchdogFired",
        "VirtualMachine",
        "The guest no longer feeds its watchdog, so it is paused.",
        "look at it, then qx vm pause {name} and qx vm resume {name}, or qx vm restart {name}",
    ),
    Template(
        "MemoryTaken",
        "VirtualMachine",
        "Host {host} runs short of memory and takes some of the guest's, down to {least} at most.",
        "stop other VMs of host {host}, or take memory.minSize out; it is given back once there is room",
    ),
    Template(
        "MemoryGivenBack",
        "VirtualMachine",
        "Host {host} has room again: the guest has all of its memory.",
        NOTHING_TO_DO,
    ),
    Template(
        "QEMUCrashed",
        "VirtualMachine",
        "QEMU ended {times}; it starts again at {at}.",
        "qx vm explain {name}; qx vm stop {name} ends this",
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
        "The kernel of {host} ended QEMU, since no memory was left; it is started again.",
        "qx host explain {host}; give that host fewer VMs, or more memory",
    ),
    Template(
        "QEMUCrashed",
        "VirtualMachine",
        "QEMU ended {times}, the last time since {host} had no memory left; it starts again at {at}.",
        "qx host explain {host}; give that host fewer VMs, or more memory",
    ),
    Template(
        "QEMUCrashed",
        "VirtualMachine",
        "QEMU ended, and ha.restart is Never. Said: {said}.",
        "qx vm start {name}",
    ),
    Template(
        "QEMUCrashed",
        "VirtualMachine",
        "The kernel of {host} ended QEMU, since no memory was left, and ha.restart is Never.",
        "give {host} fewer VMs, or more memory; qx vm start {name}",
    ),
    Template(
        "QEMUHangs",
        "VirtualMachine",
        "libvirt answers, but not about this guest: its QEMU hangs or is slow. Said: {said}.",
        "look at the host's load and at the pools of its disks; it is asked again by itself",
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
        "A QEMU of it (pid {pid}) still runs on {host}, though libvirt does not know it.",
        "qx vm stop {name}, which ends it, then qx vm start {name}",
    ),
    Template(
        "OrphanProcess",
        "VirtualMachine",
        "Its QEMU (pid {pid}) has not ended on {host} yet.",
        NOTHING_TO_DO,
    ),
    Template(
        "StorageIOError",
        "VirtualMachine",
        "Disk {disk} cannot be read or written, so the VM is paused and loses nothing. Said: {said}.",
        "bring pool {pool} back; it resumes by itself",
    ),
    Template(
        "StorageIOError",
        "VirtualMachine",
        "A disk of it cannot be read or written, so the VM is paused and loses nothing.",
        "bring pool {pool} back; it resumes by itself",
    ),
    Template(
        "NotInstalled", "VirtualMachine", "No agent has answered in the guest.", "install qemu-guest-agent"
    ),
    Template(
        "Refused",
        "VirtualMachine",
        "The agent in the guest refuses to tell its host name, system and addresses.",
        "allow it in /etc/qemu/qemu-ga.conf of the guest",
    ),
    Template("ConsoleOpened", "VirtualMachine", "{user} opened its {door} on {host}."),
    Template("Connected", "VirtualMachine", "The agent in the guest answers."),
    Template(
        "Silent",
        "VirtualMachine",
        "The agent in the guest has been silent since {at}.",
        "qx vm console {name} shows the guest",
    ),
)
