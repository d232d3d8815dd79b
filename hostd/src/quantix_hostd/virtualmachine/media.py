"""The media in a VM's CD-ROMs: read straight from the files of images, which this host has, or gets.

Called by `observe`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from quantix_api import VirtualMachine
from quantix_api.errors import QuantixError, WaitingError
from quantix_api.messages import as_error
from quantix_hostd.image.status import known_facts, wait_for_image
from quantix_hostd.virtualmachine.tools import VmTools

_IMAGE_SOON_S = 2.0


@dataclass(frozen=True)
class Media:
    """By CD-ROM: the file of its medium, None for no medium; or why the medium is not there yet."""

    files: Mapping[str, str | None]
    waits: Mapping[str, QuantixError]


async def media_of(vm: VirtualMachine, tools: VmTools) -> Media:
    files: dict[str, str | None] = {}
    waits: dict[str, QuantixError] = {}
    for cdrom in vm.spec.cdroms:
        try:
            files[cdrom.name] = await _medium(vm, cdrom.name, cdrom.image, tools) if cdrom.image else None
        except QuantixError as wait:
            waits[cdrom.name] = wait
    return Media(files, waits)


async def _medium(vm: VirtualMachine, cdrom: str, name: str, tools: VmTools) -> str:
    image = tools.objects.image(vm.metadata.namespace or "", name)
    if image is None:
        raise as_error(WaitingError, "ImageNotFound", image=name, path=f"CD-ROM {cdrom}")
    pool = tools.objects.pool(image.spec.pool or "")
    directory = pool.spec.dir if pool else None
    at_home = image.status.host == tools.facts().name
    # data is there from the first byte on, the facts after every check
    if known_facts(image) is None or directory is None or (at_home and image.status.data != "Present"):
        raise wait_for_image(image, _IMAGE_SOON_S)
    if not at_home:
        try:
            await tools.bring_image(image)
        except QuantixError as error:
            # a guest may have it open, which a pool that does not answer changes nothing about
            if error.reason != "PoolUnreachable":
                raise
    return str(Path(directory.path) / "images" / image.metadata.uid)
