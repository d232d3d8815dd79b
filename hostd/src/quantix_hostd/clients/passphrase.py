"""Hands passphrases to programs by a file in memory, never by an argument or a file of the disk."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

# QEMU's words (crypto/block-luks.c), of its tools and where a guest is started
WRONG_PASSPHRASE = "Invalid password, cannot unlock any keyslot"


@contextmanager
def in_memory(passphrases: Mapping[str, str]) -> Iterator[dict[str, int]]:
    """Descriptors of files in memory that hold them, by name, to be passed on."""
    descriptors: dict[str, int] = {}
    try:
        for name, passphrase in passphrases.items():
            descriptors[name] = os.memfd_create(name)
            os.write(descriptors[name], passphrase.encode())
            os.lseek(descriptors[name], 0, os.SEEK_SET)
        yield descriptors
    finally:
        for descriptor in descriptors.values():
            os.close(descriptor)
