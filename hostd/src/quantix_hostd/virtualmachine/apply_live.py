"""Does what changes a guest while it runs. Part of `apply`, whose table these handlers belong to.

All of it touches the running domain only: its definition is rendered anew before every start (docs/adr/0020).
"""

from __future__ import annotations

from collections.abc import Mapping

from quantix_api.messages import render
from quantix_api.resources import VIRTUAL_MACHINES
from quantix_client.events import EventType
from quantix_hostd.events import tell
from quantix_hostd.told import Told
from quantix_hostd.virtualmachine import live_actions as do
from quantix_hostd.virtualmachine.apply_passphrases import unlocked
from quantix_hostd.virtualmachine.tools import VmTools
from quantix_hostd.virtualmachine.vm_ref import Handler, VmRef


async def _resize_disk(tools: VmTools, ref: VmRef, action: do.ResizeDisk) -> None:
    await tools.hypervisor.resize_disk(ref.domain, action.target, action.size_bytes)


async def _set_link(tools: VmTools, ref: VmRef, action: do.SetLink) -> None:
    await tools.hypervisor.set_link(ref.domain, action.alias, up=action.up)


async def _plug_device(tools: VmTools, ref: VmRef, action: do.PlugDevice) -> None:
    async with unlocked(tools, ref, action.encrypted, action.ceph):
        await tools.hypervisor.attach_device(ref.domain, action.xml)
    _tell(tools, ref, "HotPlugged", device=action.name)


async def _unplug_device(tools: VmTools, ref: VmRef, action: do.UnplugDevice) -> None:
    await tools.hypervisor.detach_device(ref.domain, f"ua-{action.name}")


async def _tell_unplugged(tools: VmTools, ref: VmRef, action: do.TellUnplugged) -> None:
    _tell(tools, ref, "HotUnplugged", device=action.name)


async def _tell_watchdog(tools: VmTools, ref: VmRef, action: do.TellWatchdog) -> None:
    _tell(tools, ref, "WatchdogFired", "Warning", action=action.action)


async def _change_medium(tools: VmTools, ref: VmRef, action: do.ChangeMedium) -> None:
    await tools.hypervisor.change_medium(ref.domain, action.alias, action.path)


async def _set_cores(tools: VmTools, ref: VmRef, action: do.SetCores) -> None:
    await tools.hypervisor.set_cores(ref.domain, action.cores)


async def _set_cpu_tune(tools: VmTools, ref: VmRef, action: do.SetCPUTune) -> None:
    await tools.hypervisor.set_cpu_tune(ref.domain, action.shares, action.quota_us)


async def _pin_cpus(tools: VmTools, ref: VmRef, action: do.PinCPUs) -> None:
    await tools.hypervisor.pin_cpus(ref.domain, action.vcpus, action.rest)


async def _set_disk_limits(tools: VmTools, ref: VmRef, action: do.SetDiskLimits) -> None:
    limits = (action.iops, action.bytes_per_second)
    await tools.hypervisor.set_disk_limits(ref.domain, action.target, *limits)


async def _set_memory(tools: VmTools, ref: VmRef, action: do.SetMemory) -> None:
    await tools.hypervisor.set_memory(ref.domain, action.requested_bytes)


def _tell(tools: VmTools, ref: VmRef, reason: str, severity: EventType = "Normal", **fields: str) -> None:
    manifest = tools.objects.virtual_machine_manifest(ref.uid)
    if manifest is not None:
        tell(tools.events, VIRTUAL_MACHINES, manifest, Told(reason, render(reason, **fields).text, severity))


LIVE_HANDLERS: Mapping[type, Handler] = {
    do.ResizeDisk: _resize_disk,
    do.SetLink: _set_link,
    do.PlugDevice: _plug_device,
    do.UnplugDevice: _unplug_device,
    do.TellUnplugged: _tell_unplugged,
    do.TellWatchdog: _tell_watchdog,
    do.ChangeMedium: _change_medium,
    do.SetCores: _set_cores,
    do.SetCPUTune: _set_cpu_tune,
    do.PinCPUs: _pin_cpus,
    do.SetDiskLimits: _set_disk_limits,
    do.SetMemory: _set_memory,
}
