"""In which words of spec a difference between two domains is told. Pure; called by `changes`.

A domain has other words than spec for much: files for a kind of firmware, milliseconds, small letters.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from quantix_api.address_space import HOST_PASSTHROUGH
from quantix_hostd.domainxml.spec import DomainSpec, Firmware
from quantix_hostd.domainxml.view import DomainView

ATTACHED = "attached"
"""Of what is there as a whole."""
_MILLISECONDS = 1000
_ALIAS = "ua-"
_KINDS = {
    word.lower(): word
    for word in ("Virtio", "SCSI", "SATA", "None", "Writeback", "Writethrough", "E1000e", "VGA")
}
_OF_DEVICES: Mapping[str, Mapping[str, str]] = {
    "bus": _KINDS,
    "cache": _KINDS,
    "model": _KINDS,
    "readOnly": {"yes": "true", "": "false"},
}
_Words = Callable[[DomainView, DomainSpec], tuple[str, str]]


def of_device(field: str, value: str) -> str:
    """The value of a device's field of spec that has `value` in a domain."""
    return _OF_DEVICES.get(field, {}).get(value, value)


def of_domain(path: str, wanted: DomainSpec, live: DomainView) -> tuple[str, str] | None:
    """What a field of spec is in the running domain, and what it is to be; None where the domain has spec's
    own words for it. Both alike: nothing of this field changes.
    """
    found = _WORDS.get(path)
    return found(live, wanted) if found else None


def _firmware(live: DomainView, wanted: DomainSpec) -> tuple[str, str]:
    return (
        "UEFI" if "loader" in live.fields else "BIOS",
        "BIOS" if wanted.firmware is Firmware.BIOS else "UEFI",
    )


def _secure_boot(live: DomainView, wanted: DomainSpec) -> tuple[str, str]:
    secure = wanted.firmware is Firmware.UEFI_SECURE_BOOT
    return _bool(live.fields.get("secure") == "yes"), _bool(secure)


def _menu(live: DomainView, wanted: DomainSpec) -> tuple[str, str]:
    seconds = int(live.fields.get("boot_menu_timeout", "0")) // _MILLISECONDS
    return str(seconds), str(wanted.boot_menu_seconds)


def _order(live: DomainView, wanted: DomainSpec) -> tuple[str, str]:
    running = {alias: int(device["boot"]) for alias, device in live.devices.items() if "boot" in device}
    return _names(running), _names(wanted.boot_orders)


def _names(orders: Mapping[str, int]) -> str:
    return ", ".join(alias.removeprefix(_ALIAS) for alias in sorted(orders, key=lambda alias: orders[alias]))


def _model(live: DomainView, wanted: DomainSpec) -> tuple[str, str]:
    passed = live.fields.get("cpu_mode") == "host-passthrough"
    return HOST_PASSTHROUGH if passed else live.fields.get("cpu_model", ""), wanted.cpu.model


def _time_zone(live: DomainView, wanted: DomainSpec) -> tuple[str, str]:
    return live.fields.get("timezone", "UTC"), wanted.timezone


def _system(live: DomainView, wanted: DomainSpec) -> tuple[str, str]:
    """Of a guest that runs only whether it is Windows can be told."""
    windows = "hyperv" in live.fields or live.fields.get("clock") == "localtime"
    return "Windows" if windows else "", wanted.os


def _video(live: DomainView, wanted: DomainSpec) -> tuple[str, str]:
    card = live.devices.get("ua-qx_video", {"model": "none"})
    return of_device("model", card.get("model", "")), wanted.console.video


def _there(alias: str, is_wanted: Callable[[DomainSpec], bool]) -> _Words:
    """A switch of spec that gives the guest a device."""
    return lambda live, wanted: (_bool(alias in live.devices), _bool(is_wanted(wanted)))


def _watchdog(live: DomainView, wanted: DomainSpec) -> tuple[str, str]:
    """Its action is no part of the domain."""
    return (
        ATTACHED if "ua-qx_watchdog" in live.devices else "",
        ATTACHED if wanted.watchdog else "",
    )


def _bool(value: bool) -> str:
    return "true" if value else "false"


_WORDS: Mapping[str, _Words] = {
    "spec.firmware.type": _firmware,
    "spec.firmware.secureBoot": _secure_boot,
    "spec.firmware.tpm": _there("ua-qx_tpm", lambda wanted: wanted.tpm),
    "spec.boot.menuSeconds": _menu,
    "spec.boot.order": _order,
    "spec.cpu.model": _model,
    "spec.clock.timezone": _time_zone,
    "spec.os": _system,
    "spec.console.serial": _there("ua-qx_serial", lambda wanted: wanted.console.serial),
    "spec.console.vnc": _there("graphics", lambda wanted: wanted.console.vnc),
    "spec.console.video": _video,
    "spec.watchdog": _watchdog,
}
