"""A real guest for tests: Debian with cloud-init, seen from inside by SSH, and a package archive for it.

Used by end-to-end tests beside `Machine`. The archive is a flat one of a single package made here, since a
guest of a test reaches no mirror.
"""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

from quantix_cli.debianimage.build import LOGIN_USER
from quantix_lab.machine import Machine

PACKAGE = "qx-greeting"
GREETING = "installed by cloud-init"


def make_key(folder: Path) -> tuple[Path, str]:
    """An SSH key made in `folder`: the file of the private one, and the public one as a line."""
    private = folder / "id_ed25519"
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "test", "-f", str(private)], check=True
    )
    return private, private.with_suffix(".pub").read_text().strip()


def make_archive(folder: Path) -> None:
    """Make `folder` a flat package archive (sources.list(5)) that has the package `PACKAGE`, which prints
    `GREETING`.
    """
    tree = folder.parent / "package"
    control = f"Package: {PACKAGE}\nVersion: 1.0\nArchitecture: all\nMaintainer: Test <test@example.com>\n"
    control += "Description: says who installed it\n"
    (tree / "DEBIAN").mkdir(parents=True)
    (tree / "DEBIAN/control").write_text(control)
    program = tree / "usr/bin" / PACKAGE
    program.parent.mkdir(parents=True)
    program.write_text(f"#!/bin/sh\necho {GREETING}\n")
    program.chmod(0o755)
    folder.mkdir()
    package = folder / f"{PACKAGE}.deb"
    subprocess.run(["dpkg-deb", "--build", "--root-owner-group", str(tree), str(package)], check=True)
    content = package.read_bytes()
    place = (
        f"Filename: ./{package.name}\nSize: {len(content)}\nSHA256: {hashlib.sha256(content).hexdigest()}\n"
    )
    (folder / "Packages").write_text(f"{control}{place}\n")


class DebianGuest:
    """A guest that the machine reaches at `address`, and lets in who has the private key at `key`."""

    def __init__(self, machine: Machine, address: str, key: Path) -> None:
        self._machine = machine
        self._address = address
        self._key = key

    def run(self, command: str, *, check: bool = True, timeout_s: float = 60.0) -> str:
        """What `command` prints in the guest, run by the image's login user; "" where SSH fails unchecked."""
        options = {
            "IdentitiesOnly": "yes",
            "StrictHostKeyChecking": "no",
            "UserKnownHostsFile": "/dev/null",
            "PasswordAuthentication": "no",
            "ConnectTimeout": "20",
            "LogLevel": "ERROR",
            # one connection for all: an emulated guest spends seconds on letting somebody in
            "ControlMaster": "auto",
            "ControlPath": f"{self._key}.connection",
            "ControlPersist": "60",
        }
        flags = [flag for name, value in options.items() for flag in ("-o", f"{name}={value}")]
        place = f"{LOGIN_USER}@{self._address}"
        argv = ("ssh", "-i", str(self._key), *flags, place, command)
        return self._machine.run(*argv, check=check, timeout_s=timeout_s).stdout.strip()
