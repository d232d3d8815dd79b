"""What of a host may be promised to VMs. Pure; for whoever promises it and whoever tells how much it is."""

from __future__ import annotations


def cpus_for_guests(cpus: int | None, reserved: int | None) -> int:
    """Real CPUs that VMs count on: of `cpus` that a host has all but the `reserved` ones. None is none."""
    return max(0, (cpus or 0) - (reserved or 0))
