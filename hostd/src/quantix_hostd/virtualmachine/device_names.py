"""What a VM's spec calls the devices that the hypervisor names. Pure; used for metrics."""

from __future__ import annotations

from quantix_api import VirtualMachine
from quantix_hostd.domainxml import spec as domain
from quantix_hostd.domainxml.disks import target_names
from quantix_hostd.virtualmachine.desired import FIRST_BOOT_UNIT, first_boot_name, has_first_boot_drive


def device_names(vm: VirtualMachine) -> dict[str, str]:
    """Names in spec by those of a domain's targets (vda, qx0123456789ab), for what was decided so far.

    While a change of a disk's bus waits for a restart, that disk is not found under its present target.
    """
    resolved = vm.status.resolved
    ports = {device.name: device.port for device in resolved.devices} if resolved else {}
    disks = [
        domain.Disk(disk.name, ports[disk.name], "", "", bus=domain.Bus(disk.bus.lower()))
        for disk in vm.spec.disks
        if disk.name in ports
    ]
    cdroms = [domain.Cdrom(cdrom.name, unit, None) for unit, cdrom in enumerate(vm.spec.cdroms)]
    if has_first_boot_drive(vm):
        cdroms.append(domain.Cdrom(first_boot_name(vm), FIRST_BOOT_UNIT, None))
    names = {target: name for name, target in target_names(disks, cdroms).items()}
    names |= {domain.tap_name(nic.port): nic.name for nic in vm.status.nics if nic.port}
    return names
