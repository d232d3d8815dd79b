"""Name, machine type, firmware, features, clock and what happens when the guest stops."""

from __future__ import annotations

from quantix_api.errors import PermanentError
from quantix_api.messages import as_error
from quantix_hostd.domainxml.element import Element, element
from quantix_hostd.domainxml.spec import DomainSpec, Firmware

_HYPERV = ("relaxed", "vapic", "vpindex", "runtime", "synic", "frequencies", "tlbflush", "ipi", "reset")
_BOOT_MENU_MILLISECONDS = 1000


def configure_identity(spec: DomainSpec) -> list[Element]:
    identity = spec.identity
    return [
        element("name", text=spec.domain_name),
        element("uuid", text=identity.uuid),
        element("title", text=f"{identity.namespace}/{identity.name}"),
    ]


def configure_os(spec: DomainSpec) -> list[Element]:
    """The `<os>` element, with an explicit loader for UEFI: libvirt's own choice differs between versions."""
    node = element("os", {}, element("type", {"arch": "x86_64", "machine": spec.machine_type}, text="hvm"))
    if spec.firmware is not Firmware.BIOS:
        node.extend(_uefi(spec))
    menu = {"enable": "yes" if spec.boot_menu_seconds else "no"}
    if spec.boot_menu_seconds:
        menu["timeout"] = str(spec.boot_menu_seconds * _BOOT_MENU_MILLISECONDS)
    node.append(element("bootmenu", menu))
    if _sysinfo_entries(spec):
        node.append(element("smbios", {"mode": "sysinfo"}))
    return [node]


def configure_sysinfo(spec: DomainSpec) -> list[Element]:
    entries = _sysinfo_entries(spec)
    return [element("sysinfo", {"type": "smbios"}, *entries)] if entries else []


def configure_features(spec: DomainSpec) -> list[Element]:
    node = element("features", {}, element("acpi"), element("apic"))
    if spec.os == "Windows" and spec.kvm:
        node.append(_hyperv())
    node.append(element("vmcoreinfo", {"state": "on"}))
    if spec.firmware is Firmware.UEFI_SECURE_BOOT:
        node.append(element("smm", {"state": "on"}))
    return [node]


def configure_clock(spec: DomainSpec) -> list[Element]:
    node = element("clock", _clock_offset(spec))
    node.append(element("timer", {"name": "rtc", "tickpolicy": "catchup"}))
    node.append(element("timer", {"name": "pit", "tickpolicy": "delay"}))
    node.append(element("timer", {"name": "hpet", "present": "no"}))
    if spec.os == "Windows" and spec.kvm:
        node.append(element("timer", {"name": "hypervclock", "present": "yes"}))
    return [node]


def configure_lifecycle(spec: DomainSpec) -> list[Element]:
    """A crashed guest is kept, so that hostd decides and evidence survives; see hypervisor.md, section 5."""
    return [
        element("on_poweroff", text="destroy"),
        element("on_reboot", text="restart"),
        element("on_crash", text="preserve"),
    ]


def _clock_offset(spec: DomainSpec) -> dict[str, str | int]:
    if spec.timezone != "UTC":
        return {"offset": "timezone", "timezone": spec.timezone}
    return {"offset": "localtime"} if spec.os == "Windows" else {"offset": "utc"}


def _uefi(spec: DomainSpec) -> list[Element]:
    files = spec.firmware_files
    if files is None:
        raise as_error(PermanentError, "ConfigRefused", firmware=spec.firmware)
    secure = "yes" if spec.firmware is Firmware.UEFI_SECURE_BOOT else "no"
    return [
        element("loader", {"readonly": "yes", "secure": secure, "type": "pflash"}, text=files.loader),
        element("nvram", {"template": files.nvram_template}, text=files.nvram),
    ]


def _hyperv() -> Element:
    node = element("hyperv", {"mode": "custom"})
    for name in _HYPERV:
        node.append(element(name, {"state": "on"}))
    node.append(element("spinlocks", {"state": "on", "retries": 8191}))
    node.append(element("stimer", {"state": "on"}))
    return node


def _sysinfo_entries(spec: DomainSpec) -> list[Element]:
    smbios = spec.smbios
    system = {
        "manufacturer": smbios.manufacturer,
        "product": smbios.product,
        "version": smbios.version,
        "serial": smbios.serial,
        "sku": smbios.sku,
        "family": smbios.family,
    }
    system_entries = [element("entry", {"name": key}, text=value) for key, value in system.items() if value]
    chassis = [element("entry", {"name": "asset"}, text=smbios.asset_tag)] if smbios.asset_tag else []
    if not system_entries and not chassis:
        return []
    # libvirt refuses a system UUID that differs from the domain's
    system_entries.append(element("entry", {"name": "uuid"}, text=spec.identity.uuid))
    parts = [element("system", {}, *system_entries)]
    return parts + ([element("chassis", {}, *chassis)] if chassis else [])
