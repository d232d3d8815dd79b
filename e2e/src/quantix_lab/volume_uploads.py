"""What takes files for the Volumes of a host, for tests of the volume controller."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from quantix_hostd.clients.qemu_img import QemuImg
from quantix_hostd.image.receiving import Receiving
from quantix_hostd.pools import HostPools
from quantix_hostd.transfer.places import Places
from quantix_hostd.transfer.room import Room
from quantix_hostd.volume.uploads import UploadTools, VolumeUploads
from quantix_lab.open_sandbox import OpenSandbox

Manifests = Mapping[str, dict[str, Any]]


def _to_nobody(_: str) -> None: ...


def volume_uploads(
    volumes: Manifests,
    pools: HostPools,
    host: str,
    *,
    namespaces: Manifests | None = None,
    qemu_img: QemuImg | None = None,
    look_again: Callable[[str], None] = _to_nobody,
) -> VolumeUploads:
    """As hostd has it; `volumes` and `namespaces` are caches."""
    namespaces = {} if namespaces is None else namespaces
    receiving = Receiving("volume", qemu_img or QemuImg(OpenSandbox()), Room(), look_again)
    return VolumeUploads(UploadTools(volumes, namespaces, pools, receiving, Places(host), host), look_again)
