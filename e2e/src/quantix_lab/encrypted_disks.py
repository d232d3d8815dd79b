"""Disks that say that they are encrypted, without what LUKS costs: for tests of what happens to them."""

from __future__ import annotations

from quantix_api.errors import TransientError
from quantix_api.messages import as_error
from quantix_hostd.clients.qemu_img import Disk, QemuImg
from quantix_lab.open_sandbox import OpenSandbox

KEY = "correct horse"
"""The passphrase that opens them."""
_CRYPT_AT = 32


class EncryptedDisks(QemuImg):
    """`made` lists the passphrases of those that were made."""

    def __init__(self) -> None:
        super().__init__(OpenSandbox())
        self.made: list[str] = []

    async def create(self, disk: Disk, size_bytes: int) -> None:
        self.made.append(disk.passphrase)
        await super().create(Disk(disk.root, disk.path), size_bytes)
        encrypt(disk)

    async def try_passphrase(self, disk: Disk) -> None:
        if disk.passphrase != KEY:
            raise as_error(TransientError, "PassphraseWrong", said="it does not fit")


def encrypt(disk: Disk) -> None:
    """Have the header of a qcow2 say LUKS (docs/interop/qcow2.txt, crypt_method)."""
    with disk.path.open("r+b") as file:
        file.seek(_CRYPT_AT)
        file.write((2).to_bytes(4, "big"))
