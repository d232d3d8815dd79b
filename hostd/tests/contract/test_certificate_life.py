"""The certificates of a host end while it works: hostd gets the next ones by itself, and nothing stops."""

from __future__ import annotations

import asyncio
import json
import ssl
import subprocess
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import pytest
from cryptography import x509

from quantix_api.conditions import condition_of
from quantix_client.kubeconfig import load
from quantix_lab.host_cluster import HostCluster, host_cluster
from quantix_lab.host_objects import make_local_pool

# the last third has to be enough for a renewal on a busy machine
_LIFETIME_S = 30


@pytest.fixture
def cluster() -> Iterator[HostCluster]:
    """h1 has joined, and its certificates live for seconds."""
    short = [f"--host-certificate-lifetime={_LIFETIME_S}s"], [f"--serving-certificate-seconds={_LIFETIME_S}"]
    with host_cluster(*short) as running:
        running.give_token("h1")
        running.start_hostd("h1", "--ovn-certificate")
        running.eventually(lambda: "API served" in running.log("hostd"))
        make_local_pool(running)
        yield running


def client_certificate(cluster: HostCluster) -> x509.Certificate:
    pem = load(cluster.layout.hostd_kubeconfig).certificate_pem or ""
    return x509.load_pem_x509_certificate(pem.encode())


def shown_certificate(cluster: HostCluster, port: int) -> x509.Certificate:
    """What hostd's server shows to whoever connects now."""
    return x509.load_pem_x509_certificate(ssl.get_server_certificate(("127.0.0.1", port), timeout=5).encode())


def ovn_certificate(cluster: HostCluster) -> x509.Certificate:
    cluster.eventually(cluster.layout.ovn_certificate.exists)
    return x509.load_pem_x509_certificate(cluster.layout.ovn_certificate.read_bytes())


def port_of(cluster: HostCluster) -> int:
    return int(str(cluster.get("host", "h1")["status"]["addresses"]["api"]).rpartition(":")[2])


def wait_for_image(cluster: HostCluster, name: str) -> None:
    manifest = {
        "apiVersion": "quantix.io/v1alpha1",
        "kind": "Image",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"upload": {}},
    }
    cluster.kubectl("apply", "--server-side", "-f", "-", stdin=json.dumps(manifest))
    cluster.eventually(lambda: reason(cluster, name) == "WaitingForUpload")


def reason(cluster: HostCluster, image: str) -> str:
    return str(condition_of(cluster.get("image", image)).get("reason", ""))


def disk_image(path: Path) -> bytes:
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", path, "64M"], check=True)
    subprocess.run(["qemu-io", "-f", "qcow2", "-c", "write -P 7 0 1M", path], check=True, capture_output=True)
    return path.read_bytes()


async def slowly(content: bytes, until: datetime) -> AsyncIterator[bytes]:
    """All of it, the last part after `until`."""
    half = len(content) // 2
    yield content[:half]
    left = until - datetime.now(UTC)
    await asyncio.sleep(max(0.0, left.total_seconds()))
    yield content[half:]


async def upload(cluster: HostCluster, name: str, content: bytes, until: datetime) -> tuple[int, str]:
    """Over one TLS connection that is made now and ends after `until`."""
    connector = aiohttp.TCPConnector(ssl=cluster.as_administrator())
    address = f"https://127.0.0.1:{port_of(cluster)}/v1/images/default/{name}/upload"
    length = {"Content-Length": str(len(content))}
    async with (
        aiohttp.ClientSession(connector=connector) as session,
        session.put(address, data=slowly(content, until), headers=length) as answer,
    ):
        return answer.status, await answer.text()


def test_all_certificates_are_renewed_and_running_work_goes_on(cluster: HostCluster, tmp_path: Path) -> None:
    wait_for_image(cluster, "slow")
    hostd = cluster.processes["hostd"].pid
    port = port_of(cluster)
    first, first_shown = client_certificate(cluster), shown_certificate(cluster, port)
    first_ovn, uid = ovn_certificate(cluster), cluster.get("host", "h1")["metadata"]["uid"]
    ends = (certificate.not_valid_after_utc for certificate in (first, first_shown, first_ovn))
    later = max(ends) + timedelta(seconds=1)
    assert later < datetime.now(UTC) + timedelta(seconds=_LIFETIME_S + 2)

    status, text = asyncio.run(upload(cluster, "slow", disk_image(tmp_path / "disk"), later))
    assert status == 200, text
    assert datetime.now(UTC) > later
    for new, old in (
        (client_certificate(cluster), first),
        (shown_certificate(cluster, port), first_shown),
        (ovn_certificate(cluster), first_ovn),
    ):
        assert new.not_valid_after_utc > datetime.now(UTC)
        assert new.serial_number != old.serial_number
        assert new.public_key() != old.public_key(), "a new certificate has a new key"
    cluster.eventually(lambda: reason(cluster, "slow") == "Verified")
    assert ovn_certificate(cluster).subject.rfc4514_string() == f"CN={uid},O=quantix:hosts"
    assert cluster.layout.ovn_authority.read_text() == cluster.authority_pem()

    # it hears of what is new, and what it writes is taken: every request shows a certificate
    wait_for_image(cluster, "next")
    assert "Unauthorized" not in cluster.log("hostd")
    assert cluster.processes["hostd"].pid == hostd
    assert cluster.processes["hostd"].poll() is None
