"""QEMU processes, and whose they are. Pure.

Two guests of one UUID must not run on a host, but only a VM's own QEMU is ever ended for it: a guest of
another name is another VM, or a foreign one that brought the same UUID along.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class QemuProcess:
    """`domain_uuid` and `domain_name` as QEMU was given them, "" without; `state` is the letter of proc(5),
    e.g. D.
    """

    pid: int
    domain_uuid: str
    domain_name: str
    state: str


@dataclass(frozen=True)
class DomainProcesses:
    """`own` are the domain's. `others` have its UUID and another name: they only keep it from starting."""

    own: tuple[QemuProcess, ...] = ()
    others: tuple[QemuProcess, ...] = ()


def processes_of(domain_uuid: str, domain_name: str, found: Iterable[QemuProcess]) -> DomainProcesses:
    """Those of `found` that have to do with a domain. Its own bear its name; one without any, its UUID."""
    own, others = [], []
    for process in found:
        # QEMU takes a UUID in either case (qemu_uuid_parse)
        same_uuid = process.domain_uuid.lower() == domain_uuid.lower()
        if process.domain_name == domain_name or (same_uuid and not process.domain_name):
            own.append(process)
        elif same_uuid:
            others.append(process)
    return DomainProcesses(tuple(own), tuple(others))


def pids(processes: Iterable[QemuProcess]) -> str:
    """As messages name them: `12, 34`."""
    return ", ".join(str(process.pid) for process in processes)
