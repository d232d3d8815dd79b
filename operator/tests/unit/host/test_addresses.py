"""The operator hands the addresses of all hosts on in one object."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from quantix_api.platform_addresses import handed
from quantix_api.resources import CONFIG_MAPS, HOSTS, PLATFORM_CONFIG_MAP, Resource
from quantix_client.reflector import Change
from quantix_operator.cache import Cache
from quantix_operator.dispatch import OnChangeOf
from quantix_operator.host.addresses import KEY, HostAddressesController
from quantix_operator.service import WATCHED


class Api:
    """Keeps what was applied last."""

    def __init__(self) -> None:
        self.applied: dict[str, Any] = {}

    async def apply(self, resource: Resource, manifest: dict[str, Any], *, manager: str) -> None:
        assert (resource, manager) == (CONFIG_MAPS, "quantix-operator")
        self.applied = manifest


def host(name: str, version: int, **status: Any) -> dict[str, Any]:
    metadata = {"name": name, "uid": f"uid-{name}", "resourceVersion": str(version)}
    return {"metadata": metadata, "spec": {}, "status": status}


async def test_every_host_hears_of_all_of_them() -> None:
    api, cache = Api(), Cache(WATCHED)
    controller = HostAddressesController(SimpleNamespace(api=api, cache=cache))  # type: ignore[arg-type]
    cache.put(HOSTS, host("h1", 1, addresses={"api": "10.0.0.1:9443"}, storageAddresses=["10.8.0.1"]))
    cache.put(HOSTS, host("h2", 2))
    assert await controller.reconcile(KEY) is not None
    assert api.applied["metadata"]["name"] == PLATFORM_CONFIG_MAP
    assert handed(api.applied) == {"10.0.0.1", "10.8.0.1"}
    cache.put(HOSTS, host("h2", 3, addresses={"tunnel": "10.9.0.2"}))
    await controller.reconcile(KEY)
    assert handed(api.applied) == {"10.0.0.1", "10.8.0.1", "10.9.0.2"}


def test_only_another_address_is_news() -> None:
    mapper = HostAddressesController.watches[HOSTS]
    assert isinstance(mapper, OnChangeOf)
    before = host("h1", 1, addresses={"api": "10.0.0.1:9443"}, memory="16Gi")
    busy = host("h1", 2, addresses={"api": "10.0.0.1:9443"}, memory="8Gi")
    moved = host("h1", 3, addresses={"api": "10.0.0.7:9443"}, memory="8Gi")
    assert not mapper.concerns(Change("MODIFIED", "h1", busy, before))
    assert mapper.concerns(Change("MODIFIED", "h1", moved, busy))
    assert list(mapper(moved, Cache(WATCHED))) == [KEY]
