"""Files that are sent for volumes, through the doors of a whole hostd on a real control plane: what is taken
becomes a disk, what is refused leaves nothing, and a hostd that is killed goes on.
"""

from __future__ import annotations

import hashlib
import io
import json
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from quantix_api.conditions import condition_of
from quantix_lab.half_uploads import send_half
from quantix_lab.host_cluster import HostCluster
from quantix_lab.host_objects import apply, disk_image, local, place, ready, reason
from quantix_lab.hostile_images import HOSTILE_IMAGES, Refuser

_MIB = 1 << 20
_RAW = bytes(510) + b"\x55\xaa" + bytes(range(256)) * (8 * _MIB // 256 - 2)


def waiting(cluster: HostCluster, name: str, size: str = "8Mi", **spec: Any) -> None:
    """A volume that waits for its file on h1."""
    about, asked = {"name": name, "namespace": "default"}, {"source": {"upload": {}}, "size": size, **spec}
    apply(cluster, {"kind": "Volume", "metadata": about, "spec": asked})
    place(cluster, "Volume", name)
    cluster.eventually(lambda: reason(cluster.get("volume", name)) == "WaitingForUpload")


async def send(
    cluster: HostCluster, name: str, content: bytes, offset_bytes: int = 0, whole_bytes: int = 0
) -> tuple[int, str]:
    """From the offset on, of a file that is `whole_bytes` long."""
    end = offset_bytes + len(content) - 1
    rest = {"Content-Range": f"bytes {offset_bytes}-{end}/{whole_bytes}"} if offset_bytes else {}
    path = f"/v1/volumes/default/{name}/upload"
    async with local(cluster) as session:
        async with session.put(path, data=io.BytesIO(content), headers=rest) as answer:
            return answer.status, await answer.text()


def break_off(cluster: HostCluster, name: str) -> None:
    """Half of the file comes, and then its sender is gone."""
    send_half(cluster.layout.hostd_socket, f"/v1/volumes/default/{name}/upload", _RAW)


def left(cluster: HostCluster, uid: str) -> list[str]:
    """What lies in the pool of the file that was sent for the volume with this UID."""
    images = cluster.layout.local_pool / "images"
    return [entry.name for entry in images.iterdir() if uid in entry.name]


def uid_of(cluster: HostCluster, name: str) -> str:
    return str(cluster.get("volume", name)["metadata"]["uid"])


def data_of(cluster: HostCluster, name: str) -> Path:
    handle = str(cluster.get("volume", name)["status"]["handle"])
    return cluster.layout.local_pool / "volumes" / handle / "data"


def flat(path: Path, tmp_path: Path) -> bytes:
    """What a guest would read of a disk."""
    made = tmp_path / "flat"
    subprocess.run(["qemu-img", "convert", "-U", "-O", "raw", path, made], check=True)
    return made.read_bytes()


def delete(cluster: HostCluster, name: str) -> None:
    cluster.kubectl("delete", "volume", name, "-n", "default", "--wait=false")
    cluster.eventually(
        lambda: cluster.get("volume", name).get("status", {}).get("data", "Absent") == "Absent"
    )


async def test_a_qcow2_that_is_sent_becomes_a_volume_of_the_size_that_was_asked_for(
    cluster: HostCluster, tmp_path: Path
) -> None:
    content = disk_image(tmp_path / "disk.qcow2")
    waiting(cluster, "sent", size="1Gi")
    status, text = await send(cluster, "sent", content)
    assert status == 200, text
    assert json.loads(text) == {
        "checksum": f"sha256:{hashlib.sha256(content).hexdigest()}",
        "format": "Qcow2",
        "virtualSizeBytes": 64 * _MIB,
    }
    cluster.eventually(lambda: ready(cluster.get("volume", "sent")) == "True")
    found = cluster.get("volume", "sent")["status"]
    assert (found["capacity"], found["phase"], found["data"]) == ("1Gi", "Available", "Present")
    assert left(cluster, uid_of(cluster, "sent")) == [], "no image is left behind"
    assert (data_of(cluster, "sent").parent / "claim").exists()
    assert flat(data_of(cluster, "sent"), tmp_path)[:_MIB] == b"\7" * _MIB
    again = await send(cluster, "sent", content)
    assert again[0] == 409
    assert again[1].startswith("Volume sent takes no file: it has its data.")
    delete(cluster, "sent")


async def test_an_upload_that_broke_off_goes_on_with_a_hostd_that_was_killed(
    cluster: HostCluster, tmp_path: Path
) -> None:
    waiting(cluster, "broken")
    break_off(cluster, "broken")

    def said() -> str:
        return str(condition_of(cluster.get("volume", "broken"), "Ready").get("message"))

    cluster.eventually(lambda: "arrived before the last upload broke off" in said())
    cluster.stop("hostd", signal.SIGKILL)
    cluster.start_hostd()
    health = ["curl", "-sf", "--unix-socket", str(cluster.layout.hostd_socket), "http://hostd/healthz"]
    cluster.eventually(lambda: subprocess.run(health, capture_output=True, check=False).returncode == 0)
    async with local(cluster) as session:
        async with session.get("/v1/volumes/default/broken/upload") as answer:
            kept = await answer.json()
    offset = kept["offsetBytes"]
    assert 0 < offset < len(_RAW)
    assert kept["checksum"] == f"sha256:{hashlib.sha256(_RAW[:offset]).hexdigest()}"
    status, text = await send(cluster, "broken", _RAW[offset:], offset, len(_RAW))
    assert status == 200, text
    cluster.eventually(lambda: ready(cluster.get("volume", "broken")) == "True")
    assert flat(data_of(cluster, "broken"), tmp_path) == _RAW
    assert left(cluster, uid_of(cluster, "broken")) == []
    delete(cluster, "broken")


async def test_what_came_for_a_volume_that_went_while_hostd_did_not_run_goes(cluster: HostCluster) -> None:
    # without the passphrase the file lies there whole
    waiting(cluster, "missed", encryption={"secretRef": {"name": "none"}})
    assert (await send(cluster, "missed", _RAW))[0] == 200
    uid = uid_of(cluster, "missed")
    cluster.stop("hostd", signal.SIGKILL)
    cluster.kubectl("delete", "volume", "missed", "-n", "default", "--wait=false")
    strip = json.dumps({"metadata": {"finalizers": None}})
    cluster.as_operator("patch", "volume", "missed", "-n", "default", "--type=merge", "-p", strip)
    assert (cluster.get("volume", "missed"), left(cluster, uid)) == ({}, [uid])
    cluster.start_hostd()
    cluster.eventually(lambda: left(cluster, uid) == [])


async def test_an_encrypted_volume_holds_nothing_of_its_file_in_the_clear(cluster: HostCluster) -> None:
    secret = {"metadata": {"name": "key", "namespace": "default"}, "stringData": {"passphrase": "secret"}}
    cluster.kubectl("apply", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "Secret"} | secret))
    waiting(cluster, "safe", encryption={"secretRef": {"name": "key"}})
    assert (await send(cluster, "safe", _RAW))[0] == 200
    cluster.eventually(lambda: ready(cluster.get("volume", "safe")) == "True")
    assert _RAW[512:4096] not in data_of(cluster, "safe").read_bytes()
    delete(cluster, "safe")


@pytest.mark.parametrize("refuser", [Refuser.CHECK, Refuser.QEMU])
async def test_a_hostile_file_is_refused_as_an_image_is_and_leaves_nothing(
    cluster: HostCluster, refuser: Refuser
) -> None:
    image = next(image for image in HOSTILE_IMAGES if image.by is refuser)
    name = f"hostile-{refuser.name.lower()}"
    waiting(cluster, name)
    status, text = await send(cluster, name, image.content)
    assert (status, image.says in text) == (422, True), text
    cluster.eventually(lambda: reason(cluster.get("volume", name)) == "ImageRefused")
    assert cluster.get("volume", name)["status"]["phase"] == "Failed"
    assert left(cluster, uid_of(cluster, name)) == []
    delete(cluster, name)


async def test_a_file_larger_than_the_volume_is_refused(cluster: HostCluster) -> None:
    waiting(cluster, "small", size="1Mi")
    status, text = await send(cluster, "small", _RAW)
    assert status == 422
    assert text.startswith("The file describes a disk of 8Mi; the volume takes one of 1Mi at most.")
    delete(cluster, "small")


async def test_a_volume_that_is_deleted_takes_what_came_with_it(cluster: HostCluster) -> None:
    waiting(cluster, "gone")
    break_off(cluster, "gone")
    uid = uid_of(cluster, "gone")
    cluster.eventually(lambda: len(left(cluster, uid)) == 2)
    delete(cluster, "gone")
    assert left(cluster, uid) == []
