"""Images as the documentation says: its commands, an upload that was interrupted, and what a host refuses."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from quantix_api.conditions import condition_of
from quantix_cli.guestimage.build import ensure_image
from quantix_lab.checkout import CHECKOUT
from quantix_lab.guest_console import wait_booted
from quantix_lab.half_uploads import send_half
from quantix_lab.hostile_images import HOSTILE_IMAGES, Refuser
from quantix_lab.leftovers import taken_away
from quantix_lab.machine import CACHE
from quantix_lab.machine_view import MachineView, Manifest
from quantix_lab.transcript import exchanges
from quantix_lab.typist import Typist
from quantix_lab.vm_manifests import small_vm
from quantix_lab.waiting import wait_for

_MIB = 1 << 20
_EXAMPLE_SUM = "0123456789abcdef" * 4


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files that the documentation speaks of."""
    made = tmp_path_factory.mktemp("images")
    made.chmod(0o755)
    disk = made / "debian-13.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", str(disk), "16M"], check=True)
    (made / "netinst.iso").write_bytes(b"\0" * 0x8001 + b"CD001" + bytes(2048))
    return made


@pytest.fixture(scope="module")
def server(view: MachineView, folder: Path) -> Iterator[str]:
    with view.machine.serving(folder, 8081) as address:
        yield address


def test_what_the_page_shows_is_what_the_machine_answers(
    view: MachineView, server: str, folder: Path, tmp_path: Path
) -> None:
    """With a server of the test's in place of the page's."""
    digest = hashlib.sha256((folder / "netinst.iso").read_bytes()).hexdigest()
    shutil.copyfile(folder / "debian-13.qcow2", tmp_path / "debian-13.qcow2")
    with taken_away(view):
        places = {"https://images.example.org": server, _EXAMPLE_SUM: digest}
        typist = Typist(view.machine, tmp_path, places)
        for exchange in exchanges((CHECKOUT / "docs/images.md").read_text()):
            typist.type(exchange)
        assert view.wait_ready("netinst", kind="image", reason="Verified")["status"]["format"] == "ISO"
        for name in ("debian-13", "mirror-13"):
            kept = view.wait_ready(name, kind="image", reason="Verified")
            assert kept["spec"]["loginUser"] == "debian"
            assert kept["status"]["virtualSize"] == "16Mi"


def test_an_upload_that_was_interrupted_goes_on_by_the_same_command(
    view: MachineView, tmp_path: Path
) -> None:
    file = tmp_path / "large.raw"
    file.write_bytes(b"\0" * 510 + b"\x55\xaa" + os.urandom(8 * _MIB - 512))
    view.apply(image("large", upload={}))
    view.wait_reason("image", "large", "WaitingForUpload")
    send_half(view.layout.hostd_socket, "/v1/images/default/large/upload", file.read_bytes())
    wait_for("what arrived", lambda: arrived(view, "image", "large"), 20)
    done = view.machine.qx("image", "upload", str(file), timeout_s=120)
    assert "it goes on from there." in done.stderr
    assert done.stdout == f"large  sha256:{hashlib.sha256(file.read_bytes()).hexdigest()}\n"
    view.machine.qx("image", "delete", "large", "--yes")


def arrived(view: MachineView, kind: str, name: str) -> tuple[bool, object]:
    """Whether the host tells that an upload broke off."""
    said = condition_of(view.get(kind, name), "Ready")
    return "arrived before the last upload broke off" in said.get("message", ""), said


def test_a_file_that_only_its_tables_betray_is_refused_by_the_host_and_one_at_sight_is_not_sent(
    view: MachineView, tmp_path: Path
) -> None:
    before = view.pool_files()
    for refuser, words in (
        (Refuser.CHECK, "backing file"),
        (Refuser.QEMU, "QEMU finds errors in its tables"),
    ):
        image = next(image for image in HOSTILE_IMAGES if image.by is refuser)
        file = tmp_path / "hostile.qcow2"
        file.write_bytes(image.content)
        done = view.machine.qx("image", "upload", str(file), check=False)
        assert done.returncode == 6, done.stderr
        assert words in done.stderr
    assert view.pool_files() == before
    view.machine.qx("image", "delete", "hostile", "--yes")


def test_a_vm_waits_for_the_file_of_its_volume_and_boots_from_it(view: MachineView, tmp_path: Path) -> None:
    file = tmp_path / "brought.qcow2"
    subprocess.run(
        ["qemu-img", "convert", "-O", "qcow2", str(ensure_image(CACHE)), str(file)], check=True, timeout=60
    )
    about = {"name": "brought", "namespace": "default"}
    sent = {"apiVersion": "quantix.io/v1alpha1", "kind": "Volume", "metadata": about}
    before = view.pool_files()
    view.apply({**sent, "spec": {"source": {"upload": {}}, "size": "1Gi"}})
    view.apply(small_vm("brought", disks=[{"name": "root", "volume": "brought"}], gracePeriodSeconds=0))
    said = view.wait_reason("vm", "brought", "WaitingForUpload")["message"]
    assert "The file of volume brought was not sent yet. Try: qx volume upload FILE --name brought" in said
    send_half(view.layout.hostd_socket, "/v1/volumes/default/brought/upload", file.read_bytes())
    wait_for("what arrived", lambda: arrived(view, "volume", "brought"), 20)
    done = view.machine.qx("volume", "upload", str(file), "--timeout", "120s", timeout_s=180)
    assert "it goes on from there." in done.stderr
    assert done.stdout == f"brought  sha256:{hashlib.sha256(file.read_bytes()).hexdigest()}\n"
    wait_booted(view, "brought")
    volume = view.get("volume", "brought")["status"]
    assert (volume["phase"], volume["capacity"]) == ("InUse", "1Gi")
    assert {path for path in view.pool_files() - before if path.startswith("images/")} == set()
    again = view.machine.qx("volume", "upload", str(file), check=False)
    assert (again.returncode, "a file is sent once" in again.stderr) == (6, True)
    view.machine.qx("vm", "delete", "brought", "--yes", timeout_s=120)
    view.machine.qx("volume", "delete", "brought", "--yes", timeout_s=120)
    assert view.pool_files() == before


def test_an_administrator_says_where_images_come_from(view: MachineView, server: str) -> None:
    address = server.removeprefix("http://").partition(":")[0]
    ranges = ("configmap", "quantix-cluster")
    view.patch(*ranges, {"data": {"imageAddressesDenied": f"{address}/32"}}, "quantix-system")
    view.apply(image("mirrored", url=f"{server}/debian-13.qcow2"))
    said = view.wait_reason("image", "mirrored", "AddressRefused")["message"]
    assert f"leads to {address}; an administrator lets no image come from {address}/32" in said
    view.patch(*ranges, {"data": {"imageAddressesDenied": None}}, "quantix-system")
    view.wait_ready("mirrored", kind="image", reason="Verified", timeout_s=60)
    view.machine.qx("image", "delete", "mirrored", "--yes")


def image(name: str, **spec: Any) -> Manifest:
    """An Image in the namespace default."""
    about = {"name": name, "namespace": "default"}
    return {"apiVersion": "quantix.io/v1alpha1", "kind": "Image", "metadata": about, "spec": spec}
