"""Guest memory, what it can be given while it runs, and the balloon."""

from __future__ import annotations

from xml.etree import ElementTree

from quantix_hostd.domainxml.element import Element, element
from quantix_hostd.domainxml.pcie import BuiltinPort, behind
from quantix_hostd.domainxml.spec import DomainSpec
from quantix_hostd.facts.cpu_lists import format_cpus

_KIB = 1024
# virtio-mem plugs whole blocks: the size of a transparent huge page on x86-64 (QEMU, virtio-mem.c)
BLOCK_BYTES = 2 * 1024**2
MEMORY_ALIAS = "ua-qx_memory"
QEMU_NAMESPACE = "http://libvirt.org/schemas/domain/qemu/1.0"
UNEVEN_RAM = "qx.ram"
_UNEVEN_KIB = 8

ElementTree.register_namespace("qemu", QEMU_NAMESPACE)


def configure_memory(spec: DomainSpec) -> list[Element]:
    """Anonymous, private, unlocked memory: limits and locks would kill guests or pin hosts."""
    room = room_bytes(spec)
    most = _kib(spec.memory_bytes + room)
    return [
        *([element("maxMemory", {"unit": "KiB", "slots": 1}, text=most)] if room else []),
        element("memory", {"unit": "KiB"}, text=most),
        element("currentMemory", {"unit": "KiB"}, text=_kib(spec.memory_bytes)),
    ]


def configure_uneven_memory(spec: DomainSpec) -> list[Element]:
    """Gives an emulated guest 8 KiB more than whole MiB, which libvirt has no words for: QEMU 7.2 does
    not notice all that such a guest writes while it is sent, where its memory is a multiple of 256 KiB
    (docs/adr/0057). Memory in NUMA nodes and huge pages stays as it is.
    """
    if spec.kvm or spec.page_bytes or numa_cells(spec) is not None:
        return []
    # libvirt rounds up to whole MiB
    size = f"{-(-spec.memory_bytes // 1024**2) * 1024 + _UNEVEN_KIB}k"
    memory = ("-object", f"memory-backend-ram,id={UNEVEN_RAM},size={size}")
    words = (*memory, "-machine", f"memory-backend={UNEVEN_RAM}", "-m", f"size={size}")
    arguments = [element(f"{{{QEMU_NAMESPACE}}}arg", {"value": word}) for word in words]
    return [element(f"{{{QEMU_NAMESPACE}}}commandline", {}, *arguments)]


def room_bytes(spec: DomainSpec) -> int:
    """What the guest can be given beyond its memory at the start, in whole blocks."""
    return max(spec.max_memory_bytes - spec.memory_bytes, 0) // BLOCK_BYTES * BLOCK_BYTES


def configure_backing(spec: DomainSpec) -> list[Element]:
    """Huge pages come from the kernel by memfd, so that nobody has to mount them."""
    if not spec.page_bytes:
        return []
    page = element("page", {"size": _kib(spec.page_bytes), "unit": "KiB"})
    return [
        element("memoryBacking", {}, element("hugepages", {}, page), element("source", {"type": "memfd"}))
    ]


def numa_cells(spec: DomainSpec) -> Element | None:
    """The guest's NUMA nodes: those of its own CPUs where it mirrors them, else one if it needs any.

    Memory that comes later has to belong to a node (libvirt, formatdomain.html, memory devices).
    """
    places, most = spec.places, spec.cpu.max_cores
    if spec.mirrors_numa and places.own:
        parts = [
            [number for number in range(most) if places.own[number] in node.cpus] for node in places.nodes
        ]
        return element("numa", {}, *_cells(spec, parts))
    return element("numa", {}, *_cells(spec, [list(range(most))])) if room_bytes(spec) else None


def _cells(spec: DomainSpec, parts: list[list[int]]) -> list[Element]:
    """Each with its vCPUs and as much memory as the others, in whole pages; the first has what is over."""
    page = spec.page_bytes or BLOCK_BYTES
    each = spec.memory_bytes // len(parts) // page * page
    first = spec.memory_bytes - each * (len(parts) - 1)
    return [
        element(
            "cell",
            {
                "id": number,
                "cpus": format_cpus(vcpus),
                "memory": _kib(each if number else first),
                "unit": "KiB",
            },
        )
        for number, vcpus in enumerate(parts)
    ]


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
    """Huge pages are neither taken by the balloon nor told as free."""
    attributes = {"model": "virtio", "autodeflate": "on"}
    if not spec.page_bytes:
        attributes["freePageReporting"] = "on"
    return [
        element(
            "memballoon",
            attributes,
            element("stats", {"period": 10}),
            element("alias", {"name": "ua-qx_balloon"}),
            behind(BuiltinPort.BALLOON),
        )
    ]
