"""Makes a FAT file system bootable by UEFI firmware, with Secure Boot or without.

Called by the builders of both guest images. Firmware starts EFI/BOOT/BOOTX64.EFI of a disk (UEFI 2.10,
section 3.5.1.1): Debian's shim, signed by Microsoft, which starts Debian's signed GRUB beside it, which reads
EFI/debian/grub.cfg and starts kernels that Debian signed.
"""

from __future__ import annotations

from pathlib import Path

from quantix_cli.guestimage.disk import EPOCH, run_tool

# A mirror that cannot be found is told after seconds, not minutes (resolv.conf(5))
RESOLVER = {"RES_OPTIONS": "timeout:3 attempts:1"}
PACKAGES = ("shim-signed", "grub-efi-amd64-signed")
_FOLDERS = ("::/EFI", "::/EFI/BOOT", "::/EFI/debian")
# place in the file system → path in a package
_LOADERS = {
    "::/EFI/BOOT/BOOTX64.EFI": "usr/lib/shim/shimx64.efi.signed",
    "::/EFI/BOOT/grubx64.efi": "usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed",
}
_CONFIG = "::/EFI/debian/grub.cfg"


def unpack_packages(names: list[str], folder: Path) -> Path:
    """Download Debian packages into `folder` and return the directory that they are unpacked in; nothing is
    installed. Raises PermanentError `GuestImageFailed`.
    """
    options = ["-o", "APT::Sandbox::User=", "-o", "Acquire::http::Timeout=30", "-o", "Acquire::Retries=0"]
    run_tool(["apt-get", "-q", *options, "download", *names], cwd=folder, environment=RESOLVER)
    unpacked = folder / "unpacked"
    for package in sorted(folder.glob("*.deb")):
        run_tool(["dpkg-deb", "-x", str(package), str(unpacked)])
    return unpacked


def add_boot_loaders(disk: Path, offset_bytes: int, unpacked: Path, config: Path) -> None:
    """Put the loaders of `unpacked` (PACKAGES) into the FAT file system at `offset_bytes` of `disk`; GRUB
    does what `config` says. The same input gives the same bytes. Raises PermanentError `GuestImageFailed`.
    """
    image = ["-i", f"{disk}@@{offset_bytes}"]
    mtools = {"SOURCE_DATE_EPOCH": EPOCH, "MTOOLS_SKIP_CHECK": "1"}
    run_tool(["mmd", *image, *_FOLDERS], environment=mtools)
    for place, path in _LOADERS.items():
        run_tool(["mcopy", *image, str(unpacked / path), place], environment=mtools)
    run_tool(["mcopy", *image, str(config), _CONFIG], environment=mtools)
