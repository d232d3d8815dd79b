"""Builds the Debian image, or finds the one already built: `ensure_debian_image()` is all that others need.

Called by `make image-debian` and by tests. It needs root, mmdebstrap and GRUB's modules (`make prepare`
installs them), writes nothing outside the cache, and downloads about 90 MB.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import tempfile
from pathlib import Path

from quantix_api.errors import PermanentError
from quantix_cli.debianimage.disk import ESP, make_disk
from quantix_cli.debianimage.mirror import RELEASE, machine_sources
from quantix_cli.guestimage import efi
from quantix_cli.guestimage.disk import run_tool

IMAGE_NAME = "debian.qcow2"
LOGIN_USER = "debian"
"""Whom cloud-init makes with the keys of spec.cloudInit; Image.spec.loginUser tells people."""
FILES = Path(__file__).parent / "files"
PACKAGES = (
    *(
        "linux-image-cloud-amd64",
        "initramfs-tools",
        "zstd",
        "systemd-sysv",
        "systemd-resolved",
        "udev",
        "dbus",
    ),
    *("cloud-init", "cloud-guest-utils", "e2fsprogs", "qemu-guest-agent", "openssh-server", "sudo"),
    *("login", "passwd", "mount", "iproute2", "netbase", "ca-certificates", "tzdata", "less", "nano"),
)
_BOOTSTRAP_TIMEOUT_S = 1200.0
_UNNEEDED = ("/usr/share/man/*", "/usr/share/doc/*", "/usr/share/locale/*", "/usr/share/info/*")


def source_key() -> str:
    """A hash of everything of ours that goes into the image."""
    digest = hashlib.sha256()
    own = [*Path(__file__).parent.glob("*.py"), *(path for path in FILES.rglob("*") if path.is_file())]
    for path in [*sorted(own), Path(efi.__file__)]:
        place = path.relative_to(Path(__file__).parents[1])
        digest.update(str(place).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def bootstrap_command(tree: Path, sources: list[str]) -> list[str]:
    """mmdebstrap(1) as it fills `tree`. Our files come before the packages that read them when installed."""
    options = [f"--dpkgopt=path-exclude={pattern}" for pattern in _UNNEEDED]
    return [
        "mmdebstrap",
        "--mode=root",
        "--variant=apt",
        "--format=directory",
        f"--include={','.join(PACKAGES)}",
        '--aptopt=APT::Install-Recommends "false"',
        "--aptopt=Acquire::Retries 1",
        "--dpkgopt=force-unsafe-io",
        # a file of ours that a package brings, too, stays as it is
        "--dpkgopt=force-confold",
        *options,
        f'--essential-hook=cp -r {FILES}/tree/. "$1"',
        f'--customize-hook={FILES}/finish "$1"',
        RELEASE,
        str(tree),
        *sources,
    ]


def _build(folder: Path) -> None:
    tree, raw, loaders = folder / "tree", folder / "debian.raw", folder / "loaders"
    command = bootstrap_command(tree, machine_sources())
    run_tool(command, environment=efi.RESOLVER, timeout_s=_BOOTSTRAP_TIMEOUT_S)
    make_disk(tree, FILES / "boot.cfg", raw)
    loaders.mkdir()
    unpacked = efi.unpack_packages([*efi.PACKAGES], loaders)
    efi.add_boot_loaders(raw, ESP.start_bytes, unpacked, FILES / "boot.cfg")
    run_tool(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", str(raw), str(folder / IMAGE_NAME)])


def ensure_debian_image(cache: Path) -> Path:
    """The path of the image below `cache`; builds it when there is none of these sources yet.

    Takes about 2 min the first time. Packages are those of the day it was built: remove the folder to have
    newer ones. Two callers at once build it once. Raises PermanentError `GuestImageFailed`.
    """
    folder = cache / "debian-image" / source_key()
    image = folder / IMAGE_NAME
    if image.exists():
        return image
    if os.geteuid() != 0:
        raise PermanentError("GuestImageFailed", "The Debian image is built by root only.", "run it as root")
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not image.exists():
            with tempfile.TemporaryDirectory(dir=folder) as scratch:
                # apt downloads as a user of its own
                Path(scratch).chmod(0o755)
                _build(Path(scratch))
                shutil.move(Path(scratch) / IMAGE_NAME, image)
    return image
