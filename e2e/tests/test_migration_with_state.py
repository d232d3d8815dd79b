"""A guest moves with what its firmware and its TPM remember, and with an encrypted disk."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest

from quantix_hostd.volume.disk_header import read_disk_file
from quantix_lab.guest_console import guest_console
from quantix_lab.lab import Lab
from quantix_lab.moving_guest import MovingGuest
from quantix_lab.simulated_host import SimulatedHost
from quantix_lab.uefi_guest import BOOT_S, FIRMWARE, MEMORY, set_variable, tpm_clock, variable
from quantix_lab.wire_tap import heard

pytestmark = [pytest.mark.usefixtures("audited"), pytest.mark.soak]
NAME = "sealed"
MARKER = "marker-of-the-guest"
BLOCKS = 2048
FILL = f"yes {MARKER} | dd of=/dev/vdb bs=512 count={BLOCKS} iflag=fullblock conv=fsync 2>/dev/null"
COUNT = (
    f"echo 3 > /proc/sys/vm/drop_caches; dd if=/dev/vdb bs=512 count={BLOCKS} 2>/dev/null | grep -c {MARKER}"
)
SECRET = {
    "apiVersion": "v1",
    "kind": "Secret",
    "metadata": {"name": "disk-key", "namespace": "default"},
    "data": {"passphrase": base64.b64encode(b"correct horse").decode()},
}
DATA = {
    "apiVersion": "quantix.io/v1alpha1",
    "kind": "Volume",
    "metadata": {"name": f"{NAME}-vault", "namespace": "default"},
    "spec": {"size": "64Mi", "encryption": {"secretRef": {"name": "disk-key"}}},
}


@pytest.fixture(scope="module")
def guest(lab: Lab) -> Iterator[MovingGuest]:
    made = MovingGuest(lab, NAME)
    made.view.apply(SECRET, DATA)
    disks = [{"name": "vault", "volume": f"{NAME}-vault"}]
    with made.booted(disks=disks, memory=MEMORY, firmware=FIRMWARE):
        yield made
    made.view.machine.kubectl("delete", "volume", f"{NAME}-vault", "--timeout=60s", timeout_s=90)


def files_of_state(guest: MovingGuest, host: SimulatedHost) -> list[Path]:
    """What firmware and TPM of the guest wrote on a host."""
    uuid = guest.vm["status"]["resolved"]["uuid"]
    places = (host.layout.vm_data(guest.uid) / "nvram.fd", host.layout.data / "libvirt/swtpm" / uuid)
    return [place for place in places if place.exists()]


def test_variables_tpm_and_an_encrypted_disk_go_along_and_leave_nothing_behind(guest: MovingGuest) -> None:
    with guest_console(guest.lab.first, NAME, boot_s=BOOT_S) as console:
        console.ask(FILL)
        told = console.ask(COUNT)
        assert set_variable(console, "kept") == "kept"
        clock_ms, resets = tpm_clock(console)
    for _ in range(2):
        source, target = guest.host, guest.other
        assert len(files_of_state(guest, source)) == 2
        with heard(guest.lab.world, f"mgmt-{source.name}", MARKER.encode()) as found:
            status = guest.wait_over(guest.move(), 180)
        assert status["phase"] == "Succeeded", status
        guest.wait_at_home()
        assert found.in_clear == 0
        assert found.total_bytes > BLOCKS * 512
        assert guest.host is target
        assert files_of_state(guest, source) == []
        assert len(files_of_state(guest, target)) == 2
        volumes = target.layout.local_pool / "volumes"
        data = volumes / str(guest.view.get("volume", f"{NAME}-vault")["status"]["handle"]) / "data"
        made = read_disk_file(data.parent, "data")
        assert made is not None
        assert made.encrypted
        assert MARKER.encode() not in data.read_bytes()
        with guest_console(guest.lab.first, NAME, boot_s=BOOT_S) as console:
            assert variable(console) == "kept"
            later_ms, later_resets = tpm_clock(console)
            assert console.ask(COUNT) == told
        assert later_resets == resets
        assert later_ms > clock_ms


def test_what_it_remembers_is_there_also_after_its_next_start(guest: MovingGuest) -> None:
    status = guest.wait_over(guest.move(), 180)
    assert status["phase"] == "Succeeded", status
    guest.wait_at_home()
    guest.view.machine.qx("vm", "stop", NAME, timeout_s=120)
    guest.view.machine.qx("vm", "start", NAME)
    guest.view.wait_ready(NAME, reason="Running", timeout_s=120)
    with guest_console(guest.lab.first, NAME, boot_s=BOOT_S) as console:
        assert variable(console) == "kept"
        assert int(console.ask(COUNT)) > 0
