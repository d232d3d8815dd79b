"""What this machine is, and how guests can run on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


@dataclass(frozen=True)
class NumaFacts:
    """A NUMA node; `cpus` as the kernel writes it, such as 0-7,16-23."""

    id: int
    cpus: str
    memory_bytes: int


@dataclass(frozen=True)
class MachineFacts:
    """What does not change while the machine runs. `host_uid` is the same after every boot; `address_bits`:
    those of an address of memory, None where the kernel does not tell.
    """

    host_uid: str
    boot_id: str
    cpus: int
    memory_bytes: int
    arch: str
    cpu_model: str
    cpu_vendor: str
    numa: tuple[NumaFacts, ...] = ()
    cpu_controller: bool = False
    address_bits: int | None = None
    versions: Mapping[str, str] = field(default_factory=dict)


class Accelerator(StrEnum):
    """How QEMU runs guests; the value is libvirt's domain type."""

    KVM = "kvm"
    TCG = "qemu"


@dataclass(frozen=True)
class KvmVerdict:
    """`obstacle` is what stands in the way, as fields of a KVMUnusable besides `host`."""

    accelerator: Accelerator
    obstacle: Mapping[str, str] = field(default_factory=dict)
