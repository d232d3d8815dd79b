"""Where in Ceph a disk is, as a domain says it: a part of `spec`."""

from __future__ import annotations

from dataclasses import dataclass

_CEPH_SECRET = "quantix/"


@dataclass(frozen=True)
class CephSource:
    """Where in Ceph a disk is: RBD image `image` (`POOL/NAME`), as `user`, whose
    key libvirt knows as that of the StoragePool `pool`. `monitors`: host and port of each.
    """

    pool: str
    image: str
    monitors: tuple[tuple[str, str], ...]
    user: str


def ceph_secret(pool: str) -> str:
    """By which libvirt knows the key of a StoragePool's user."""
    return f"{_CEPH_SECRET}{pool}"


def ceph_secret_pool(usage: str) -> str:
    """The StoragePool of such a secret, "" for one of somebody else."""
    return usage.removeprefix(_CEPH_SECRET) if usage.startswith(_CEPH_SECRET) else ""
