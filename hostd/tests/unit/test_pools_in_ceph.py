"""How a host comes to know a pool in Ceph: by its StoragePool and the Secret that this names."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest

from quantix_api import StoragePool
from quantix_api.errors import QuantixError, TransientError, WaitingError
from quantix_api.layout import Layout
from quantix_client.errors import Forbidden
from quantix_hostd.ceph_pools import CephPools
from quantix_hostd.claims import CephPool, VolumePlace, place_recorded, place_shown, pools_in_ceph
from quantix_hostd.clients.ceph import CephClients
from quantix_hostd.clients.ceph_connection import CephAccess
from quantix_hostd.clients.files import FileOwner
from quantix_hostd.clients.pool_dir import PoolPlaceError
from quantix_hostd.clients.qemu_rbd import monitor_addresses
from quantix_hostd.pools import HostPools
from quantix_hostd.secret_values import SecretValues
from quantix_hostd.virtualmachine.observe_volumes import source_in_ceph
from quantix_lab.fake_status_api import FakeStatusApi

FAST = CephPool("fast")
PLACE: dict[str, Any] = {
    "monitors": ["10.1.0.1", "10.1.0.2:3300"],
    "pool": "quantix",
    "user": "hosts",
    "secretRef": {"name": "ceph"},
}


class CountedApi(FakeStatusApi):
    """Counts what is read, and may refuse it."""

    def __init__(self) -> None:
        super().__init__()
        self.reads = 0
        self.refusal: Exception | None = None

    async def get(self, resource: Any, name: str, namespace: str | None = None) -> dict[str, Any]:
        self.reads += 1
        if self.refusal is not None:
            raise self.refusal
        return await super().get(resource, name, namespace)


class Host:
    def __init__(self) -> None:
        self.api = CountedApi()
        self.clients = CephClients("h1")
        self.pools = CephPools(self.clients, SecretValues(self.api), lambda: "cluster-1")

    def put_key(self, key: str, member: str = "key", *, own: bool = False) -> None:
        """Of all hosts, or `own` of this one."""
        name, namespace = ("h1", "quantix-hosts") if own else ("ceph", "quantix-system")
        about = {"name": name, "namespace": namespace, "uid": f"uid-{name}"}
        self.api.put({"metadata": about, "data": {member: base64.b64encode(key.encode()).decode()}})


def pool(**place: Any) -> StoragePool:
    rbd = {name: value for name, value in {**PLACE, **place}.items() if value is not None}
    return StoragePool.parse({"metadata": {"name": "fast"}, "spec": {"rbd": rbd}})


@pytest.fixture
def host() -> Host:
    return Host()


async def test_a_pool_is_used_as_its_storage_pool_says_with_the_key_of_its_secret(host: Host) -> None:
    host.put_key("AQB==\n")

    await host.pools.learn(pool())

    known = host.clients.access(FAST)
    assert known == CephAccess(("10.1.0.1", "10.1.0.2:3300"), "quantix", "hosts", "AQB==", "ceph")
    assert "AQB" not in repr(known)


async def test_without_a_secret_for_all_a_host_comes_as_its_own_user(host: Host) -> None:
    host.put_key("AQC==", "fast", own=True)

    await host.pools.learn(pool(secretRef=None))

    known = host.clients.known_access(FAST)
    assert (known.user, known.key, known.secret) == ("hosts.h1", "AQC==", "h1")
    source = source_in_ceph(pool(secretRef=None), "handle", "h1")
    assert source is not None
    assert source.user == "hosts.h1"


async def test_the_secret_is_read_again_only_for_another_place_or_once_its_key_was_refused(
    host: Host,
) -> None:
    host.put_key("one")
    await host.pools.learn(pool())
    await host.pools.learn(pool())
    assert host.api.reads == 1

    await host.pools.learn(pool(monitors=["10.1.0.9"]))
    assert host.api.reads == 2

    host.put_key("two")
    host.pools.refused.add("fast")
    await host.pools.learn(pool(monitors=["10.1.0.9"]))
    assert host.clients.known_access(FAST).key == "two"


@pytest.mark.parametrize(
    ("named", "key", "reason", "says"),
    [
        (None, "fast", "SecretNotFound", "There is no Secret h1 in quantix-hosts with the key of pool fast."),
        (
            {"name": "other"},
            "key",
            "SecretNotFound",
            "There is no Secret other in quantix-system with the key of pool fast.",
        ),
        (
            {"name": "ceph"},
            "userKey",
            "SecretNotFound",
            "Secret ceph in quantix-system has no key, which is to be the key of pool fast.",
        ),
    ],
)
async def test_what_is_missing_of_the_secret_is_told(
    host: Host, named: dict[str, str] | None, key: str, reason: str, says: str
) -> None:
    host.put_key("one", key)
    with pytest.raises(QuantixError) as missing:
        await host.pools.learn(pool(secretRef=named))
    assert (missing.value.reason, missing.value.message) == (reason, says)


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ({"namespace": "tenants"}, "spec.rbd.namespace is not built yet"),
        ({"monitors": []}, "spec.rbd.monitors names none"),
    ],
)
async def test_a_pool_that_cannot_be_used_so_is_told(host: Host, place: dict[str, Any], said: str) -> None:
    host.put_key("one")
    with pytest.raises(TransientError) as refused:
        await host.pools.learn(pool(**place))
    assert refused.value.reason == "PoolUnreachable"
    assert refused.value.message == f"h1 does not reach pool fast. Said: {said}."


async def test_a_host_that_may_not_read_the_secret_yet_waits_for_it(host: Host) -> None:
    host.api.refusal = Forbidden("secrets ceph is forbidden")
    with pytest.raises(WaitingError) as waits:
        await host.pools.learn(pool())
    assert waits.value.reason == "SecretNotGranted"
    assert waits.value.message.startswith("Its host is about to be allowed to read Secret ceph")


def test_nothing_is_asked_of_a_pool_that_is_not_known(host: Host) -> None:
    with pytest.raises(TransientError) as unknown, host.clients.opened(FAST):
        pass
    assert unknown.value.message == (
        "h1 does not reach pool fast. Said: its monitors and its key are not known yet."
    )
    assert not isinstance(unknown.value, PoolPlaceError)


def test_a_host_without_ceph_reaches_no_pool_there(tmp_path: Path) -> None:
    manifest = {"metadata": {"name": "fast"}, "spec": {"rbd": PLACE}}
    pools = HostPools({"fast": manifest}, {}, "h1", Layout(tmp_path), FileOwner.current())
    assert pools.reached() == ()


@pytest.mark.parametrize(
    ("monitor", "address"),
    [
        ("10.1.0.1", ("10.1.0.1", "6789")),
        ("10.1.0.1:3300", ("10.1.0.1", "3300")),
        ("mon-a.example.org", ("mon-a.example.org", "6789")),
        ("mon-a:6789", ("mon-a", "6789")),
        ("fd00::1", ("fd00::1", "6789")),
        ("[fd00::1]", ("fd00::1", "6789")),
        ("[fd00::1]:3300", ("fd00::1", "3300")),
    ],
)
def test_a_monitor_is_named_with_or_without_its_port(monitor: str, address: tuple[str, str]) -> None:
    assert monitor_addresses([monitor]) == [address]


def test_a_place_is_known_again_by_what_is_shown_and_by_what_was_recorded() -> None:
    in_ceph, in_directory = VolumePlace(FAST, "v1"), VolumePlace(Path("/srv/pool"), "v1")
    for place in (in_ceph, in_directory):
        assert place_shown(place.shown) == place
    assert in_ceph.shown == in_ceph.shown_whole == "fast/v1"
    assert [place_shown(text) for text in ("", "v1", "a/b/c", "/srv/pool/images/v1")] == [None] * 4
    assert place_recorded({"pool": {"name": "fast"}, "handle": "v1"}) == in_ceph
    assert place_recorded({"pool": "/srv/pool", "handle": "v1"}) == in_directory
    assert place_recorded({"pool_path": "/srv/pool", "handle": "v1"}) == in_directory
    assert pools_in_ceph((in_ceph, in_directory, VolumePlace(FAST, "v2"))) == ("fast",)
    with pytest.raises(TypeError):
        _ = in_ceph.data
