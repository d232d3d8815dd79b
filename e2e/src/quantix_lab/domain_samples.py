"""Domains that together have every device the renderer knows: for golden files and for contract tests."""

from __future__ import annotations

import uuid
from dataclasses import replace
from pathlib import Path

from quantix_hostd.domainxml.ceph import CephSource
from quantix_hostd.domainxml.spec import (
    Backing,
    Bus,
    Cdrom,
    Console,
    Cpu,
    CpuPlaces,
    Disk,
    DomainSpec,
    DomainUuid,
    Firmware,
    FirmwareFiles,
    HostDevice,
    Identity,
    Nic,
    NumaNode,
    Smbios,
    SwitchPortName,
)
from quantix_hostd.facts.devices import Seat

UID = "6f1e8a52-3c7d-4f0e-9b1a-2d5c8e7f9a01"
PORT = SwitchPortName("0b8f6c1e-9d2a-5e4b-8f3c-1a2b3c4d5e6f")


def fresh(spec: DomainSpec, root: Path) -> DomainSpec:
    """The sample as another VM, with sockets of its own below `root`."""
    number = str(uuid.uuid4())
    identity = replace(spec.identity, uuid=DomainUuid(number), vm_uid=number)
    run, log = root / "run/quantix/vm" / number, root / "var/log/quantix/vm" / number / "console.log"
    return replace(spec, identity=identity, run_dir=str(run), console_log=str(log))


def samples(root: Path) -> dict[str, DomainSpec]:
    """Every sample by name; disks and sockets lie below `root`. None of them has a NIC but those named so."""
    minimal = _minimal(root)
    disk = minimal.disks[0]
    return {
        "minimal": minimal,
        "diskless": replace(minimal, disks=()),
        "headless": replace(minimal, console=Console(serial=True, vnc=False, video="None")),
        "vga": replace(minimal, console=Console(serial=False, vnc=True, video="VGA")),
        "cdroms": replace(minimal, cdroms=(Cdrom("install", 0, None, 2), Cdrom("qx_seed", 5, disk.path))),
        "buses": replace(
            minimal,
            disks=(
                disk,
                replace(disk, name="logs", port=2, bus=Bus.SCSI, cache="writeback", boot_order=None),
                replace(disk, name="old", port=3, bus=Bus.SATA, cache="writethrough", boot_order=None),
                replace(disk, name="slow", port=4, iops=100, bytes_per_second=1048576, boot_order=None),
                replace(disk, name="fixed", port=5, read_only=True, boot_order=None),
            ),
        ),
        "sized": replace(
            minimal,
            cpu=Cpu("qemu64", cores=2, max_cores=4, sockets=2),
            boot_menu_seconds=3,
            timezone="Europe/Berlin",
            smbios=Smbios(manufacturer="Acme", serial="42", asset_tag="rack 7"),
        ),
        "dedicated": replace(
            minimal,
            cpu=Cpu("qemu64", cores=1),
            places=CpuPlaces((1,), (0,), whole=False, nodes=(NumaNode(0, (0, 1)),)),
            mirrors_numa=True,
        ),
        "windows-emulated": replace(minimal, os="Windows"),
        "watched": replace(minimal, watchdog=True),
        "growing": replace(minimal, max_memory_bytes=512 * 1024**2),
        "tuned": replace(minimal, cpu_controller=True, cpu=Cpu("qemu64", weight=50, limit_millis=1500)),
        "uefi": replace(
            minimal,
            firmware=Firmware.UEFI,
            firmware_files=FirmwareFiles(
                "/usr/share/OVMF/OVMF_CODE_4M.fd", f"{root}/nvram.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"
            ),
        ),
    }


def networked(root: Path) -> dict[str, DomainSpec]:
    """Samples with NICs: they start only where there is an Open vSwitch."""
    minimal = _minimal(root)
    nic = Nic("eth0", 2, PORT, "52:54:00:12:34:56", 1442, "qx-int", boot_order=2)
    second = replace(nic, name="eth1", port=3, mac="52:54:00:12:34:57", boot_order=None)
    second = replace(second, switch_port=SwitchPortName(PORT.replace("0b8f", "1c9a")))
    return {
        "kernel-datapath": replace(minimal, nics=(replace(nic, queues=2), second)),
        "userspace-datapath": replace(minimal, nics=(replace(nic, offloads=False), second)),
        "unplugged-e1000e": replace(minimal, nics=(replace(nic, model="e1000e", link_up=False),)),
    }


def layered(root: Path) -> dict[str, DomainSpec]:
    """Samples whose disk needs more than its own file: an image beneath it, a secret that opens it, Ceph."""
    minimal = _minimal(root)
    disk = minimal.disks[0]
    monitors = (("10.1.0.1", "6789"), ("fd00::1", "3300"))
    source = CephSource("fast", "quantix/1111", monitors, "quantix")
    on_image = replace(disk, backing=Backing(f"{root}/images/1111", "raw"))
    return {
        "on-an-image": replace(minimal, disks=(on_image,)),
        "in-ceph": replace(
            minimal, disks=(replace(disk, path="fast/1111", image_format="raw", ceph=source),)
        ),
        "encrypted": replace(minimal, disks=(replace(on_image, secret_uuid=UID),)),
    }


def kvm_only(root: Path) -> dict[str, DomainSpec]:
    """Samples that this test bed cannot start: rendered only."""
    minimal = _minimal(root)
    cpu = Cpu("Skylake-Server", cores=4, max_cores=8, required=("vmx",), disabled=("hle",), weight=200)
    return {
        "kvm": replace(minimal, kvm=True, cpu=cpu),
        "host-devices": replace(
            minimal,
            host_devices=(
                HostDevice("gpu0", 2, Seat("0000:3b:00.0", group="14")),
                HostDevice("vgpu0", 3, Seat(UID, parent="0000:5e:00.0", type="nvidia-710")),
            ),
            device_classes=(("gpu0", "nvidia-a16"), ("vgpu0", "nvidia-a16-4q")),
        ),
        "two-nodes": replace(
            minimal,
            cpu=Cpu("qemu64", cores=2, max_cores=3),
            places=CpuPlaces((1, 4, 5), (0,), False, (NumaNode(0, (0, 1)), NumaNode(1, (4, 5)))),
            mirrors_numa=True,
            page_bytes=2 * 1024**2,
            memory_bytes=130 * 1024**2,
        ),
        "kvm-passthrough": replace(minimal, kvm=True, cpu=Cpu("HostPassthrough")),
        "windows": replace(
            minimal,
            kvm=True,
            os="Windows",
            cpu=cpu,
            tpm=True,
            firmware=Firmware.UEFI_SECURE_BOOT,
            firmware_files=FirmwareFiles(
                "/usr/share/OVMF/OVMF_CODE_4M.ms.fd", f"{root}/nvram.fd", "/usr/share/OVMF/OVMF_VARS_4M.ms.fd"
            ),
        ),
    }


def _minimal(root: Path) -> DomainSpec:
    return DomainSpec(
        identity=Identity(UID, "default", "web-1", DomainUuid(UID), epoch=3, generation=7),
        machine_type="pc-q35-7.2",
        cpu=Cpu("qemu64"),
        memory_bytes=128 * 1024**2,
        run_dir=str(root / "run"),
        console_log=str(root / "log/console.log"),
        kvm=False,
        disks=(Disk("root", 1, str(root / "data"), "6f1e8a523c7d4f0e9b1a", boot_order=1),),
    )
