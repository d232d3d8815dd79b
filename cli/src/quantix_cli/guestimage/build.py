"""Builds the guest image, or finds the one already built: `ensure_image()` is all that others need.

Called by `qx up` and by tests (`python -m quantix_cli.guestimage` prints the path). It downloads Debian
packages into the cache and unpacks them there; nothing is installed and nothing outside the cache is written.
"""

from __future__ import annotations

import fcntl
import hashlib
import lzma
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from quantix_cli.guestimage import archive, efi
from quantix_cli.guestimage.disk import FILE_SYSTEM_START_BYTES, BootFiles, make_disk, run_tool

IMAGE_NAME = "tiny.qcow2"
KERNEL_META_PACKAGE = "linux-image-cloud-amd64"
OTHER_PACKAGES = (
    *("busybox-static", "wide-dhcpv6-client", "libfl2", "libc6", "syslinux", "syslinux-common"),
    *efi.PACKAGES,
)
# Path in the guest → path in a package. Debian 12's busybox (1.35) has no DHCPv6 client, so dhcp6c comes
# along with the libraries that it is linked with; the loader's path is the one that its ELF header names.
PROGRAMS = {
    "bin/busybox": "bin/busybox",
    "bin/dhcp6c": "sbin/dhcp6c",
    "lib64/ld-linux-x86-64.so.2": "lib/x86_64-linux-gnu/ld-linux-x86-64.so.2",
    "lib/x86_64-linux-gnu/libc.so.6": "lib/x86_64-linux-gnu/libc.so.6",
    "lib/x86_64-linux-gnu/libfl.so.2": "lib/x86_64-linux-gnu/libfl.so.2",
}
# In the order in which they load: each needs only those before it (Debian 6.1 and 6.12 cloud kernels).
MODULES = (
    "drivers/virtio/virtio_ring",
    "drivers/virtio/virtio",
    "net/core/failover",
    "drivers/net/net_failover",
    "drivers/virtio/virtio_pci_modern_dev",
    "drivers/virtio/virtio_pci_legacy_dev",
    "drivers/virtio/virtio_pci",
    "drivers/virtio/virtio_mem",
    "drivers/virtio/virtio_balloon",
    "drivers/net/virtio_net",
    "drivers/block/virtio_blk",
    "drivers/char/virtio_console",
    "drivers/acpi/button",
    "drivers/input/evdev",
    "drivers/misc/pvpanic/pvpanic",
    "drivers/misc/pvpanic/pvpanic-mmio",
)
# Loads where there is UEFI firmware only
UEFI_MODULE = "fs/efivarfs/efivarfs"
ROOTFS = Path(__file__).parent / "rootfs"
# rootfs file → (path in the guest, permissions)
PLACES = {
    "inittab": ("etc/inittab", 0o644),
    "start": ("etc/start", 0o755),
    "nic": ("etc/nic", 0o755),
    "cable": ("etc/cable", 0o755),
    "lease": ("etc/lease", 0o755),
    "address6": ("etc/address6", 0o755),
    "announce": ("etc/announce", 0o755),
    "answer": ("etc/answer", 0o755),
    "plug": ("etc/plug", 0o755),
    "profile": ("etc/profile", 0o644),
    "powerbutton": ("etc/acpi/PWRF/00000080", 0o755),
}
MOUNT_POINTS = ("dev", "proc", "root", "run", "srv", "sys", "tmp")
# Where dhcp6c keeps its DUID
CLIENT_IDENTITY = "var/lib/dhcpv6/dhcp6c_duid"


def kernel_package() -> str:
    """The package with the cloud kernel itself, which the meta package names."""
    listing = run_tool(["apt-cache", "depends", "--important", KERNEL_META_PACKAGE])
    return next(line.split()[-1] for line in listing.splitlines() if "Depends: linux-image-" in line)


def source_key() -> str:
    """A hash of everything of ours that goes into the image."""
    digest = hashlib.sha256()
    own_files = [*Path(__file__).parent.glob("*.py"), *ROOTFS.iterdir()]
    for path in sorted(path for path in own_files if path.is_file()):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def package_key(package_versions: list[str]) -> str:
    """A hash of the versions of the packages that the image is made of."""
    return hashlib.sha256("\n".join(sorted(package_versions)).encode()).hexdigest()[:16]


def render_initramfs(programs: dict[str, bytes], modules: dict[str, bytes]) -> bytes:
    """The initramfs: `programs` by their paths in the guest, busybox among them as /init, our scripts, and
    `modules` by name in the order in which they load; that of UEFI is loaded by itself.
    """
    files = [archive.regular(path, content, 0o755) for path, content in programs.items()]
    for name, (path, permissions) in PLACES.items():
        files.append(archive.regular(path, (ROOTFS / name).read_bytes(), permissions))
    for name, content in modules.items():
        files.append(archive.regular(f"lib/modules/{name}.ko", content))
    order = "".join(f"{name}\n" for name in modules if name != Path(UEFI_MODULE).name)
    files.append(archive.regular("lib/modules/order", order.encode()))
    files += [archive.symlink("init", "bin/busybox"), archive.symlink("bin/sh", "busybox")]
    files.append(archive.character_device("dev/console", 5, 1))
    folders = [archive.directory(path) for path in _folders(file.path for file in files)]
    return archive.render_archive([*folders, *files])


def _folders(files: Iterable[str]) -> list[str]:
    """Every folder of the guest, parents first."""
    paths = [PurePosixPath(path) for path in (*files, CLIENT_IDENTITY)]
    parents = {str(parent) for path in paths for parent in path.parents}
    return sorted(parents.union(MOUNT_POINTS) - {"."})


def read_module(path: Path) -> bytes:
    """The kernel module at `path`, which Debian 12 stores as it is and Debian 13 compressed beside it."""
    compressed = path.with_name(f"{path.name}.xz")
    return lzma.decompress(compressed.read_bytes()) if compressed.exists() else path.read_bytes()


def read_program(unpacked: Path, path: str) -> bytes:
    """The file of a package at `path`, which is below usr where Debian moved it there (UsrMerge)."""
    merged = unpacked / "usr" / path
    return (merged if merged.exists() else unpacked / path).read_bytes()


def _build(packages: list[str], folder: Path) -> None:
    unpacked = efi.unpack_packages(packages, folder)
    kernel = next((unpacked / "boot").glob("vmlinuz-*"))
    tree = next((unpacked / "lib/modules").iterdir()) / "kernel"
    modules = {Path(name).name: read_module(tree / f"{name}.ko") for name in (*MODULES, UEFI_MODULE)}
    programs = {path: read_program(unpacked, source) for path, source in PROGRAMS.items()}
    initramfs = folder / "initrd.gz"
    initramfs.write_bytes(render_initramfs(programs, modules))
    files = BootFiles(
        kernel=kernel,
        initramfs=initramfs,
        config=ROOTFS / "boot.cfg",
        boot_record=unpacked / "usr/lib/syslinux/mbr/mbr.bin",
        syslinux=unpacked / "usr/bin/syslinux",
    )
    raw = folder / "tiny.raw"
    make_disk(files, raw)
    efi.add_boot_loaders(raw, FILE_SYSTEM_START_BYTES, unpacked, ROOTFS / "grub.cfg")
    run_tool(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", "-c", str(raw), str(folder / IMAGE_NAME)])


def ensure_image(cache: Path) -> Path:
    """The path of the image below `cache`; builds it when there is none of these sources yet.

    Takes about 10 s and 34 MB of downloads the first time. One of older packages is kept, so that nothing
    has to be downloaded again. Two callers at once build it once. Raises PermanentError `GuestImageFailed`.
    """
    built = sorted((cache / "guest-image").glob(f"{source_key()}-*/{IMAGE_NAME}"))
    if built:
        return built[0]
    packages = [kernel_package(), *OTHER_PACKAGES]
    shown = run_tool(["apt-cache", "show", "--no-all-versions", *packages])
    versions = [line for line in shown.splitlines() if line.startswith(("Package:", "Version:"))]
    folder = cache / "guest-image" / f"{source_key()}-{package_key(versions)}"
    image = folder / IMAGE_NAME
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not image.exists():
            with tempfile.TemporaryDirectory(dir=folder) as scratch:
                _build(packages, Path(scratch))
                shutil.move(Path(scratch) / IMAGE_NAME, image)
    return image
