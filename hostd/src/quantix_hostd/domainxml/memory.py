"""Guest memory, what it can be given while it runs, and the balloon."""

from __future__ import annotations

from quantix_hostd.domainxml.element import Element, element
from quantix_hostd.domainxml.pcie import BuiltinPort, behind
from quantix_hostd.domainxml.spec import DomainSpec

_KIB = 1024
# virtio-mem plugs whole blocks: the size of a transparent huge page on x86-64 (QEMU, virtio-mem.c)
BLOCK_BYTES = 2 * 1024**2
MEMORY_ALIAS = "ua-qx_memory"


def configure_memory(spec: DomainSpec) -> list[Element]:
    """Anonymous, private, unlocked memory: limits and locks would kill guests or pin hosts."""
    room = room_bytes(spec)
    most = _kib(spec.memory_bytes + room)
    return [
        *([element("maxMemory", {"unit": "KiB", "slots": 1}, text=most)] if room else []),
        element("memory", {"unit": "KiB"}, text=most),
        element("currentMemory", {"unit": "KiB"}, text=_kib(spec.memory_bytes)),
    ]


def room_bytes(spec: DomainSpec) -> int:
    """What the guest can be given beyond its memory at the start, in whole blocks."""
    return max(spec.max_memory_bytes - spec.memory_bytes, 0) // BLOCK_BYTES * BLOCK_BYTES


def numa_cell(spec: DomainSpec) -> Element | None:
    """Memory that comes later has to belong to a node (libvirt, formatdomain.html, memory devices)."""
    if not room_bytes(spec):
        return None
    cpus = f"0-{spec.cpu.max_cores - 1}" if spec.cpu.max_cores > 1 else "0"
    cell: dict[str, str | int] = {"id": 0, "cpus": cpus, "memory": _kib(spec.memory_bytes), "unit": "KiB"}
    return element("numa", {}, element("cell", cell))


def configure_memory_device(spec: DomainSpec) -> list[Element]:
    """Room to grow: a virtio-mem device of which nothing is plugged at the start."""
    room = room_bytes(spec)
    if not room:
        return []
    target = element(
        "target",
        {},
        element("size", {"unit": "KiB"}, text=_kib(room)),
        element("node", text="0"),
        element("block", {"unit": "KiB"}, text=_kib(BLOCK_BYTES)),
        element("requested", {"unit": "KiB"}, text="0"),
    )
    alias = element("alias", {"name": MEMORY_ALIAS})
    return [element("memory", {"model": "virtio-mem"}, target, alias, behind(BuiltinPort.MEMORY))]


def _kib(size_bytes: int) -> str:
    return str(size_bytes // _KIB)


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
