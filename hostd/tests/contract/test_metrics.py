"""What each process of a real cluster serves, checked by promtool, and who may read it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import ssl
import subprocess
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from quantix_api.errors import TransientError
from quantix_api.metric import Source
from quantix_api.metrics import metrics_of
from quantix_hostd.clients.libvirt import LibvirtClient
from quantix_hostd.domainxml.render import render_domain
from quantix_hostd.domainxml.spec import DomainSpec, DomainUuid
from quantix_hostd.virtualmachine.directories import VmDirectories
from quantix_lab import promtool
from quantix_lab.control_plane import REPOSITORY
from quantix_lab.domain_samples import samples
from quantix_lab.host_cluster import HostCluster, host_cluster
from quantix_lab.waiting import eventually_async

_MONITORING = REPOSITORY / "monitoring"


@pytest.fixture(scope="module")
def cluster() -> Iterator[HostCluster]:
    """A cluster with one host and the account that may collect metrics."""
    with host_cluster() as running:
        running.give_token("h1")
        running.start_hostd()
        running.kubectl("apply", "--server-side", "-f", str(_MONITORING / "account.yaml"))
        running.eventually(lambda: "API served" in running.log("hostd"))
        yield running


@pytest.fixture
async def guest(cluster: HostCluster) -> AsyncIterator[DomainSpec]:
    """A guest with a disk on that host, of which the API knows nothing."""
    host = cluster.libvirt
    sample = samples(host.layout.root)["minimal"]
    identity = replace(sample.identity, vm_uid=str(uuid4()), uuid=DomainUuid(str(uuid4())))
    run_dir = host.layout.vm_run(identity.vm_uid)
    log = host.layout.vm_log(identity.vm_uid) / "console.log"
    spec = replace(sample, identity=identity, run_dir=str(run_dir), console_log=str(log))
    VmDirectories(host.layout, host.qemu.sockets).prepare(identity.vm_uid)
    disk = Path(spec.disks[0].path)
    disk.parent.mkdir(parents=True, exist_ok=True)
    make = ["qemu-img", "create", "-q", "-f", "qcow2", disk, "16M"]
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
    async with aiohttp.ClientSession() as session:
        async with session.get(address) as answer:
            return await answer.text()


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
    uid = guest.identity.vm_uid
    samples_of_guest: dict[str, dict[str, str]] = {}

    async def seen() -> bool:
        families = text_string_to_metric_families(await of_hostd(cluster))
        found = [sample for family in families for sample in family.samples]
        samples_of_guest.update({s.name: s.labels for s in found if s.labels.get("uid") == uid})
        return samples_of_guest.get("quantix_vm_state", {}).get("state") == "running"

    await eventually_async("figures of the guest", seen, interval_s=0.5)
    nobodys = {"namespace": "", "name": "", "uid": uid}
    assert samples_of_guest["quantix_vm_state"] == {**nobodys, "state": "running", "reason": ""}
    assert samples_of_guest["quantix_vm_vcpu_seconds_total"] == {**nobodys, "vcpu": "0"}
    assert samples_of_guest["quantix_vm_disk_read_bytes_total"] == {**nobodys, "device": "vda"}
    expected = {
        "memory_actual_bytes",
        "memory_resident_bytes",
        "disk_capacity_bytes",
        "disk_flush_seconds_total",
    }
    assert {f"quantix_vm_{name}" for name in expected} <= samples_of_guest.keys()


async def test_a_guest_that_hangs_costs_a_scrape_its_figures_and_libvirt_nothing(
    cluster: HostCluster, guest: DomainSpec
) -> None:
    (pid,) = cluster.libvirt.qemu_pids(guest.domain_name)
    client = LibvirtClient(cluster.libvirt.uri, on_event=lambda event: None, deadline_s=1.0)
    await client.connect()
    os.kill(pid, signal.SIGSTOP)
    try:
        with pytest.raises(TransientError, match="no answer"):
            await client.stats()
        assert client.connected
        text = await of_hostd(cluster)
        assert "quantix_hostd_libvirt_up 1.0" in text
    finally:
        os.kill(pid, signal.SIGCONT)
        await client.close()

    async def seen() -> bool:
        return "quantix_hostd_vm_stats_up 1.0" in await of_hostd(cluster)

    await eventually_async("figures again", seen, interval_s=0.5)


async def test_the_account_reads_metrics_by_its_token_and_nothing_else(cluster: HostCluster) -> None:
    year = "--duration=8760h"
    token = cluster.kubectl("create", "token", "quantix-monitoring", "-n", "quantix-system", year).strip()
    target = targets(cluster)[0]
    authority = cluster.get("configmap", "quantix-ca", "quantix-shared")["data"]["ca.crt"]
    trust = ssl.create_default_context(cadata=authority)

    async def status(url: str, context: ssl.SSLContext) -> int:
        async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}"}) as session:
            async with session.get(url, ssl=context) as answer:
                return answer.status

    address = target["targets"][0]
    assert await status(f"https://{address}/metrics", trust) == 200
    assert await status(f"https://{address}/v1/virtualmachines/default/none/log", trust) == 403
    plane = cluster.control_plane
    of_plane = ssl.create_default_context(cadata=plane.ca_pem)
    assert await status(f"{plane.server}/metrics", of_plane) == 200
    assert await status(f"{plane.server}/apis/quantix.io/v1alpha1/virtualmachines", of_plane) == 403


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


def targets(cluster: HostCluster) -> list[dict[str, object]]:
    template = f"-o=go-template-file={_MONITORING / 'targets.gotemplate'}"
    found: list[dict[str, object]] = json.loads(cluster.kubectl("get", "hosts", template))
    return found
