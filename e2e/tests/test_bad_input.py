"""What a user gets wrong: refused with a sentence, or waited for and then gone on with; nothing is broken."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from quantix_api.conditions import condition_of
from quantix_cli.guestimage.build import ensure_image
from quantix_lab.machine import CACHE
from quantix_lab.machine_view import SHARED, MachineView, Manifest
from quantix_lab.vm_manifests import small_vm

WRONG_SUM = "sha256:" + "0" * 64


@pytest.fixture(scope="module")
def web_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the world's web server offers."""
    folder = tmp_path_factory.mktemp("www")
    folder.chmod(0o755)
    (folder / "tiny.qcow2").write_bytes(ensure_image(CACHE).read_bytes())
    (folder / "page.html").write_text("<html>not a disk</html>\n" * 100)
    command = ["qemu-img", "create", "-q", "-f", "qcow2", "-b", "/etc/passwd", "-F", "raw"]
    subprocess.run([*command, str(folder / "backed.qcow2"), "1M"], check=True)
    return folder


@pytest.fixture(scope="module")
def server(view: MachineView, web_root: Path) -> Iterator[str]:
    """The address of the world's web server."""
    with view.machine.serving(web_root) as address:
        yield address


def image(name: str, **spec: Any) -> Manifest:
    """An Image in the namespace default."""
    return manifest("Image", name, **spec)


def manifest(kind: str, name: str, **spec: Any) -> Manifest:
    """An object in the namespace default (which a cluster kind ignores)."""
    return {
        "apiVersion": "quantix.io/v1alpha1",
        "kind": kind,
        "metadata": {"name": name, "namespace": "default"},
        "spec": spec,
    }


def cluster(kind: str, name: str, **spec: Any) -> Manifest:
    """An object of a cluster kind."""
    return {"apiVersion": "quantix.io/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec}


REFUSED: list[tuple[Manifest, str]] = [
    (small_vm("bad", memory={"size": "1.5Gi"}), "must be a whole number with a unit, such as 512Mi or 10Gi"),
    (small_vm("bad", firmware={"secureBoot": True}), "firmware.secureBoot needs firmware.type UEFI"),
    (
        small_vm("bad", disks=[{"name": "root", "image": "a", "volume": "b"}]),
        "a disk has at most one of image, snapshot, cloneOf and volume",
    ),
    (
        small_vm("bad", nics=[{"name": "root", "network": "shared/default"}]),
        "disks, cdroms and nics share their names: each name only once",
    ),
    (small_vm("bad", boot={"order": ["nothing"]}), "boot.order names a device that is not in disks"),
    (small_vm("bad", cpu={"cores": 3, "threads": 2}), "cores"),
    (small_vm("bad", powerState="On"), 'supported values: "Running", "Stopped", "Paused"'),
    (small_vm("bad", colour="red"), 'unknown field "spec.colour"'),
    (small_vm("bad", cpu=None, memory=None), "instanceType"),
    (manifest("Network", "bad", subnets=[{"cidr": "10.0.0.0/33"}]), "must be a network, such as 10.0.0.0/24"),
]


@pytest.mark.parametrize(("wrong", "sentence"), REFUSED, ids=[sentence for _, sentence in REFUSED])
def test_what_cannot_be_is_refused_with_a_sentence(view: MachineView, wrong: Manifest, sentence: str) -> None:
    done = view.apply(wrong, check=False)
    assert done.returncode != 0
    assert sentence in done.stderr, done.stderr
    assert view.find(wrong["kind"], "bad") is None


def test_a_disk_neither_shrinks_nor_changes_its_source(view: MachineView, web: Manifest) -> None:
    other = small_vm("web-1", instanceType="small", cpu=None, memory=None)
    other["spec"]["disks"][0]["image"] = "shared/another"
    done = view.apply(other, check=False)
    assert done.returncode != 0
    assert "source" in done.stderr, done.stderr
    assert view.get("vm", "web-1")["metadata"]["generation"] == web["metadata"]["generation"]


def test_a_vm_waits_for_each_thing_that_is_missing_and_goes_on(view: MachineView, server: str) -> None:
    disks = [
        {"name": "root", "image": "late", "pool": "late", "reclaimPolicy": "Delete"},
        {"name": "data", "volume": "late-data"},
    ]
    nics = [{"name": "eth0", "network": "late"}]
    spec = {"instanceType": "late", "cpu": None, "memory": None, "gracePeriodSeconds": 0}
    view.apply(small_vm("late", disks=disks, nics=nics, **spec))
    assert "late" in view.wait_reason("vm", "late", "InstanceTypeNotFound")["message"]

    view.apply(cluster("InstanceType", "late", cpu={"cores": 1}, memory={"size": "128Mi"}))
    view.wait_reason("vm", "late", "NetworkNotFound", type="NetworkReady")
    view.apply(manifest("Network", "late", subnets=[{"cidr": "10.99.0.0/24"}]))
    view.wait_ready("late", kind="network")

    first = view.wait_reason("vm", "late", "ImageNotFound", type="VolumesReady")
    assert "There is no image late" in first["message"], first
    view.apply(image("late", url=f"{server}/tiny.qcow2"))
    view.wait_ready("late", kind="image", reason="Verified")

    assert "late" in view.wait_reason("vm", "late", "PoolNotFound", type="VolumesReady")["message"]
    pool = view.layout.data / "pools/late"
    pool.mkdir(parents=True)
    view.apply(cluster("StoragePool", "late", dir={"path": str(pool)}))

    view.wait_reason("vm", "late", "VolumeNotFound", type="VolumesReady")
    assert "late-data" in condition_of(view.get("vm", "late"))["message"]
    view.apply(manifest("Volume", "late-data", size="16Mi"))
    vm = view.wait_ready("late", reason="Running", timeout_s=60)
    assert view.qemu(vm)

    refused = view.machine.kubectl("delete", "volume", "late-data", "--wait=false", check=False)
    assert refused.returncode != 0
    assert "late" in refused.stderr
    view.machine.kubectl("delete", "vm", "late", "--timeout=60s", timeout_s=90)
    view.wait_gone("volume", "late-root")
    view.machine.kubectl("delete", "volume/late-data", "image/late", "network/late", "--timeout=60s")
    view.machine.kubectl("delete", "storagepool/late", "instancetype/late", "--timeout=60s")


@pytest.mark.parametrize(
    ("path", "checksum", "reason", "words"),
    [
        ("tiny.qcow2", WRONG_SUM, "ChecksumMismatch", "nothing was kept"),
        ("half/tiny.qcow2", None, "ImageUnreachable", "The download from"),
        ("missing.qcow2", None, "ImageUnreachable", "answered 404 for missing.qcow2"),
        ("backed.qcow2", None, "ImageRefused", "names another file as its backing file"),
        ("page.html", None, "ImageRefused", "The file is no qcow2, no ISO"),
    ],
)
def test_an_image_that_cannot_be_had_says_why_and_leaves_nothing(
    view: MachineView, server: str, path: str, checksum: str | None, reason: str, words: str
) -> None:
    before = view.pool_files()
    spec = {"url": f"{server}/{path}"} | ({"checksum": checksum} if checksum else {})
    view.apply(image("spoilt", **spec))
    said = view.wait_reason("image", "spoilt", reason)
    assert words in said["message"], said
    assert "Try: " in said["message"], said
    assert view.pool_files() == before, "something half-written was kept"
    view.machine.kubectl("delete", "image", "spoilt", "--timeout=30s")


def test_an_image_with_the_right_checksum_is_kept_and_removed(
    view: MachineView, server: str, web_root: Path
) -> None:
    digest = hashlib.sha256((web_root / "tiny.qcow2").read_bytes()).hexdigest()
    before = view.pool_files()
    view.apply(image("right", url=f"{server}/tiny.qcow2", checksum=f"sha256:{digest}"))
    kept = view.wait_ready("right", kind="image", reason="Verified")
    assert kept["status"]["checksum"] == f"sha256:{digest}"
    assert view.pool_files() == before | {f"images/{kept['metadata']['uid']}"}
    view.machine.kubectl("delete", "image", "right", "--timeout=30s")
    assert view.pool_files() == before


def test_an_image_in_use_is_not_deleted_and_its_users_are_named(view: MachineView, web: Manifest) -> None:
    done = view.machine.kubectl("delete", "image", "tiny", "-n", SHARED, "--wait=false", check=False)
    assert done.returncode != 0
    assert "has 1 user: all in other namespaces" in done.stderr, done.stderr
    assert "default/VirtualMachine/web-1" in view.machine.qx("image", "explain", "shared/tiny").stdout
    assert "deletionTimestamp" not in view.get("image", "tiny", SHARED)["metadata"]


def test_the_volume_of_a_vm_is_not_deleted_under_it(view: MachineView, web: Manifest) -> None:
    done = view.machine.kubectl("delete", "volume", "web-1-root", "--wait=false", check=False)
    assert done.returncode != 0
    assert "web-1" in done.stderr, done.stderr


def test_a_protected_vm_is_not_deleted(view: MachineView, web: Manifest) -> None:
    view.patch("vm", "web-1", {"spec": {"deletionProtection": True}})
    done = view.machine.kubectl("delete", "vm", "web-1", "--wait=false", check=False)
    view.patch("vm", "web-1", {"spec": {"deletionProtection": False}})
    assert done.returncode != 0
    assert "web-1" in done.stderr
    assert view.qemu(web)


def test_what_is_not_ours_is_left_alone(view: MachineView, web: Manifest, tmp_path: Path) -> None:
    domain = tmp_path / "foreign.xml"
    domain.write_text(
        "<domain type='qemu'><name>foreign</name><memory unit='MiB'>16</memory>"
        "<os><type arch='x86_64' machine='q35'>hvm</type></os></domain>"
    )
    view.virsh("define", str(domain))
    ports = ["--", "set", "Interface", "foreign0", "type=internal", "external_ids:owner=somebody"]
    view.vsctl("add-port", "qx-int", "foreign0", *ports)
    strangers = [view.layout.local_pool / "notes.txt", view.layout.local_pool / "volumes/mine/data"]
    for path in strangers:
        path.parent.mkdir(exist_ok=True)
        path.write_text("not ours\n")
    try:
        view.kill9("hostd")
        view.kill9("operator")
        view.patch("vm", "web-1", {"spec": {"gracePeriodSeconds": 30}})
        view.wait_ready("web-1", reason="Running")
        view.wait_ready("box", kind="host")
        assert view.domains()["foreign"] == "shut off"
        assert "foreign0" in view.vsctl("list-ports", "qx-int").split()
        assert [path.read_text() for path in strangers] == ["not ours\n", "not ours\n"]
    finally:
        view.virsh("undefine", "foreign")
        view.vsctl("--if-exists", "del-port", "foreign0")
        for path in strangers:
            path.unlink()
        strangers[1].parent.rmdir()
