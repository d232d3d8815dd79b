"""What can be done to the devices and the sizes of a running guest: a part of `actions`.

`target` is a disk's `dev` in the domain, `alias` and `name` name a device.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ResizeDisk:
    target: str
    size_bytes: int


@dataclass(frozen=True)
class SetLink:
    alias: str
    up: bool


@dataclass(frozen=True)
class PlugDevice:
    """`encrypted` and `ceph` as at a start."""

    name: str
    xml: str
    encrypted: tuple[str, ...] = ()
    ceph: tuple[str, ...] = ()


@dataclass(frozen=True)
class UnplugDevice:
    """Ask the guest to let it go."""

    name: str


@dataclass(frozen=True)
class ChangeMedium:
    alias: str
    path: str | None


@dataclass(frozen=True)
class SetCores:
    cores: int


@dataclass(frozen=True)
class SetCPUTune:
    shares: int
    quota_us: int


@dataclass(frozen=True)
class PinCPUs:
    """The host's CPUs for each vCPU, and for all other threads of QEMU."""

    vcpus: tuple[tuple[int, ...], ...]
    rest: tuple[int, ...]


@dataclass(frozen=True)
class SetDiskLimits:
    target: str
    iops: int
    bytes_per_second: int


@dataclass(frozen=True)
class SetMemory:
    """`requested_bytes` beyond what the guest was started with."""

    requested_bytes: int


@dataclass(frozen=True)
class TellUnplugged:
    """The guest has let the device go."""

    name: str


@dataclass(frozen=True)
class TellWatchdog:
    """The guest's watchdog fired; `action` as in spec.watchdog."""

    action: str


LiveAction = (
    ResizeDisk
    | SetLink
    | PlugDevice
    | UnplugDevice
    | ChangeMedium
    | SetCores
    | SetCPUTune
    | PinCPUs
    | SetDiskLimits
    | SetMemory
    | TellUnplugged
    | TellWatchdog
)
