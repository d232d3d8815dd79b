"""How a change that waits for the next start is told: in the words and units of spec."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from quantix_hostd.domainxml.render import render_domain
from quantix_hostd.domainxml.spec import Bus, Console, DomainSpec, Firmware, FirmwareFiles, Smbios
from quantix_hostd.domainxml.view import view
from quantix_hostd.virtualmachine.changes import PendingChange, listed, pending_changes
from quantix_lab.domain_samples import kvm_only, networked

SPEC: DomainSpec = replace(kvm_only(Path("/srv"))["kvm"], memory_bytes=256 << 20)


def with_disk(**fields: Any) -> DomainSpec:
    first, *others = SPEC.disks
    return replace(SPEC, disks=(replace(first, **fields), *others))


def cores(number: int, most: int) -> DomainSpec:
    return replace(SPEC, cpu=replace(SPEC.cpu, cores=number, max_cores=most))


def test_memory_is_told_in_the_units_of_spec() -> None:
    live = view(render_domain(SPEC))
    changes = pending_changes(replace(SPEC, memory_bytes=2 << 30), live)
    assert changes == (PendingChange("spec.memory.size", "256Mi", "2Gi"),)


def test_more_cores_are_one_change_where_spec_sets_no_room_to_grow() -> None:
    live = view(render_domain(cores(1, 1)))
    assert [change.path for change in pending_changes(cores(2, 2), live)] == ["spec.cpu.cores"]


def test_room_to_grow_that_spec_sets_is_a_change_of_its_own() -> None:
    live = view(render_domain(cores(1, 1)))
    changes = pending_changes(cores(2, 4), live)
    assert [change.path for change in changes] == ["spec.cpu.cores", "spec.cpu.maxCores"]


def test_each_of_the_numbers_of_the_hardware_is_told() -> None:
    before = replace(SPEC, smbios=Smbios(manufacturer="Acme", serial="42", asset_tag="rack 7"))
    live = view(render_domain(before))
    wanted = replace(before, smbios=Smbios(manufacturer="Acme", serial="43", family="new"))
    assert pending_changes(before, live) == ()
    assert pending_changes(wanted, live) == (
        PendingChange("spec.identity.smbios.assetTag", "rack 7", ""),
        PendingChange("spec.identity.smbios.family", "", "new"),
        PendingChange("spec.identity.smbios.serial", "42", "43"),
    )


_UEFI = replace(
    SPEC, firmware=Firmware.UEFI, firmware_files=FirmwareFiles("/fw/CODE.fd", "/vm/nvram.fd", "/fw/VARS.fd")
)
_SECURE = replace(
    SPEC,
    firmware=Firmware.UEFI_SECURE_BOOT,
    firmware_files=FirmwareFiles("/fw/CODE.ms.fd", "/vm/nvram.fd", "/fw/VARS.ms.fd"),
)
_PASSED = replace(SPEC, cpu=replace(SPEC.cpu, model="HostPassthrough"))


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        (SPEC, replace(SPEC, watchdog=True), [("watchdog", "", "attached")]),
        (SPEC, replace(SPEC, tpm=True), [("firmware.tpm", "false", "true")]),
        (SPEC, replace(SPEC, boot_menu_seconds=5), [("boot.menuSeconds", "0", "5")]),
        (
            replace(SPEC, boot_menu_seconds=5),
            replace(SPEC, boot_menu_seconds=9),
            [("boot.menuSeconds", "5", "9")],
        ),
        (SPEC, _UEFI, [("firmware.type", "BIOS", "UEFI")]),
        (_UEFI, _SECURE, [("firmware.secureBoot", "false", "true")]),
        (_SECURE, SPEC, [("firmware.secureBoot", "true", "false"), ("firmware.type", "UEFI", "BIOS")]),
        (SPEC, replace(SPEC, timezone="Europe/Vienna"), [("clock.timezone", "UTC", "Europe/Vienna")]),
        (SPEC, replace(SPEC, os="Windows"), [("os", "", "Windows")]),
        (replace(SPEC, kvm=False), replace(SPEC, kvm=False, os="Windows"), [("os", "", "Windows")]),
        (_PASSED, SPEC, [("cpu.model", "HostPassthrough", SPEC.cpu.model)]),
        (SPEC, replace(SPEC, console=Console(video="None")), [("console.video", "Virtio", "None")]),
        (SPEC, replace(SPEC, console=Console(video="VGA")), [("console.video", "Virtio", "VGA")]),
        (SPEC, replace(SPEC, console=Console(vnc=False)), [("console.vnc", "true", "false")]),
        (SPEC, replace(SPEC, console=Console(serial=False)), [("console.serial", "true", "false")]),
        (SPEC, with_disk(cache="writeback"), [("disks[root].cache", "None", "Writeback")]),
        (SPEC, with_disk(read_only=True), [("disks[root].readOnly", "false", "true")]),
    ],
)
def test_what_waits_is_told_in_the_words_of_spec(
    before: DomainSpec, after: DomainSpec, told: list[tuple[str, str, str]]
) -> None:
    changes = pending_changes(after, view(render_domain(before)))
    assert changes == tuple(PendingChange(f"spec.{path}", *values) for path, *values in told)


def test_firmware_that_lies_elsewhere_since_is_no_change_of_spec() -> None:
    moved = replace(_UEFI, firmware_files=FirmwareFiles("/new/CODE.fd", "/vm/nvram.fd", "/new/VARS.fd"))
    assert pending_changes(moved, view(render_domain(_UEFI))) == ()


def test_a_disk_of_another_name_is_two_disks_and_no_change_of_the_boot_order() -> None:
    before = replace(SPEC, disks=(replace(SPEC.disks[0], bus=Bus.SATA), *SPEC.disks[1:]))
    live = view(render_domain(before))
    disk = before.disks[0]
    renamed = replace(before, disks=(replace(disk, name="other"), *before.disks[1:]))
    assert pending_changes(renamed, live) == (
        PendingChange("spec.disks[other]", "", "attached"),
        PendingChange(f"spec.disks[{disk.name}]", "attached", ""),
    )


def test_a_device_that_the_guest_is_asked_to_let_go_of_waits_for_no_start() -> None:
    spec = networked(Path("/srv"))["kernel-datapath"]
    live = view(render_domain(spec))
    assert (spec.disks[0].bus, len(spec.nics)) == (Bus.VIRTIO, 2)
    assert pending_changes(replace(spec, disks=spec.disks[1:], nics=spec.nics[1:]), live) == ()


def test_of_more_changes_than_status_has_room_for_none_is_left_out_that_says_what_the_guest_has() -> None:
    of_the_host = [f"spec.hostDevices[d{number}]" for number in range(32)]
    of_the_host += ["spec.cpu.dedicated", "spec.cpu.numa", "spec.memory.hugepages"]
    others = [f"spec.disks[d{number}]" for number in range(40)]
    found = listed([PendingChange(path, "is", "wanted") for path in (*others, *of_the_host)])
    paths = [change.path for change in found]
    assert len(paths) == 64
    assert paths == sorted(paths)
    assert set(of_the_host) <= set(paths)


def test_what_status_has_no_room_for_counts_among_those_that_are_told() -> None:
    spec = networked(Path("/srv"))["kernel-datapath"]
    nic = spec.nics[0]
    many = tuple(replace(nic, name=f"n{number}", mac=f"52:54:00:00:00:{number:02x}") for number in range(70))
    changes = pending_changes(replace(spec, nics=many), view(render_domain(replace(spec, nics=()))))
    assert len(changes) >= 70
