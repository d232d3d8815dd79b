"""Small devices that every domain has: random numbers, panic notifier; a TPM and a watchdog where asked."""

from __future__ import annotations

from quantix_hostd.domainxml.element import Element, element
from quantix_hostd.domainxml.pcie import BuiltinPort, behind, on_root_bus
from quantix_hostd.domainxml.spec import DomainSpec

# beside the ICH9's own functions, which have slot 31: a conventional device fits behind no root port
_WATCHDOG_SLOT = 0x1E


def configure_rng(spec: DomainSpec) -> list[Element]:
    """No rate limit: it would starve early boot."""
    return [
        element(
            "rng",
            {"model": "virtio"},
            element("backend", {"model": "random"}, text="/dev/urandom"),
            element("alias", {"name": "ua-qx_rng"}),
            behind(BuiltinPort.RNG),
        )
    ]


def configure_panic(spec: DomainSpec) -> list[Element]:
    """Without it a panicking guest looks as if it were running."""
    return [element("panic", {"model": "isa"})]


def configure_tpm(spec: DomainSpec) -> list[Element]:
    if not spec.tpm:
        return []
    backend = element("backend", {"type": "emulator", "version": "2.0", "persistent_state": "yes"})
    return [element("tpm", {"model": "tpm-crb"}, backend, element("alias", {"name": "ua-qx_tpm"}))]


def configure_watchdog(spec: DomainSpec) -> list[Element]:
    """QEMU does nothing when it fires but tell: what follows is decided by hostd (`watchdog_plan`)."""
    if not spec.watchdog:
        return []
    alias = element("alias", {"name": "ua-qx_watchdog"})
    place = on_root_bus(_WATCHDOG_SLOT)
    return [element("watchdog", {"model": "i6300esb", "action": "none"}, alias, place)]
