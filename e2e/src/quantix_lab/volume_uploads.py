"""What takes files for the Volumes of a host, for tests of the volume controller."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

from quantix_client.api import ApiClient
from quantix_hostd.clients.qemu_img import QemuImg
from quantix_hostd.pools import HostPools
from quantix_hostd.transfer.receiving import Receiving
from quantix_hostd.transfer.room import Room
from quantix_hostd.transfer.upload_slots import UploadSlots
from quantix_hostd.volume.uploads import UploadTools, VolumeUploads
from quantix_lab.fake_status_api import FakeStatusApi
from quantix_lab.open_sandbox import OpenSandbox

Manifests = Mapping[str, dict[str, Any]]


def _to_nobody(_: str) -> None: ...


def volume_uploads(
    volumes: Manifests,
    pools: HostPools,
    host: str,
    *,
    api: FakeStatusApi | None = None,
    namespaces: Manifests | None = None,
    qemu_img: QemuImg | None = None,
    look_again: Callable[[str], None] = _to_nobody,
) -> VolumeUploads:
    """As hostd has it; `volumes` and `namespaces` are caches, `api` has no volume if none is given."""
    namespaces = {} if namespaces is None else namespaces
    receiving = Receiving("volume", qemu_img or QemuImg(OpenSandbox()), Room(), look_again)
    known = cast(ApiClient, api or FakeStatusApi()), volumes, namespaces
    return VolumeUploads(UploadTools(*known, pools, receiving, UploadSlots(host), host), look_again)
