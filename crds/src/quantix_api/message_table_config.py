"""Messages about a VM that cannot be run as its spec describes it. Data only."""

from __future__ import annotations

from quantix_api.message_template import Template

CONFIG_TEMPLATES: tuple[Template, ...] = (
    Template(
        "ConfigRefused",
        "VirtualMachine",
        "libvirt refuses it as it is described. Said: {said}.",
        "change the spec that this names",
    ),
    Template(
        "ConfigRefused",
        "VirtualMachine",
        "A value for {tag} holds the character {code}, which a domain cannot have.",
        "remove that character",
    ),
    Template(
        "ConfigRefused",
        "VirtualMachine",
        "Its host has no files for firmware {firmware}.",
        "install the package ovmf there",
    ),
    Template(
        "ConfigRefused",
        "VirtualMachine",
        "{host} does not know the time zone {zone}.",
        "set clock.timezone to a name such as Europe/Berlin, or install the package tzdata on {host}",
    ),
    Template(
        "ConfigRefused",
        "VirtualMachine",
        "{disks} disks want the SATA bus, and beside the CD-ROMs it has room for {free}.",
        "give some disks the bus Virtio or SCSI",
    ),
    Template(
        "ConfigRefused",
        "VirtualMachine",
        "{field} cannot be kept: {host} has no control group for CPU time.",
        "leave {field} out, or enable control of CPU time on {host}",
    ),
    Template(
        "ConfigRefused",
        "VirtualMachine",
        "Its memory of {size} is no whole number of huge pages of {page}.",
        "set another memory.size, or leave memory.hugepages out",
    ),
    Template(
        "ConfigRefused",
        "VirtualMachine",
        "Its {cores} cores are no multiple of {layout}, half of which its instance type says.",
        "change cpu.sockets, cpu.threads or cpu.maxCores, or take another instance type",
    ),
    Template(
        "ConfigRefused",
        "VirtualMachine",
        "{path} is not built yet, so it cannot be run as it is described.",
        "leave {path} out",
    ),
    Template(
        "ConfigRefused",
        "VirtualMachine",
        "{host} cannot run it as it is described. Said: {said}.",
        "change the spec that this names",
    ),
)
