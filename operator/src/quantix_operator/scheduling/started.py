"""What a VM has of its host to itself: huge pages, CPUs, devices. Pure; used by `observe`.

Of a guest that runs that is what it was started with and what it was granted for its next start, both:
whatever spec says, it neither frees what the guest has nor takes what nobody granted.
"""

from __future__ import annotations

from dataclasses import dataclass

from quantix_api import VirtualMachine
from quantix_operator.scheduling.sizing import Sizing

_DEVICES = "spec.hostDevices["


@dataclass(frozen=True)
class Started:
    """`page_sizes`: of the huge pages that its memory has, and is to have; `on_ordinary`: it also has, or is
    to have, ordinary memory. `on_nodes`: its memory is bound to the NUMA nodes of its CPUs.
    """

    dedicated: bool
    on_ordinary: bool
    page_sizes: tuple[str, ...]
    on_nodes: bool
    device_classes: tuple[str, ...]


def started_with(vm: VirtualMachine, size: Sizing) -> Started:
    """As its host told last; `size` is what it was granted, of what nobody started yet what it asks for."""
    runtime = vm.status.runtime
    pending = {change.path: change.running or "" for change in runtime.pending_changes}
    running = pending if runtime.domain == "Present" else {}
    pages = (running.get("spec.memory.hugepages", size.hugepages), size.hugepages)
    nodes = bool(running.get("spec.cpu.numa"))
    devices = {(f"{_DEVICES}{name}]", class_) for name, class_ in size.devices}
    devices |= {(path, class_) for path, class_ in running.items() if path.startswith(_DEVICES) and class_}
    return Started(
        dedicated=size.dedicated or running.get("spec.cpu.dedicated") == "true",
        on_ordinary=not all(pages),
        page_sizes=tuple(dict.fromkeys(filter(None, pages))),
        on_nodes=size.mirrors_numa or nodes,
        device_classes=tuple(class_ for _, class_ in sorted(devices)),
    )
