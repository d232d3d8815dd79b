"""CD-ROMs with media that another host keeps."""

from __future__ import annotations

from dataclasses import replace

from quantix_api import Image, VirtualMachine
from quantix_api.errors import QuantixError, TransientError
from quantix_api.messages import as_error, as_wait
from quantix_api.resources import IMAGES, VIRTUAL_MACHINES
from quantix_hostd.virtualmachine.media import Media, media_of
from quantix_lab.vm_world import VmWorld

_CHECKED = {"data": "Present", "format": "ISO", "virtualSize": "1Mi", "checksum": f"sha256:{'0' * 64}"}


class Bringing:
    """Brings images to the host, or says what that waits for."""

    def __init__(self, error: QuantixError | None = None) -> None:
        self.error = error
        self.asked: list[str] = []

    async def __call__(self, image: Image) -> None:
        self.asked.append(image.key)
        if self.error is not None:
            raise self.error


async def _media(world: VmWorld, home: str, bringing: Bringing) -> Media:
    world.put(IMAGES, "setup", "default", spec={}, status={**_CHECKED, "host": home})
    vm = world.add_vm("web-1", cdroms=[{"name": "cd", "image": "setup"}])
    manifest = world.stores[VIRTUAL_MACHINES][vm.key]
    tools = replace(world.tools, bring_image=bringing)
    return await media_of(VirtualMachine.parse(manifest), tools)


async def test_the_hosts_own_images_are_asked_of_nobody(world: VmWorld) -> None:
    bringing = Bringing()
    media = await _media(world, "h1", bringing)
    assert (list(media.files), media.waits, bringing.asked) == (["cd"], {}, [])


async def test_a_medium_that_another_host_keeps_is_brought_here(world: VmWorld) -> None:
    bringing = Bringing()
    media = await _media(world, "h2", bringing)
    assert (list(media.files), media.waits, bringing.asked) == (["cd"], {}, ["default/setup"])


async def test_a_start_waits_in_the_words_of_the_copy(world: VmWorld) -> None:
    wait = as_wait("ImageDownloading", 1.0, image="setup", sender="host h2")
    media = await _media(world, "h2", Bringing(wait))
    assert (media.files, media.waits) == ({}, {"cd": wait})


async def test_a_pool_that_does_not_answer_takes_no_medium_from_a_guest(world: VmWorld) -> None:
    about = {"host": "h1", "pool": "local", "hangs": "/p", "said": "no answer"}
    media = await _media(world, "h2", Bringing(as_error(TransientError, "PoolUnreachable", **about)))
    assert (list(media.files), media.waits) == (["cd"], {})
