"""Which UEFI builds this host has, by the symbolic names of `status.resolved.firmware`, and who remembers.

The builds are asked for once by `assembly` for `HostFacts`; Debian's package ovmf (2022.11) names them so.
The 4M build only.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from quantix_api import VirtualMachine

_BUILDS = {
    "UEFI": ("OVMF_CODE_4M.fd", "OVMF_VARS_4M.fd"),
    "UEFISecureBoot": ("OVMF_CODE_4M.ms.fd", "OVMF_VARS_4M.ms.fd"),
}


def keeps_state(vm: VirtualMachine) -> bool:
    """Whether the guest's machine remembers something beside its disks."""
    return vm.spec.firmware.type == "UEFI" or vm.spec.firmware.tpm


def installed_firmware(directory: Path = Path("/usr/share/OVMF")) -> Mapping[str, tuple[str, str]]:
    """Name → (loader, NVRAM template) of the builds whose files are there. Blocking, but short."""
    found = {name: (directory / loader, directory / template) for name, (loader, template) in _BUILDS.items()}
    return {
        name: (str(loader), str(template))
        for name, (loader, template) in found.items()
        if loader.exists() and template.exists()
    }
