"""What tests of one host write and look at: its objects in the API, and the images that it is sent."""

from __future__ import annotations

import io
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiohttp

from quantix_api.conditions import condition_of
from quantix_lab.api_as import APPLY, Answer, ApiAs
from quantix_lab.api_objects import RESOURCES
from quantix_lab.control_plane import ControlPlaneError
from quantix_lab.host_cluster import HostCluster, host_cluster


def apply(cluster: HostCluster, manifest: dict[str, Any]) -> None:
    """Declare an object of ours, as `kubectl apply --server-side` does. Raises ControlPlaneError."""
    body = {"apiVersion": "quantix.io/v1alpha1", **manifest}
    about = manifest["metadata"]
    path = RESOURCES[manifest["kind"]].path(about.get("namespace"), about["name"])
    asked = f"{path}?fieldManager=kubectl&fieldValidation=Strict"
    with ApiAs(cluster.control_plane.admin_kubeconfig) as admin:
        _expect_taken(admin.call("PATCH", asked, body, content_type=APPLY))


@contextmanager
def joined_cluster() -> Iterator[HostCluster]:
    """A cluster in which h1 has joined, has its pool, and hostd runs."""
    with host_cluster() as running:
        running.give_token("h1")
        running.start_hostd()
        running.eventually(lambda: ready(running.get("host", "h1")) == "True")
        make_local_pool(running)
        yield running


def make_local_pool(cluster: HostCluster) -> None:
    """The pool `local`, the default, where hosts keep their own."""
    pool = {"dir": {"path": str(cluster.layout.local_pool)}, "default": True}
    apply(cluster, {"kind": "StoragePool", "metadata": {"name": "local"}, "spec": pool})


def accepted(write: Callable[[], None]) -> bool:
    try:
        write()
    except ControlPlaneError:
        return False
    return True


def place(cluster: HostCluster, kind: str, name: str, namespace: str = "default") -> None:
    """What the scheduler does: give the object to h1."""
    path = RESOURCES[kind].path(namespace, name, "status")
    with ApiAs(cluster.control_plane.operator_kubeconfig) as operator:
        _expect_taken(operator.merge(path, {"status": {"host": "h1"}}))


def _expect_taken(answer: Answer) -> None:
    if answer.code not in (200, 201):
        raise ControlPlaneError(answer.message, None)


def ready(manifest: dict[str, Any]) -> str:
    return str(condition_of(manifest, "Ready").get("status", ""))


def reason(manifest: dict[str, Any]) -> str:
    return str(condition_of(manifest, "Ready").get("reason", ""))


def disk_image(path: Path) -> bytes:
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", path, "64M"], check=True)
    subprocess.run(["qemu-io", "-f", "qcow2", "-c", "write -P 7 0 1M", path], check=True, capture_output=True)
    return path.read_bytes()


def local(cluster: HostCluster) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        base_url="http://hostd", connector=aiohttp.UnixConnector(str(cluster.layout.hostd_socket))
    )


async def upload(cluster: HostCluster, name: str, content: bytes) -> tuple[int, str]:
    async with local(cluster) as session:
        async with session.put(f"/v1/images/default/{name}/upload", data=io.BytesIO(content)) as answer:
            return answer.status, await answer.text()


async def ready_image(cluster: HostCluster, name: str, content: bytes) -> dict[str, Any]:
    apply(
        cluster, {"kind": "Image", "metadata": {"name": name, "namespace": "default"}, "spec": {"upload": {}}}
    )
    place(cluster, "Image", name)
    cluster.eventually(lambda: reason(cluster.get("image", name)) == "WaitingForUpload")
    status, text = await upload(cluster, name, content)
    assert status == 200, text
    cluster.eventually(lambda: ready(cluster.get("image", name)) == "True")
    return cluster.get("image", name)
