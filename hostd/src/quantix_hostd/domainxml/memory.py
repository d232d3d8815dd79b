"""Guest memory and the balloon."""

from __future__ import annotations

from quantix_hostd.domainxml.element import Element, element
from quantix_hostd.domainxml.pcie import BuiltinPort, behind
from quantix_hostd.domainxml.spec import DomainSpec

_KIB = 1024


def configure_memory(spec: DomainSpec) -> list[Element]:
    """Anonymous, private, unlocked memory: limits and locks would kill guests or pin hosts."""
    kib = str(spec.memory_bytes // _KIB)
    return [
        element("memory", {"unit": "KiB"}, text=kib),
        element("currentMemory", {"unit": "KiB"}, text=kib),
    ]


def configure_balloon(spec: DomainSpec) -> list[Element]:
    return [
        element(
            "memballoon",
            {"model": "virtio", "autodeflate": "on", "freePageReporting": "on"},
            element("stats", {"period": 10}),
            element("alias", {"name": "ua-qx_balloon"}),
            behind(BuiltinPort.BALLOON),
        )
    ]
