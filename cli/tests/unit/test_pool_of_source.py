"""A volume made from another one, or a snapshot, goes where that is; a way out is one that is there."""

from __future__ import annotations

from typing import Any

import pytest

from quantix_api.resources import STORAGE_POOLS, VIRTUAL_MACHINE_SNAPSHOTS, VOLUMES, Resource
from quantix_cli.commands.floating_ips import _way_out
from quantix_cli.commands.making import name_taken
from quantix_cli.nouns import NOUNS
from quantix_cli.pool_of_source import name_pool_of_source
from quantix_client.api import ListResult
from quantix_client.errors import NotFound
from quantix_lab.qx_session import qx_session

Manifest = dict[str, Any]


class Api:
    """Volume files and snapshot before, both in pool fast, in Ceph; two routers, one of which waits."""

    objects: dict[tuple[Resource, str], Manifest] = {  # noqa: RUF012 - nobody changes it
        (VOLUMES, "files"): {"status": {"pool": "fast"}},
        (VIRTUAL_MACHINE_SNAPSHOTS, "before"): {
            "metadata": {"name": "before", "creationTimestamp": "2026-11-24T12:00:00Z"},
            "status": {"disks": [{"name": "root", "pool": "fast"}]},
        },
        (STORAGE_POOLS, "fast"): {"spec": {"rbd": {"pool": "p"}}},
    }

    async def get(self, resource: Resource, name: str, _namespace: str | None = None) -> Manifest:
        if (resource, name) not in self.objects:
            raise NotFound(name)
        return self.objects[resource, name]

    async def list(self, _resource: Resource, namespace: str | None = None, **_: Any) -> ListResult:
        def router(network: str, status: str) -> Manifest:
            conditions = [{"type": "Ready", "status": status}]
            return {"spec": {"external": {"network": network}}, "status": {"conditions": conditions}}

        mine = [router("waiting", "False"), router("outside", "True")]
        return ListResult(mine if namespace == "default" else [], "1")


@pytest.mark.parametrize(
    ("spec", "pool"),
    [
        ({"source": {"volume": "files"}}, "fast"),
        ({"source": {"volume": "files"}, "pool": "local"}, "local"),
        ({"source": {"snapshot": {"name": "before", "disk": "root"}}}, "fast"),
        ({"source": {"snapshot": {"name": "before", "disk": "data"}}}, None),
        ({"source": {"volume": "files"}, "encryption": {"secretRef": {"name": "key"}}}, None),
        ({"source": {"volume": "unknown"}}, None),
        ({"source": {"image": "tiny"}}, None),
        ({"size": "1Gi"}, None),
    ],
)
async def test_what_is_made_from_another_goes_into_its_pool_unless_told_otherwise(
    spec: Manifest, pool: str | None
) -> None:
    manifest = {"metadata": {"name": "copy", "namespace": "default"}, "spec": dict(spec)}
    await name_pool_of_source(qx_session(Api()), manifest)
    assert manifest["spec"].get("pool") == pool


async def test_a_router_that_waits_is_no_way_out_beside_one_that_does_not() -> None:
    assert await _way_out(qx_session(Api())) == "outside"


async def test_the_name_of_a_snapshot_that_is_there_is_not_said_to_be_set() -> None:
    about = {"name": "before", "namespace": "default"}
    end = await name_taken(qx_session(Api()), NOUNS["snapshot"], about)
    assert end.hint == "another name, or qx snapshot delete before"
