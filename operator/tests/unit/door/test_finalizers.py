"""The finalizer of ours: there before any effect, gone after the last."""

from __future__ import annotations

from typing import Any, cast

import pytest

from quantix_api.resources import FINALIZER, IMAGES, Resource
from quantix_client.api import ApiClient, Manifest
from quantix_client.errors import Conflict, NotFound
from quantix_operator.cache import Cache
from quantix_operator.finalizers import Finalizers, has_finalizer

FOREIGN = "example.com/keep"


class Api:
    """Keeps one object, and refuses a patch of another version of it as the server does."""

    def __init__(self, stored: Manifest | None) -> None:
        self.stored = stored
        self.patches = 0

    async def patch(
        self, resource: Resource, name: str, patch: Manifest, namespace: str | None = None
    ) -> Manifest:
        self.patches += 1
        if self.stored is None:
            raise NotFound(f"There is no {name}")
        metadata, changed = self.stored["metadata"], patch["metadata"]
        if changed["resourceVersion"] != metadata["resourceVersion"]:
            raise Conflict("somebody was faster")
        version = str(int(metadata["resourceVersion"]) + 1)
        self.stored = {"metadata": metadata | changed | {"resourceVersion": version}}
        return self.stored


def image(*finalizers: str, **more: Any) -> Manifest:
    metadata = {"name": "debian", "namespace": "default", "uid": "u", "resourceVersion": "5"}
    return {"metadata": metadata | {"finalizers": list(finalizers)} | more}


def world(stored: Manifest | None, seen: Manifest) -> tuple[Api, Cache, Finalizers]:
    api, cache = Api(stored), Cache([IMAGES])
    cache.put(IMAGES, seen)
    return api, cache, Finalizers(cast(ApiClient, api), cache, IMAGES)


async def test_it_is_added_beside_foreign_ones_and_the_cache_knows_at_once() -> None:
    api, cache, finalizers = world(image(FOREIGN), image(FOREIGN))

    held = await finalizers.ensure(image(FOREIGN))

    assert held is not None
    assert held["metadata"]["finalizers"] == [FOREIGN, FINALIZER]
    assert cache.get(IMAGES, "default/debian") == held == api.stored


async def test_nothing_is_written_where_it_is_there_already() -> None:
    api, _, finalizers = world(image(FINALIZER), image(FINALIZER))

    assert await finalizers.ensure(image(FINALIZER)) == image(FINALIZER)
    assert api.patches == 0


async def test_one_on_its_way_out_gets_none() -> None:
    leaving = image(deletionTimestamp="2026-11-28T00:00:00Z")
    api, _, finalizers = world(leaving, leaving)

    assert await finalizers.ensure(leaving) == leaving
    assert api.patches == 0


async def test_one_that_is_gone_meanwhile_is_not_worked_on() -> None:
    _, _, finalizers = world(None, image())

    assert await finalizers.ensure(image()) is None


async def test_a_look_at_an_old_version_does_not_count() -> None:
    _, _, finalizers = world(image(resourceVersion="6"), image())

    with pytest.raises(Conflict):
        await finalizers.ensure(image())


async def test_letting_go_leaves_foreign_finalizers_and_is_done_once() -> None:
    leaving = image(FOREIGN, FINALIZER, deletionTimestamp="2026-11-28T00:00:00Z")
    api, cache, finalizers = world(leaving, leaving)

    await finalizers.release(leaving)
    seen = cache.get(IMAGES, "default/debian")
    assert seen is not None
    assert not has_finalizer(seen)
    await finalizers.release(seen)

    assert api.stored is not None
    assert api.stored["metadata"]["finalizers"] == [FOREIGN]
    assert api.patches == 1


async def test_what_our_finalizer_alone_kept_is_not_brought_back_into_the_cache() -> None:
    leaving = image(FINALIZER, deletionTimestamp="2026-11-28T00:00:00Z")
    _, cache, finalizers = world(leaving, leaving)
    cache.remove(IMAGES, leaving)

    await finalizers.release(leaving)

    assert cache.get(IMAGES, "default/debian") is None
