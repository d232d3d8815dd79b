"""Does what changes a guest while it runs. Part of `apply`, whose table these handlers belong to.

All of it touches the running domain only: its definition is rendered anew before every start (docs/adr/0020).
"""

from __future__ import annotations

from collections.abc import Mapping

from quantix_api.messages import render
from quantix_api.resources import VIRTUAL_MACHINES
from quantix_hostd.events import tell
from quantix_hostd.told import Told
from quantix_hostd.virtualmachine import actions as do
from quantix_hostd.virtualmachine.subject import Handler, Subject
from quantix_hostd.virtualmachine.tools import VmTools


async def _resize_disk(tools: VmTools, subject: Subject, action: do.ResizeDisk) -> None:
    await tools.hypervisor.resize_disk(subject.domain, action.target, action.size_bytes)


async def _set_link(tools: VmTools, subject: Subject, action: do.SetLink) -> None:
    await tools.hypervisor.set_link(subject.domain, action.alias, up=action.up)


async def _plug_device(tools: VmTools, subject: Subject, action: do.PlugDevice) -> None:
    await tools.hypervisor.attach_device(subject.domain, action.xml)
    _tell(tools, subject, "HotPlugged", action.name)


async def _unplug_device(tools: VmTools, subject: Subject, action: do.UnplugDevice) -> None:
    await tools.hypervisor.detach_device(subject.domain, f"ua-{action.name}")


async def _tell_unplugged(tools: VmTools, subject: Subject, action: do.TellUnplugged) -> None:
    _tell(tools, subject, "HotUnplugged", action.name)


async def _change_medium(tools: VmTools, subject: Subject, action: do.ChangeMedium) -> None:
    await tools.hypervisor.change_medium(subject.domain, action.alias, action.path)


async def _set_cores(tools: VmTools, subject: Subject, action: do.SetCores) -> None:
    await tools.hypervisor.set_cores(subject.domain, action.cores)


async def _set_cpu_tune(tools: VmTools, subject: Subject, action: do.SetCPUTune) -> None:
    await tools.hypervisor.set_cpu_tune(subject.domain, action.shares, action.quota_us)


async def _set_disk_limits(tools: VmTools, subject: Subject, action: do.SetDiskLimits) -> None:
    limits = (action.iops, action.bytes_per_second)
    await tools.hypervisor.set_disk_limits(subject.domain, action.target, *limits)


async def _set_memory(tools: VmTools, subject: Subject, action: do.SetMemory) -> None:
    await tools.hypervisor.set_memory(subject.domain, action.requested_bytes)


def _tell(tools: VmTools, subject: Subject, reason: str, device: str) -> None:
    manifest = tools.objects.virtual_machine_manifest(subject.uid)
    if manifest is not None:
        tell(tools.events, VIRTUAL_MACHINES, manifest, Told(reason, render(reason, device=device).text))


LIVE_HANDLERS: Mapping[type, Handler] = {
    do.ResizeDisk: _resize_disk,
    do.SetLink: _set_link,
    do.PlugDevice: _plug_device,
    do.UnplugDevice: _unplug_device,
    do.TellUnplugged: _tell_unplugged,
    do.ChangeMedium: _change_medium,
    do.SetCores: _set_cores,
    do.SetCPUTune: _set_cpu_tune,
    do.SetDiskLimits: _set_disk_limits,
    do.SetMemory: _set_memory,
}
