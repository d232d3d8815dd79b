"""Disks and CD-ROMs, with the controllers they need."""

from __future__ import annotations

from collections.abc import Sequence
from string import ascii_lowercase

from quantix_api.errors import PermanentError
from quantix_api.messages import as_error
from quantix_hostd.domainxml.ceph import CephSource, ceph_secret
from quantix_hostd.domainxml.element import Element, element
from quantix_hostd.domainxml.pcie import BuiltinPort, behind, on_root_bus, root_port_of
from quantix_hostd.domainxml.spec import Backing, Bus, Cdrom, Disk, DomainSpec

SATA_UNITS = 6
# the ICH9's own AHCI controller of every q35 machine
_AHCI_SLOT, _AHCI_FUNCTION = 0x1F, 2


def configure_controllers(spec: DomainSpec) -> list[Element]:
    nodes = [
        element("controller", {"type": "sata", "index": 0}, on_root_bus(_AHCI_SLOT, _AHCI_FUNCTION)),
    ]
    if any(disk.bus is Bus.SCSI for disk in spec.disks):
        driver = element("driver", {"iothread": 1, "queues": spec.cpu.max_cores})
        nodes.append(
            element(
                "controller",
                {"type": "scsi", "index": 0, "model": "virtio-scsi"},
                driver,
                behind(BuiltinPort.SCSI),
            )
        )
    return nodes


def configure_disks(spec: DomainSpec) -> list[Element]:
    units = _sata_units(spec.disks, spec.cdroms)
    return [_disk(disk, units) for disk in spec.disks] + [_cdrom(cdrom) for cdrom in spec.cdroms]


def configure_copy(path: str, secret_uuid: str, ceph: CephSource | None) -> Element:
    """What a running disk is copied into, a file or an image in Ceph: it stands alone, and its chain is
    closed. `secret_uuid` as that of the disk.
    """
    return element(
        "disk",
        {"type": "network" if ceph else "file"},
        element("driver", {"type": "raw" if ceph else "qcow2"}),
        _ceph_source(ceph) if ceph else _source(path, secret_uuid),
        element("backingStore"),
    )


def target_name(disk: Disk, sata_unit: int = 0) -> str:
    """The `dev` of a disk: made from its port number, so that removing another disk renames nothing."""
    if disk.bus is Bus.VIRTIO:
        return "vd" + _letters(disk.port)
    # SATA has sda to sdf; SCSI starts behind the one-letter names
    return "sd" + _letters(sata_unit + 1 if disk.bus is Bus.SATA else len(ascii_lowercase) + disk.port)


def target_names(disks: Sequence[Disk], cdroms: Sequence[Cdrom]) -> dict[str, str]:
    """The `dev` of each, by its name. Raises PermanentError (ConfigRefused) as `configure_disks` does."""
    units = _sata_units(disks, cdroms)
    found = {disk.name: target_name(disk, units.get(disk.name, 0)) for disk in disks}
    return {**found, **{cdrom.name: _cdrom_target(cdrom) for cdrom in cdroms}}


def _disk(disk: Disk, sata_units: dict[str, int]) -> Element:
    unit = sata_units.get(disk.name, 0)
    node = element(
        "disk",
        {"type": "network" if disk.ceph else "file", "device": "disk"},
        _driver(disk),
        _ceph_source(disk.ceph) if disk.ceph else _source(disk.path, disk.secret_uuid),
        _backing_store(disk.backing),
        element("target", {"dev": target_name(disk, unit), "bus": disk.bus}),
        _iotune(disk),
        element("readonly") if disk.read_only else None,
        element("serial", text=disk.serial),
        element("boot", {"order": disk.boot_order}) if disk.boot_order else None,
        element("alias", {"name": f"ua-{disk.name}"}),
        _disk_address(disk, unit),
    )
    return node


def _driver(disk: Disk) -> Element:
    attributes: dict[str, str | int] = {
        "name": "qemu",
        "type": disk.image_format,
        "cache": disk.cache,
        "error_policy": "stop",
        "rerror_policy": "stop",
        # librbd has threads of its own
        **({} if disk.ceph else {"io": "native" if disk.native_io and disk.cache == "none" else "threads"}),
        "discard": "unmap",
        "detect_zeroes": "unmap",
    }
    if disk.bus is Bus.VIRTIO:
        attributes["iothread"] = 1
    return element("driver", attributes)


def _source(path: str, secret_uuid: str = "") -> Element:
    secret = element("secret", {"type": "passphrase", "uuid": secret_uuid})
    return element(
        "source",
        {"file": path},
        element("seclabel", {"model": "dac", "relabel": "no"}),
        element("encryption", {"format": "luks"}, secret) if secret_uuid else None,
    )


def _ceph_source(ceph: CephSource) -> Element:
    """libvirt 9.0, formatdomain.html, "Hard drives": the key is named, never told."""
    secret = element("secret", {"type": "ceph", "usage": ceph_secret(ceph.pool)})
    return element(
        "source",
        {"protocol": "rbd", "name": ceph.image},
        *(element("host", {"name": host, "port": port}) for host, port in ceph.monitors),
        element("auth", {"username": ceph.user}, secret),
    )


def _backing_store(backing: Backing | None) -> Element:
    """The whole chain, closed by an empty one: libvirt then probes no file for what lies beneath it."""
    if backing is None:
        return element("backingStore")
    return element(
        "backingStore",
        {"type": "file"},
        element("format", {"type": backing.image_format}),
        _source(backing.path),
        element("backingStore"),
    )


def _iotune(disk: Disk) -> Element | None:
    if not disk.iops and not disk.bytes_per_second:
        return None
    limits = {"total_bytes_sec": disk.bytes_per_second, "total_iops_sec": disk.iops}
    return element("iotune", {}, *(element(name, text=str(value)) for name, value in limits.items() if value))


def _disk_address(disk: Disk, sata_unit: int) -> Element:
    if disk.bus is Bus.VIRTIO:
        return behind(root_port_of(disk.port))
    return _drive_address(sata_unit if disk.bus is Bus.SATA else disk.port)


def _cdrom(cdrom: Cdrom) -> Element:
    return element(
        "disk",
        {"type": "file", "device": "cdrom"},
        element("driver", _cdrom_driver(cdrom)),
        _source(cdrom.path) if cdrom.path else None,
        element("target", {"dev": _cdrom_target(cdrom), "bus": "sata"}),
        element("readonly"),
        element("boot", {"order": cdrom.boot_order}) if cdrom.boot_order else None,
        element("alias", {"name": f"ua-{cdrom.name}"}),
        _drive_address(cdrom.unit),
    )


def _cdrom_target(cdrom: Cdrom) -> str:
    return "sd" + _letters(cdrom.unit + 1)


def _cdrom_driver(cdrom: Cdrom) -> dict[str, str | int]:
    # libvirt forgets the format of an empty drive, so none is said
    format_attribute: dict[str, str | int] = {"type": "raw"} if cdrom.path else {}
    return {"name": "qemu", **format_attribute, "error_policy": "stop", "rerror_policy": "stop"}


def _drive_address(unit: int) -> Element:
    return element("address", {"type": "drive", "controller": 0, "bus": 0, "target": 0, "unit": unit})


def _sata_units(disks: Sequence[Disk], cdroms: Sequence[Cdrom]) -> dict[str, int]:
    taken = {cdrom.unit for cdrom in cdroms}
    free = [unit for unit in range(SATA_UNITS) if unit not in taken]
    wanted = [disk.name for disk in disks if disk.bus is Bus.SATA]
    if len(wanted) > len(free):
        raise as_error(PermanentError, "ConfigRefused", disks=len(wanted), free=len(free))
    return dict(zip(wanted, free, strict=False))


def _letters(number: int) -> str:
    """1 → a, 26 → z, 27 → aa: the way Linux names disks."""
    name = ""
    while number > 0:
        number, rest = divmod(number - 1, len(ascii_lowercase))
        name = ascii_lowercase[rest] + name
    return name
