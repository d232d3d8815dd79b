"""Messages about what of a host a VM wants to itself: CPUs, memory beside them, addresses, devices. Data
only.
"""

from __future__ import annotations

from quantix_api.message_template import Template

ELSEWHERE = "or qx vm stop {name} and start it where there is room; else it has it at a start once there is"

OWN_TEMPLATES: tuple[Template, ...] = (
    Template(
        "NotEnoughCPU",
        "VirtualMachine",
        "It wants {wanted} of {host} to itself, which has {free} free.",
        "stop or move a VM with cpu.dedicated; it then starts by itself",
    ),
    Template(
        "NotEnoughMemory",
        "VirtualMachine",
        "It wants {wanted} of {host} beside CPUs of its own, and no NUMA node with such CPUs has that.",
        "leave cpu.numa out, or stop a VM with cpu.numa Strict; it then starts by itself",
    ),
    Template(
        "NotEnoughMemory",
        "VirtualMachine",
        "It may grow to {most} of memory, more than a guest on any host can have: {hosts}.",
        "qx vm set {name} --max-memory SIZE, with less",
    ),
    Template(
        "NotEnoughMemory",
        "client",
        "{name} can have no {wanted} of memory, which is more than a guest on any host can have: {hosts}.",
        "qx vm set {name} {options}, with less",
    ),
    Template(
        "NotEnoughMemory",
        "VirtualMachine",
        "{name} may grow to {most} of memory, and a guest on {host} can have {ceiling} at most.",
        "qx vm set {name} --max-memory {ceiling}, or less",
    ),
    Template(
        "DeviceUnavailable",
        "VirtualMachine",
        "No host has a device of class {device} for it: {hosts}.",
        "stop a VM that has one, or look at status.devices of the Hosts; it then starts by itself",
    ),
    Template(
        "DeviceUnavailable",
        "VirtualMachine",
        "{host} has no device of class {device} for it: {why}.",
        "stop a VM that has one, or look at status.devices of the Hosts; it then starts by itself",
    ),
    Template(
        "DeviceUnavailable",
        "VirtualMachine",
        "{host} has no device of class {device} for it: {why}. It keeps what it was given.",
        f"take it out of hostDevices, {ELSEWHERE}",
    ),
    Template(
        "NotEnoughCPU",
        "VirtualMachine",
        "It wants {wanted} of {host} to itself, which has {free} free: it keeps what it was given.",
        f"leave cpu.dedicated out, {ELSEWHERE}",
    ),
    Template(
        "NotEnoughCPU",
        "VirtualMachine",
        "It asks for a cpu.reservation of {reserved}; {host} has {free} left: it keeps what it was given.",
        "set a lower cpu.reservation, or qx vm stop {name} and start it where there is room; "
        "else it has it once there is",
    ),
    Template(
        "NotEnoughMemory",
        "VirtualMachine",
        "It needs {needs} in huge pages of {page} on {host}, which has {free} for it: "
        "it keeps what it was given.",
        f"leave memory.hugepages out, {ELSEWHERE}",
    ),
    Template(
        "NotEnoughMemory",
        "VirtualMachine",
        "It wants {wanted} of {host} beside CPUs of its own, and no NUMA node with such CPUs has that: "
        "it keeps what it was given.",
        f"leave cpu.numa out, {ELSEWHERE}",
    ),
    Template(
        "DeviceUnavailable",
        "VirtualMachine",
        "{address} made no mediated device of type {type}. Said: {said}.",
        "look at the kernel's log of its host; it is tried again",
    ),
    Template(
        "DeviceUnavailable",
        "Host",
        "Nothing here is {match}.",
        "put the device in, or correct match in spec.devices",
    ),
    Template(
        "DeviceUnavailable",
        "Host",
        "The IOMMU is off: {address} has no group.",
        "turn VT-d or AMD-Vi on in the firmware, and boot Linux with intel_iommu=on",
    ),
    Template(
        "DeviceUnavailable",
        "Host",
        "The host itself uses {address}: interface {interface} is up.",
        "take it out of use, or correct match in spec.devices",
    ),
    Template(
        "DeviceUnavailable",
        "Host",
        "The host itself uses {address}: driver {driver} has its disks.",
        "take it out of use, or correct match in spec.devices",
    ),
    Template(
        "DeviceUnavailable",
        "Host",
        "{address} shares its IOMMU group with {other}, which the host uses by driver {driver}.",
        "bind {other} to the driver vfio-pci",
    ),
    Template(
        "DeviceUnavailable",
        "Host",
        "{address} makes no mediated devices of type {type}.",
        "load its driver, or correct mdevType in spec.devices",
    ),
)
