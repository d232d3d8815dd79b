"""Renders a whole domain: the table of contents of this package.

Called before every start (and by the comparison with what runs). Pure: no file, no host is looked at.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from quantix_hostd.domainxml import (
    consoles,
    cpu,
    disks,
    hardware,
    host_devices,
    machine,
    memory,
    metadata,
    nics,
    pcie,
)
from quantix_hostd.domainxml.ceph import CephSource
from quantix_hostd.domainxml.element import Element, element, serialize
from quantix_hostd.domainxml.spec import DomainSpec

# of the VMs that are worked on at once
_RENDERED = 16

Configurator = Callable[[DomainSpec], list[Element]]

_TOP: tuple[Configurator, ...] = (
    machine.configure_identity,
    metadata.configure_metadata,
    memory.configure_memory,
    memory.configure_backing,
    cpu.configure_vcpus,
    cpu.configure_cputune,
    cpu.configure_numatune,
    machine.configure_sysinfo,
    machine.configure_os,
    machine.configure_features,
    cpu.configure_cpu,
    machine.configure_clock,
    machine.configure_lifecycle,
)
_DEVICES: tuple[Configurator, ...] = (
    disks.configure_disks,
    pcie.controllers,
    disks.configure_controllers,
    nics.configure_nics,
    host_devices.configure_host_devices,
    consoles.configure_serial,
    consoles.configure_channels,
    consoles.configure_graphics,
    hardware.configure_tpm,
    hardware.configure_watchdog,
    memory.configure_balloon,
    hardware.configure_rng,
    hardware.configure_panic,
    memory.configure_memory_device,
)


@lru_cache(maxsize=_RENDERED)
def render_domain(spec: DomainSpec) -> str:
    """The domain's XML (libvirt 9.0, formatdomain.html); raises PermanentError for what cannot be."""
    domain = element("domain", {"type": "kvm" if spec.kvm else "qemu"})
    for configure in _TOP:
        domain.extend(configure(spec))
    devices = element("devices", {}, element("emulator", text=spec.emulator))
    for configure in _DEVICES:
        devices.extend(configure(spec))
    domain.append(devices)
    domain.extend(memory.configure_uneven_memory(spec))
    return serialize(domain)


def render_device(spec: DomainSpec, name: str) -> str:
    """The disk or NIC of this name alone, for a domain that runs.

    Without its place in the boot order, which a running machine has gone through; raises LookupError.
    """
    for device in (*disks.configure_disks(spec), *nics.configure_nics(spec)):
        alias = device.find("alias")
        if alias is not None and alias.get("name") == f"ua-{name}":
            for boot in device.findall("boot"):
                device.remove(boot)
            return serialize(device)
    raise LookupError(name)


def render_copy(path: str, secret_uuid: str = "", ceph: CephSource | None = None) -> str:
    """The file at `path`, or what is there in Ceph, as what a running disk is copied into; `secret_uuid` as
    that of the disk.
    """
    return serialize(disks.configure_copy(path, secret_uuid, ceph))
