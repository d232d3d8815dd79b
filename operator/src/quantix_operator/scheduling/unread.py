"""VMs that no model reads, as one stored under another schema: what is still known of them on their hosts.

Pure. Used by the scheduler, which must not promise their room to others, and for the figures of their Host.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from quantix_api.compute import memory_request_bytes
from quantix_api.errors import PermanentError
from quantix_api.quantities import size_bytes
from quantix_client.api import Manifest
from quantix_operator.indexers import assigned_host
from quantix_operator.scheduling.model import HostView


@dataclass(frozen=True)
class Unread:
    """`cpus` and `memory_bytes` None: what it was given cannot be read."""

    host: str
    cpus: int | None
    memory_bytes: int | None


def what_is_known(vm: Manifest) -> Unread | None:
    """What the manifest tells; None while no host has it."""
    host = next(iter(assigned_host(vm)), None)
    if host is None:
        return None
    resolved = (vm.get("status") or {}).get("resolved") or {}
    cores = resolved.get("cores")
    return Unread(host, cores if isinstance(cores, int) else None, _memory_bytes(resolved.get("memory")))


def _memory_bytes(size: object) -> int | None:
    try:
        return memory_request_bytes(size_bytes(str(size)))
    except PermanentError:
        return None


def without(host: HostView, unread: Iterable[Unread]) -> HostView:
    """The host without their room; one of which it is not known how much it has takes all that there is."""
    for vm in unread:
        if vm.host != host.name:
            continue
        millis = host.cpu_millis if vm.cpus is None else -(-vm.cpus * 1000 * 100 // host.cpu_percent)
        memory = host.memory_bytes if vm.memory_bytes is None else vm.memory_bytes
        host = replace(
            host,
            cpu_millis=max(host.cpu_millis - millis, 0),
            memory_bytes=max(host.memory_bytes - memory, 0),
        )
    return host
