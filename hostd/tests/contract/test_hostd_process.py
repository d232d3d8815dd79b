"""hostd as a whole process against a real control plane, the real operator and a real libvirtd."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import ssl
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest

from quantix_api.conditions import condition_of
from quantix_lab.host_cluster import HostCluster
from quantix_lab.host_objects import (
    accepted,
    apply,
    disk_image,
    joined_cluster,
    local,
    place,
    ready,
    ready_image,
    reason,
    upload,
)

_EXIT_CONFIG = 78


@pytest.fixture(scope="module")
def cluster() -> Iterator[HostCluster]:
    with joined_cluster() as running:
        yield running


def test_the_host_reports_what_it_is(cluster: HostCluster) -> None:
    cluster.eventually(lambda: cluster.get("host", "h1")["status"].get("pools"))
    host = cluster.get("host", "h1")
    status = host["status"]
    assert status["bootID"] == Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    assert status["cpus"] == os.cpu_count()
    assert status["versions"]["machineType"].startswith("pc-q35-")
    assert status["pools"][0]["state"] == "Reachable"
    assert status["cpuAddressBits"] >= 36
    assert condition_of(host, "KVMAvailable")["reason"] in ("Works", "KVMUnusable")
    assert cluster.layout.hostd_kubeconfig.stat().st_mode & 0o777 == 0o600


def test_the_lease_is_held_by_the_boot_and_renewed(cluster: HostCluster) -> None:
    def renewed() -> str:
        lease = cluster.get("lease", "h1", "quantix-hosts")
        assert lease["spec"]["holderIdentity"] == cluster.get("host", "h1")["status"]["bootID"]
        return str(lease["spec"]["renewTime"])

    cluster.eventually(lambda: cluster.get("lease", "h1", "quantix-hosts"))
    first = renewed()
    cluster.eventually(lambda: renewed() != first, 5.0)


def test_a_calm_host_is_looked_at_and_not_written(cluster: HostCluster) -> None:
    def looks() -> int:
        metrics = ["curl", "-sf", "--unix-socket", str(cluster.layout.hostd_socket), "http://hostd/metrics"]
        text = subprocess.run(metrics, check=True, capture_output=True, text=True).stdout
        hosts = 'quantix_hostd_reconciles_total{kind="hosts"'
        counts = [line.split()[-1] for line in text.splitlines() if line.startswith(hosts)]
        return sum(int(float(count)) for count in counts)

    cluster.eventually(lambda: cluster.get("host", "h1")["status"].get("pools"))
    cluster.eventually(lambda: "API served" in cluster.log("hostd"))
    version = cluster.get("host", "h1")["metadata"]["resourceVersion"]
    before = looks()
    cluster.kubectl("label", "storagepool", "local", "touched=yes")
    cluster.eventually(lambda: looks() > before)
    assert cluster.get("host", "h1")["metadata"]["resourceVersion"] == version


async def test_an_upload_becomes_an_image_and_then_a_volume(cluster: HostCluster, tmp_path: Path) -> None:
    content = disk_image(tmp_path / "disk.qcow2")
    image = await ready_image(cluster, "uploaded", content)
    assert image["status"]["checksum"] == f"sha256:{hashlib.sha256(content).hexdigest()}"
    assert (image["status"]["format"], image["status"]["virtualSize"]) == ("Qcow2", "64Mi")
    assert image["status"]["data"] == "Present"
    async with local(cluster) as session:
        async with session.get("/v1/images/default/uploaded/content") as answer:
            assert await answer.read() == content
    status, text = await upload(cluster, "uploaded", content)
    assert (status, "sent already" in text) == (409, True)

    spec = {"source": {"image": "uploaded"}, "size": "1Gi"}
    apply(cluster, {"kind": "Volume", "metadata": {"name": "v1", "namespace": "default"}, "spec": spec})
    place(cluster, "Volume", "v1")
    cluster.eventually(lambda: ready(cluster.get("volume", "v1")) == "True")
    volume = cluster.get("volume", "v1")
    place_of_data = cluster.layout.local_pool / "volumes" / volume["status"]["handle"]
    assert (place_of_data / "data").exists()
    assert (place_of_data / "claim").exists()
    assert (volume["status"]["capacity"], volume["status"]["phase"]) == ("1Gi", "Available")

    grown = {"source": {"image": "uploaded"}, "size": "2Gi"}
    apply(cluster, {"kind": "Volume", "metadata": {"name": "v1", "namespace": "default"}, "spec": grown})
    cluster.eventually(lambda: cluster.get("volume", "v1")["status"]["capacity"] == "2Gi")

    cluster.kubectl("delete", "volume", "v1", "-n", "default", "--wait=false")
    cluster.eventually(lambda: not place_of_data.exists())
    cluster.eventually(
        lambda: cluster.get("volume", "v1").get("status", {}).get("data", "Absent") == "Absent"
    )


async def test_a_volume_waits_for_its_image_and_goes_on_by_itself(
    cluster: HostCluster, tmp_path: Path
) -> None:
    spec = {"source": {"image": "late"}}
    apply(cluster, {"kind": "Volume", "metadata": {"name": "v2", "namespace": "default"}, "spec": spec})
    place(cluster, "Volume", "v2")
    cluster.eventually(lambda: reason(cluster.get("volume", "v2")) == "SourceNotFound")
    await ready_image(cluster, "late", disk_image(tmp_path / "late.qcow2"))
    cluster.eventually(lambda: ready(cluster.get("volume", "v2")) == "True")


async def test_an_image_is_copied_into_the_pool_where_a_volume_needs_it(
    cluster: HostCluster, tmp_path: Path
) -> None:
    await ready_image(cluster, "spread", disk_image(tmp_path / "spread.qcow2"))
    path = cluster.layout.data / "pools/fast"
    apply(
        cluster, {"kind": "StoragePool", "metadata": {"name": "fast"}, "spec": {"dir": {"path": str(path)}}}
    )
    spec = {"source": {"image": "spread"}, "pool": "fast", "copyMode": "Full"}
    apply(cluster, {"kind": "Volume", "metadata": {"name": "v4", "namespace": "default"}, "spec": spec})
    place(cluster, "Volume", "v4")
    cluster.eventually(lambda: ready(cluster.get("volume", "v4")) == "True")
    uid = cluster.get("image", "spread")["metadata"]["uid"]
    original = cluster.layout.local_pool / "images" / uid
    assert (path / "images" / uid).read_bytes() == original.read_bytes()
    assert cluster.get("volume", "v4")["status"]["pool"] == "fast"


async def test_a_file_that_is_no_image_is_refused_and_a_good_one_taken_afterwards(
    cluster: HostCluster, tmp_path: Path
) -> None:
    metadata = {"name": "wrong", "namespace": "default"}
    apply(cluster, {"kind": "Image", "metadata": metadata, "spec": {"upload": {}}})
    place(cluster, "Image", "wrong")
    cluster.eventually(lambda: reason(cluster.get("image", "wrong")) == "WaitingForUpload")
    status, text = await upload(cluster, "wrong", b"<html>no image</html>" * 100)
    assert (status, "no qcow2" in text) == (422, True)
    cluster.eventually(lambda: reason(cluster.get("image", "wrong")) == "ImageRefused")
    assert condition_of(cluster.get("image", "wrong"), "Stalled")["status"] == "True"
    assert (await upload(cluster, "wrong", disk_image(tmp_path / "right.qcow2")))[0] == 200
    cluster.eventually(lambda: ready(cluster.get("image", "wrong")) == "True")
    assert condition_of(cluster.get("image", "wrong"), "Stalled") == {}


async def test_a_deleted_image_leaves_no_file(cluster: HostCluster, tmp_path: Path) -> None:
    image = await ready_image(cluster, "unwanted", disk_image(tmp_path / "unwanted.qcow2"))
    uid = image["metadata"]["uid"]
    path = cluster.layout.local_pool / "images" / uid
    assert path.exists()
    cluster.kubectl("delete", "image", "unwanted", "-n", "default", "--wait=false")
    cluster.eventually(lambda: not path.exists())


async def test_the_unix_socket_is_for_root_only_and_answers(cluster: HostCluster) -> None:
    assert cluster.layout.hostd_socket.stat().st_mode & 0o777 == 0o600
    async with local(cluster) as session:
        async with session.get("/healthz") as answer:
            assert (await answer.json())["host"] == "h1"
        async with session.get("/metrics") as answer:
            assert "quantix_hostd_libvirt_up 1.0" in await answer.text()
        async with session.get("/v1/virtualmachines/default/none/log") as answer:
            assert answer.status == 404
        async with session.put("/v1/images/default/none/upload", data=b"x") as answer:
            assert answer.status == 404


async def test_tls_admits_whom_the_api_server_admits(cluster: HostCluster) -> None:
    cluster.eventually(lambda: "API served" in cluster.log("hostd"))
    address = cluster.get("host", "h1")["status"]["addresses"]["api"]
    context = ssl.create_default_context(cadata=cluster.authority_pem())
    base = f"https://{address}"

    async def status(path: str, token: str = "", pair: ssl.SSLContext | None = None) -> int:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        async with aiohttp.ClientSession(headers=headers) as session:
            async with session.get(f"{base}{path}", ssl=pair or context) as answer:
                return answer.status

    log = "/v1/virtualmachines/default/none/log"
    assert await status("/healthz") == 200
    assert await status(log) == 401
    assert await status(log, token="nonsense") == 401
    cluster.kubectl("create", "serviceaccount", "nobody", "-n", "default")
    nobody = cluster.kubectl("create", "token", "nobody", "-n", "default").strip()
    assert await status(log, token=nobody) == 403
    assert await status("/metrics", token=nobody) == 403
    admin = cluster.as_administrator()
    assert await status(log, pair=admin) == 404
    assert await status("/metrics", pair=admin) == 200
    async with aiohttp.ClientSession() as session:
        async with session.post(f"{base}/v1/host/shutdown", ssl=admin) as answer:
            assert answer.status == 403


def test_a_second_hostd_on_the_same_root_ends_with_a_sentence(cluster: HostCluster) -> None:
    running = cluster.processes.pop("hostd")
    cluster.start_hostd()
    assert cluster.processes["hostd"].wait(20) == _EXIT_CONFIG
    cluster.processes["hostd"] = running
    assert f"(pid {running.pid})" in cluster.log("hostd")


def test_kill_9_leaves_nothing_behind_that_hinders_the_next(cluster: HostCluster) -> None:
    draft = cluster.layout.local_pool / "images" / ".0a1b.h1.part"
    draft.write_bytes(b"half")
    marks = cluster.log("hostd").count("hostd runs")
    assert cluster.stop("hostd", signal.SIGKILL) == -signal.SIGKILL
    cluster.start_hostd()
    cluster.eventually(lambda: cluster.log("hostd").count("hostd runs") > marks)
    cluster.eventually(lambda: not draft.exists())


def test_the_loss_of_the_api_is_waited_out(cluster: HostCluster) -> None:
    running = cluster.processes["hostd"]
    renewed = cluster.get("lease", "h1", "quantix-hosts")["spec"]["renewTime"]
    cluster.control_plane.kill9()
    time.sleep(5.0)
    cluster.control_plane.start()
    # A leader that lost the API ends, and its supervisor starts it anew
    cluster.processes.pop("operator").wait(30)
    cluster.start_operator()
    cluster.eventually(lambda: cluster.get("lease", "h1", "quantix-hosts")["spec"]["renewTime"] > renewed)
    volume = {"kind": "Volume", "metadata": {"name": "v3", "namespace": "default"}, "spec": {"size": "1Gi"}}
    # Admission knows our kinds a moment after the server is ready
    cluster.eventually(lambda: accepted(lambda: apply(cluster, volume)))
    cluster.eventually(lambda: accepted(lambda: place(cluster, "Volume", "v3")))
    cluster.eventually(lambda: ready(cluster.get("volume", "v3")) == "True")
    assert running.poll() is None


def test_the_loss_of_libvirt_is_told_and_waited_out(cluster: HostCluster) -> None:
    cluster.libvirt.stop_daemon("libvirtd", signal.SIGKILL)
    cluster.eventually(lambda: reason(cluster.get("host", "h1")) == "LibvirtDown")
    cluster.libvirt.start_daemon("libvirtd")
    cluster.eventually(lambda: reason(cluster.get("host", "h1")) == "Healthy")


def test_another_machine_with_this_name_is_refused(cluster: HostCluster) -> None:
    cluster.stop("hostd")
    foreign = "11111111-2222-3333-4444-555555555555"
    cluster.kubectl("delete", "host", "h1", "--wait=false")
    cluster.eventually(lambda: not cluster.get("host", "h1"))
    apply(cluster, {"kind": "Host", "metadata": {"name": "h1"}, "spec": {}})
    patch = json.dumps({"status": {"hostUID": foreign}})
    cluster.kubectl("patch", "host", "h1", "--subresource=status", "--type=merge", "-p", patch)
    cluster.start_hostd()
    assert cluster.processes.pop("hostd").wait(30) == _EXIT_CONFIG
    assert "is another machine already" in cluster.log("hostd")
