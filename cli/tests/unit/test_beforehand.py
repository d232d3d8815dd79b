"""What hosts would refuse is refused before it is sent."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from quantix_api.resources import HOSTS, STORAGE_POOLS, VIRTUAL_MACHINES, Resource
from quantix_cli.beforehand import refuse_unaddressable, refuse_unreached
from quantix_cli.commands import changing_vm, volumes
from quantix_cli.exits import CommandError, Exit
from quantix_cli.naming import Name
from quantix_cli.vm.changes import Wanted, patch_of
from quantix_client.api import ListResult
from quantix_client.errors import Forbidden
from quantix_lab.qx_session import qx_session

Manifest = dict[str, Any]
MISSING = "box has no directory /srv/fast. Try: mkdir -p /srv/fast on box, or mount what belongs there."
VM: Manifest = {
    "metadata": {"name": "web-1", "namespace": "shop", "generation": 1, "resourceVersion": "7"},
    "spec": {"memory": {"size": "2Gi"}},
}
VOLUME: Manifest = {
    "metadata": {"name": "files", "namespace": "shop", "generation": 1},
    "spec": {"size": "1Gi", "pool": "local"},
    "status": {"pool": "local", "host": "box", "data": "Present"},
}


def pool(status: str, hosts: int) -> Manifest:
    ready = {"type": "Ready", "status": status, "reason": "DirectoryMissing", "message": MISSING}
    return {"metadata": {"name": "fast"}, "status": {"hosts": hosts, "conditions": [ready]}}


def host(name: str = "box", *, state: str = "Reachable", bits: int | None = 46, kvm: bool = True) -> Manifest:
    works = {"type": "KVMAvailable", "status": "True" if kvm else "False", "reason": "Works"}
    pools = [{"name": "fast", "state": state, "message": MISSING}]
    status = {"pools": pools, "conditions": [works], "cpuAddressBits": bits}
    return {"metadata": {"name": name}, "status": status}


class Api:
    """Has one pool and these hosts; `written` counts what came to it."""

    def __init__(
        self, *hosts: Manifest, pool: Manifest | None = None, forbids: tuple[Resource, ...] = ()
    ) -> None:
        self.hosts, self.pool, self.forbids, self.written = hosts, pool, forbids, 0

    async def get(self, resource: Resource, name: str, namespace: str | None = None) -> Manifest:
        if resource in self.forbids:
            raise Forbidden("may not look")
        if resource is STORAGE_POOLS:
            assert self.pool is not None
            return self.pool
        return self.hosts[0] if resource is HOSTS else VM if resource is VIRTUAL_MACHINES else VOLUME

    async def list(self, resource: Resource, namespace: str | None = None, **_: Any) -> ListResult:
        if resource in self.forbids:
            raise Forbidden("may not look")
        return ListResult(list(self.hosts), "1")

    async def patch(self, *_: Any, **__: Any) -> Manifest:
        self.written += 1
        return VM


session = partial(qx_session, namespace="shop")


@pytest.mark.parametrize(
    "api",
    [Api(host(), pool=pool("False", 0)), Api(host(state="Unreachable"), pool=pool("True", 1))],
    ids=["by no host", "not by its host"],
)
async def test_a_volume_does_not_go_where_its_host_reaches_nothing(api: Api) -> None:
    with pytest.raises(CommandError) as refused:
        await volumes._move(session(api), Name("files"), "fast", wait=True)
    assert (refused.value.exit_code, api.written) == (Exit.REFUSED, 0)
    assert str(refused.value) == "Nothing can go to pool fast: box has no directory /srv/fast."
    assert refused.value.hint.startswith("mkdir -p /srv/fast on box")


@pytest.mark.parametrize(
    "api",
    [
        Api(host(), pool=pool("True", 1)),
        Api(host(), pool=pool("Unknown", 0)),
        Api(host(state="Unreachable"), pool=pool("True", 1), forbids=(HOSTS,)),
        Api(host(), pool=pool("False", 0), forbids=(STORAGE_POOLS,)),
    ],
    ids=["reached", "not looked at yet", "hosts are not shown", "pools are not shown"],
)
async def test_what_is_not_known_is_left_to_the_operator(api: Api) -> None:
    await refuse_unreached(session(api), "fast", "box")


@pytest.mark.parametrize("wanted", [Wanted(max_memory="2Ti"), Wanted(memory="2Ti")])
async def test_memory_that_no_host_addresses_is_not_written(wanted: Wanted) -> None:
    api = Api(host(), host("desk", bits=39))
    with pytest.raises(CommandError) as refused:
        await changing_vm._change(session(api), VM, lambda live: patch_of(live, wanted), False)
    assert (refused.value.exit_code, api.written) == (Exit.REFUSED, 0)
    assert str(refused.value) == (
        "No host can give a guest addresses for 2 TiB of memory, to which it is to grow: box 960 GiB, "
        "desk 448 GiB (NotEnoughMemory)."
    )
    assert refused.value.hint == "qx vm set web-1 --max-memory SIZE, with less"


@pytest.mark.parametrize(
    ("api", "spec"),
    [
        (Api(host()), {"memory": {"maxSize": "960Gi"}}),
        (Api(host()), {"memory": {"maxSize": "2Ti"}, "cpu": {"model": "HostPassthrough"}}),
        (Api(host(), forbids=(HOSTS,)), {"memory": {"maxSize": "2Ti"}}),
        (Api(), {"memory": {"maxSize": "2Ti"}}),
        (Api(host(), forbids=(HOSTS,)), {"cpu": {"cores": 4}}),
    ],
)
async def test_other_memory_is_sent(api: Api, spec: Manifest) -> None:
    await refuse_unaddressable(session(api), "web-1", spec, VM["spec"])


async def test_the_cpu_of_the_host_is_none_where_kvm_does_not_work() -> None:
    spec = {"memory": {"maxSize": "2Ti"}, "cpu": {"model": "HostPassthrough"}}
    with pytest.raises(CommandError, match="box 960 GiB"):
        await refuse_unaddressable(session(Api(host(kvm=False))), "web-1", spec)
