"""What is the platform's own, and that nobody's image is fetched there."""

from __future__ import annotations

import ipaddress
import socket
from typing import cast

import pytest
from aiohttp.abc import ResolveResult

from quantix_api.errors import TransientError
from quantix_api.platform_addresses import addresses_of_hosts, handed_on
from quantix_api.resources import CLUSTER_CONFIG_MAP, NAMESPACE_SYSTEM, PLATFORM_CONFIG_MAP
from quantix_client.api import ApiClient
from quantix_client.server_names import ServerNames
from quantix_hostd.clients.http_source import HttpSource
from quantix_hostd.cluster import read_address_rules
from quantix_hostd.platform_addresses import monitors_of
from quantix_lab.fake_status_api import FakeStatusApi

_HOST = {
    "metadata": {"name": "h2", "uid": "uid-h2"},
    "status": {
        "addresses": {"api": "10.1.0.2:9443", "tunnel": "10.2.0.2", "migration": "fd00::2"},
        "storageAddresses": ["10.3.0.2", "fd03::2"],
        "hostLeg": {"addresses": ["100.64.0.2/16", "fd64::2/64"]},
    },
}
_POOL = {
    "metadata": {"name": "ceph", "uid": "uid-ceph"},
    "spec": {"rbd": {"pool": "vms", "monitors": ["10.4.0.1", "10.4.0.2:6789", "[fd04::3]:3300", "mon:6789"]}},
}
_DIR = {"metadata": {"name": "local", "uid": "uid-local"}, "spec": {"dir": {"path": "/srv"}}}


def test_all_addresses_of_hosts_and_monitors_are_the_platforms() -> None:
    hosts = ("10.1.0.2", "10.2.0.2", "fd00::2", "10.3.0.2", "fd03::2", "100.64.0.2", "fd64::2")
    assert addresses_of_hosts([_HOST, {"metadata": {"name": "h3"}}]) == frozenset(hosts)
    assert monitors_of([_POOL, _DIR]) == frozenset({"10.4.0.1", "10.4.0.2", "fd04::3", "mon"})


def _api() -> ApiClient:
    api = FakeStatusApi()
    metadata = {"name": CLUSTER_CONFIG_MAP, "namespace": NAMESPACE_SYSTEM, "uid": "uid-map"}
    told = {**metadata, "name": PLATFORM_CONFIG_MAP, "uid": "uid-platform"}
    platform = {"metadata": told, "data": handed_on(addresses_of_hosts([_HOST]))}
    for manifest in ({"metadata": metadata, "data": {}}, platform, _POOL, _DIR):
        api.put(manifest)
    return cast(ApiClient, api)


class _Names(ServerNames):
    """Knows one name."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        if host != "mon":
            raise OSError(host)
        about = {"hostname": host, "host": "127.77.0.1", "port": port, "family": family}
        return [cast(ResolveResult, {**about, "proto": 0, "flags": 0})]


@pytest.mark.parametrize("server", ["10.1.0.2:9443", "[::ffff:10.4.0.2]:6789", "127.77.0.1"])
async def test_no_image_comes_from_them(server: str) -> None:
    """What is said of a connection would tell which ports are open there."""
    api = _api()
    with pytest.raises(TransientError) as raised:
        async with HttpSource(lambda: read_address_rules(api, _Names())).open(f"http://{server}/disk"):
            pass
    assert raised.value.reason == "AddressRefused"


async def test_a_monitor_by_name_is_refused_by_what_it_leads_to() -> None:
    rules = await read_address_rules(_api(), _Names())
    assert ipaddress.ip_address("127.77.0.1") in rules.platform
    assert rules.allowed == ()
