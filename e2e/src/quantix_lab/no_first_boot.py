"""Stands for the maker of first-boot drives."""

from __future__ import annotations

from pathlib import Path

from quantix_api import VirtualMachine


class NoFirstBoot:
    """For VMs that have none."""

    async def ensure_drive(self, vm: VirtualMachine, domain: str = "") -> Path | None:
        return None
