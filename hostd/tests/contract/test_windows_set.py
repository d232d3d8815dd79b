"""What `os: Windows` chooses, as far as emulation goes; its guest is a boot sector that tells the time.

The Hyper-V enlightenments need KVM and are seen in golden XML only.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from quantix_lab.boot_sectors import write_boot_sector
from quantix_lab.libvirt_host import LibvirtHost
from quantix_lab.libvirt_world import libvirt_world
from quantix_lab.waiting import eventually_async

# a quarter of an hour off every other zone
ZONE = "Asia/Kathmandu"


@pytest.mark.parametrize(
    "spec",
    [{"os": "Windows", "clock": {"timezone": ZONE}}, {"os": "Windows"}],
    ids=["a zone of its own", "the zone of the host"],
)
async def test_the_hardware_clock_is_in_the_zone_that_the_system_expects(
    libvirt_host: LibvirtHost, spec: dict[str, object]
) -> None:
    async with libvirt_world(libvirt_host) as (world, _):
        disks = {"root": world.add_volume("teller-root", "16Mi")}
        vm = world.add_vm("teller", disks=disks, gracePeriodSeconds=0, **spec)
        write_boot_sector(vm.root_place.data, "clock")
        await vm.reconcile()
        assert vm.status["phase"] == "Running", vm.condition("Ready")
        log = world.layout.vm_log(vm.uid) / "console.log"
        await eventually_async("the guest to tell its clock", lambda: b"\n" in log.read_bytes(), 30)
        told, _, hypervisor = log.read_text().strip().partition(" ")
        now = datetime.now(UTC).astimezone(ZoneInfo(ZONE) if "clock" in spec else None)
        near = {(now - timedelta(minutes=minutes)).strftime("%H%M") for minutes in range(3)}
        assert told in near
        assert hypervisor == "TCGTCGTCGTCG", "an emulated CPU has no Hyper-V leaves"
