"""What each process of a real cluster serves, checked by promtool, and who may read it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
import subprocess
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from quantix_api.errors import TransientError
from quantix_api.metric import Source
from quantix_api.metrics import metrics_of
from quantix_hostd.clients.libvirt import LibvirtClient
from quantix_hostd.domainxml.render import render_domain
from quantix_hostd.domainxml.spec import DomainSpec
from quantix_hostd.virtualmachine.directories import VmDirectories
from quantix_lab import promtool
from quantix_lab.checkout import CHECKOUT
from quantix_lab.domain_samples import fresh, samples
from quantix_lab.host_cluster import HostCluster
from quantix_lab.waiting import eventually_async

_MONITORING = CHECKOUT / "monitoring"


@pytest.fixture(scope="module", autouse=True)
def account(cluster: HostCluster) -> None:
    """The one that may collect metrics, from a host that serves them."""
    cluster.kubectl("apply", "--server-side", "-f", str(_MONITORING / "account.yaml"))
    cluster.eventually(lambda: "API served" in cluster.log("hostd"))


@pytest.fixture
async def guest(cluster: HostCluster) -> AsyncIterator[DomainSpec]:
    """A guest with a disk on that host, of which the API knows nothing."""
    host = cluster.libvirt
    spec = fresh(samples(host.layout.root)["minimal"], host.layout.root)
    VmDirectories(host.layout, host.qemu.sockets).prepare(spec.identity.vm_uid)
    disk = Path(spec.disks[0].path)
    disk.parent.mkdir(parents=True, exist_ok=True)
    make = ["qemu-img", "create", "-q", "-f", "qcow2", str(disk), "16M"]
    await asyncio.to_thread(subprocess.run, make, check=True)
    disk.chmod(0o666)
    client = LibvirtClient(host.uri, on_event=lambda event: None)
    await client.connect()
    await client.define(render_domain(spec))
    await client.create_paused(spec.domain_name)
    with contextlib.suppress(TransientError):
        # hostd, which looks at every guest, may have been quicker
        await client.resume(spec.domain_name)
    yield spec
    await client.destroy(spec.domain_name, graceful=False)
    await client.undefine(spec.domain_name)
    await client.close()


async def of_hostd(cluster: HostCluster) -> str:
    connector = aiohttp.UnixConnector(str(cluster.layout.hostd_socket))
    async with aiohttp.ClientSession(connector=connector) as session:
        async with session.get("http://hostd/metrics") as answer:
            assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
            return await answer.text()


async def of_operator(cluster: HostCluster) -> str:
    started = next(line for line in cluster.log("operator").splitlines() if "operator started" in line)
    address = f"http://127.0.0.1:{json.loads(started)['metrics_port']}/metrics"

    def fetch() -> str:
        with urllib.request.urlopen(address, timeout=20) as answer:
            return str(answer.read(), "utf-8")

    # its server closes after each answer, which leaves aiohttp's transport to the end of the loop
    return await asyncio.to_thread(fetch)


def names_in(text: str) -> set[str]:
    return {
        f"{family.name}_total" if family.type == "counter" else family.name
        for family in text_string_to_metric_families(text)
    }


def names_of(source: Source) -> set[str]:
    return {metric.name for metric in metrics_of(source)}


async def test_hostd_serves_what_the_table_says(cluster: HostCluster) -> None:
    text = await of_hostd(cluster)
    checked = promtool.check_metrics(text)
    assert checked.ok, checked.said
    assert names_in(text) == names_of(Source.HOSTD)


async def test_the_operator_serves_what_the_table_says_but_for_networks(cluster: HostCluster) -> None:
    text = await of_operator(cluster)
    checked = promtool.check_metrics(text)
    assert checked.ok, checked.said
    unmanaged = {name for name in names_of(Source.OPERATOR) if name.startswith("quantix_operator_northbound")}
    assert names_in(text) == names_of(Source.OPERATOR) - unmanaged


def test_the_control_plane_serves_the_api_servers_and_the_stores(cluster: HostCluster) -> None:
    text = cluster.kubectl("get", "--raw", "/metrics")
    # the names are Kubernetes' and etcd's
    assert promtool.check_metrics(text).parses
    assert names_of(Source.CONTROL_PLANE) <= names_in(text)
    assert 'etcd_disk_wal_fsync_duration_seconds_bucket{le="0.001"}' in text


async def test_a_guests_figures_are_there_under_its_uid(cluster: HostCluster, guest: DomainSpec) -> None:
    nobodys = {"namespace": "", "name": "", "uid": guest.identity.vm_uid}
    expected = {
        "quantix_vm_state": {"state": "running", "reason": ""},
        "quantix_vm_cpu_seconds_total": {},
        "quantix_vm_vcpu_seconds_total": {"vcpu": "0"},
        "quantix_vm_memory_actual_bytes": {},
        "quantix_vm_memory_resident_bytes": {},
        "quantix_vm_disk_read_bytes_total": {"device": "vda"},
        "quantix_vm_disk_flush_seconds_total": {"device": "vda"},
        "quantix_vm_disk_capacity_bytes": {"device": "vda"},
    }
    wanted = {name: {**nobodys, **labels} for name, labels in expected.items()}

    async def seen() -> bool:
        # a domain that something else is asking tells less at that moment
        families = text_string_to_metric_families(await of_hostd(cluster))
        found = {sample.name: sample.labels for family in families for sample in family.samples}
        return {name: found.get(name) for name in wanted} == wanted

    await eventually_async(str(wanted), seen, interval_s=0.5)


def test_the_account_reads_metrics_by_its_token_and_nothing_else(cluster: HostCluster) -> None:
    year = "--duration=8760h"
    token = cluster.kubectl("create", "token", "quantix-monitoring", "-n", "quantix-system", year).strip()

    def status(url: str, authority: str) -> int:
        request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"})
        trust = ssl.create_default_context(cadata=authority)
        try:
            with urllib.request.urlopen(request, context=trust, timeout=30) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as refusal:
            with refusal:
                return refusal.code

    hosts = cluster.authority_pem()
    host = f"https://{cluster.get('host', 'h1')['status']['addresses']['api']}"
    assert status(f"{host}/metrics", hosts) == 200
    assert status(f"{host}/v1/virtualmachines/default/none/log", hosts) == 403
    assert status(f"{host}/v1/virtualmachines/default/none/metrics", hosts) == 403
    plane = cluster.control_plane
    assert status(f"{plane.server}/metrics", plane.ca_pem) == 200
    assert status(f"{plane.server}/apis/quantix.io/v1alpha1/virtualmachines", plane.ca_pem) == 403


def test_the_targets_are_the_hosts_that_told_their_address(cluster: HostCluster) -> None:
    manifest = {
        "apiVersion": "quantix.io/v1alpha1",
        "kind": "Host",
        "metadata": {"name": "absent"},
        "spec": {},
    }
    cluster.kubectl("apply", "--server-side", "-f", "-", stdin=json.dumps(manifest))
    address = cluster.get("host", "h1")["status"]["addresses"]["api"]
    assert targets(cluster) == [{"targets": [address], "labels": {"host": "h1"}}]
    cluster.kubectl("delete", "host", "absent", "--wait=false")


def targets(cluster: HostCluster) -> list[dict[str, object]]:
    template = f"-o=go-template-file={_MONITORING / 'targets.gotemplate'}"
    found: list[dict[str, object]] = json.loads(cluster.kubectl("get", "hosts", template))
    return found
