"""What hosts would refuse is refused before it is sent."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from quantix_api import StoragePool, seniority
from quantix_api.resources import HOSTS, STORAGE_POOLS, VIRTUAL_MACHINES, Resource
from quantix_cli.beforehand import refuse_oversized, refuse_unaddressable
from quantix_cli.commands import changing_vm
from quantix_cli.destinations import default_pool, refuse_unreached
from quantix_cli.exits import CommandError, Exit
from quantix_cli.vm.changes import Wanted
from quantix_cli.vm.devices import Device, attached
from quantix_client.api import ListResult
from quantix_client.errors import Forbidden
from quantix_lab.qx_session import qx_session, typed

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
        await typed(session(api), "volume move files --pool fast")
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


CEILINGS = "more than a guest on any host can have: box 960 GiB, desk 448 GiB (NotEnoughMemory)."


@pytest.mark.parametrize(
    ("wanted", "said", "options"),
    [
        (Wanted(max_memory="2Ti"), "It may grow to 2 TiB of memory,", "--max-memory SIZE"),
        (Wanted(memory="2Ti"), "web-1 can have no 2 TiB of memory, which is", "--memory SIZE"),
        (
            Wanted(memory="2Ti", max_memory="2Ti"),
            "web-1 can have no 2 TiB of memory, which is",
            "--memory SIZE --max-memory SIZE",
        ),
    ],
)
@pytest.mark.parametrize("most", [None, "4Gi"], ids=["no ceiling", "above its own ceiling"])
async def test_memory_that_no_host_addresses_is_not_written(
    wanted: Wanted, said: str, options: str, most: str | None
) -> None:
    api = Api(host(), host("desk", bits=39))
    memory = {"size": "2Gi"} | ({"maxSize": most} if most else {})
    vm = VM | {"spec": VM["spec"] | {"memory": memory}}
    with pytest.raises(CommandError) as refused:
        await changing_vm._set(session(api), vm, wanted, False)
    assert (refused.value.exit_code, api.written) == (Exit.REFUSED, 0)
    assert str(refused.value) == f"{said} {CEILINGS}"
    assert refused.value.hint == f"qx vm set web-1 {options}, with less"


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


def storage(name: str, capacity: str, *, default: bool = False, since: str = "2026-11-01") -> Manifest:
    metadata = {"name": name, "creationTimestamp": since}
    spec = {"overcommitPercent": 200} | ({"default": True} if default else {})
    return {"metadata": metadata, "spec": spec, "status": {"capacity": capacity} if capacity else {}}


class Pools(Api):
    """Has these pools; nothing else is asked about."""

    def __init__(self, *pools: Manifest, forbids: tuple[Resource, ...] = ()) -> None:
        super().__init__(forbids=forbids)
        self.pools = pools

    async def get(self, resource: Resource, name: str, namespace: str | None = None) -> Manifest:
        return VM if resource is VIRTUAL_MACHINES else {"metadata": {"name": name}, "spec": {}}

    async def create(self, resource: Resource, manifest: Manifest, **_: Any) -> Manifest:
        return manifest

    async def list(self, resource: Resource, namespace: str | None = None, **_: Any) -> ListResult:
        if resource in self.forbids:
            raise Forbidden("may not look")
        return ListResult(list(self.pools) if resource is STORAGE_POOLS else [], "1")


LOCAL, FAST = storage("local", "250Gi", default=True), storage("fast", "1Ti")
YOUNGER = storage("young", "10Ti", default=True, since="2026-11-02")
CREATE = "vm create web-1 --iso cd --cpu 1 --memory 1GiB --network none --no-wait"


@pytest.mark.parametrize(
    ("disks", "said"),
    [
        ([{"size": "100Ti"}], "Pool local can promise 500 GiB in all; 100 TiB are wanted (PoolFull)."),
        (
            [{"size": "3Ti", "pool": "fast"}],
            "Pool fast can promise 2 TiB in all; 3 TiB are wanted (PoolFull).",
        ),
        (
            [{"size": "300Gi"}, {"size": "300Gi"}, {"image": "x"}],
            "Pool local can promise 500 GiB in all; 600",
        ),
    ],
    ids=["in the default pool", "in a pool by name", "together"],
)
async def test_what_no_pool_can_hold_is_refused(disks: list[Manifest], said: str) -> None:
    with pytest.raises(CommandError) as refused:
        await refuse_oversized(session(Pools(YOUNGER, LOCAL, FAST)), disks)
    assert refused.value.exit_code == Exit.REFUSED
    assert str(refused.value).startswith(said)
    assert refused.value.hint == "less, or another pool; qx pool list -o wide shows what each can promise"


def test_the_default_pool_is_the_one_that_the_operator_means() -> None:
    since = "2026-11-01T10:00:00Z"
    pools = [storage(name, "1Ti", default=name != "old", since=since) for name in ("b", "a", "old")]
    for pool in pools:
        pool["metadata"]["uid"] = f"uid-{pool['metadata']['name']}"
        pool["spec"]["dir"] = {"path": "/srv/x"}
    meant = seniority.default_pool(StoragePool.model_validate(pool) for pool in pools)
    assert meant is not None
    assert default_pool(pools)["metadata"]["name"] == meant.metadata.name == "a"
    assert default_pool(pools[2:]) == {}


@pytest.mark.parametrize(
    ("api", "disks"),
    [
        (Pools(LOCAL), [{"size": "500Gi"}]),
        (Pools(LOCAL, FAST), [{"size": "300Gi"}, {"size": "300Gi", "pool": "fast"}]),
        (Pools(FAST), [{"size": "100Ti"}]),
        (Pools(storage("local", "", default=True)), [{"size": "100Ti"}]),
        (Pools(LOCAL), [{"size": "100Ti", "pool": "other"}]),
        (Pools(LOCAL, forbids=(STORAGE_POOLS,)), [{"size": "100Ti"}]),
        (Pools(LOCAL), [{"image": "x"}]),
    ],
    ids=[
        "all that it can promise", "each in its own pool", "no default pool", "nobody told its capacity",
        "no such pool", "pools are not shown", "as large as its image",
    ],
)  # fmt: skip
async def test_a_size_that_may_find_room_is_left_to_the_operator(api: Pools, disks: list[Manifest]) -> None:
    await refuse_oversized(session(api), disks)


async def test_such_a_disk_is_not_sent_by_any_command() -> None:
    api = Pools(LOCAL)
    too_large = pytest.raises(CommandError, match="100 TiB are wanted")
    with too_large:
        await typed(session(api), f"{CREATE} --disk 100TiB")
    with too_large:
        await changing_vm.write_vm(session(api), VM, lambda live: attached(live, Device(size="100Ti")))
    with too_large:
        await typed(session(api), "volume create files --size 100TiB --no-wait")
    with pytest.raises(CommandError, match="600 GiB are wanted"):
        await typed(session(api), f"{CREATE} --count 30")
    assert api.written == 0


@pytest.mark.parametrize(
    ("disk", "told"),
    [
        (
            "40GiB",
            "Pool local has 30 GiB free, of 40 GiB that the disk may take: when it is full, "
            "VMs that write to it are paused.",
        ),
        (
            "40GiB,pool=fast",
            "Pool fast has 10 GiB free, of 40 GiB that the disk may take: when it is full, "
            "VMs that write to it stand still with their next write.",
        ),
        ("30GiB", ""),
    ],
)
async def test_a_new_disk_that_is_larger_than_what_is_free_is_told(
    disk: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    local, fast = (storage(name, "250Gi", default=name == "local") for name in ("local", "fast"))
    local["status"]["available"], fast["status"]["available"] = "30Gi", "10Gi"
    fast["spec"]["rbd"] = {"pool": "vms"}
    await typed(session(Pools(local, fast)), f"vm attach web-1 --disk {disk} --no-wait")
    said = capsys.readouterr().err
    assert told in said
    assert ("free, of" in said) is bool(told)


@pytest.mark.parametrize(
    ("disks", "told"),
    [
        (
            "--disk 40GiB",
            ["Pool local has 30 GiB free, of 40 GiB that the disk may take: when it is "],
        ),
        ("--disk 20GiB --count 2", ["Pool local has 30 GiB free, of 40 GiB that the 2 disks may take"]),
        (
            "--disk 40GiB --disk 11GiB,pool=fast",
            ["Pool local has 30 GiB free", "Pool fast has 10 GiB free"],
        ),
        ("--disk 30GiB --disk 10GiB,pool=fast", []),
    ],
    ids=["one", "of several VMs", "in two pools", "there is room"],
)
async def test_a_new_vm_whose_disks_are_larger_than_what_is_free_is_told(
    disks: str, told: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    local, fast = (storage(name, "250Gi", default=name == "local") for name in ("local", "fast"))
    local["status"]["available"], fast["status"]["available"] = "30Gi", "10Gi"
    api = Pools(local, fast)
    await typed(session(api), f"{CREATE.replace('--iso cd', '--image shared/tiny')} {disks}")
    said = [line for line in capsys.readouterr().err.splitlines() if "free, of" in line]
    assert len(said) == len(told)
    assert all(line.startswith(begins) for line, begins in zip(said, told, strict=True))


async def test_disks_that_a_vm_has_are_not_counted_against_a_new_one() -> None:
    api = Pools(LOCAL)
    had = {**VM, "spec": {"disks": [{"name": "root", "size": "400Gi"}]}}
    await changing_vm.write_vm(session(api), had, lambda live: attached(live, Device(size="400Gi")))
    assert api.written == 1
