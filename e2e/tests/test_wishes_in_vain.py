"""What nobody can give: it is not sent, or ends at once and tells what stays; nothing keeps room for it."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from quantix_api.quantities import size_bytes
from quantix_lab.machine_view import MachineView, Manifest
from quantix_lab.vm_manifests import small_vm

TOO_MUCH = "Pool local can promise"


@pytest.fixture(scope="module")
def server(view: MachineView, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a web server that has nothing."""
    with view.machine.serving(tmp_path_factory.mktemp("www"), 8082) as address:
        yield address


def refused(view: MachineView, typed: str, *, within_s: float = 20.0) -> str:
    """What `qx` says where it does not do what was typed: soon, though it would have waited."""
    begun_s = time.monotonic()
    done = view.machine.qx(*typed.split(), check=False)
    assert done.returncode in (1, 2, 6), f"{typed}: {done.stdout}{done.stderr}"
    assert time.monotonic() - begun_s < within_s, f"{typed}: {done.stderr}"
    return done.stderr


def test_what_nobody_can_give_is_not_sent(view: MachineView, web: Manifest) -> None:
    address = web["status"]["addresses"][0]
    gateway = f"{address.rpartition('.')[0]}.1"
    create = "vm create bad --image shared/tiny --network"
    assert f"Address {gateway} is the gateway of network" in refused(
        view, f"{create} shared/default,address={gateway}"
    )
    assert "belongs to VM default/web-1" in refused(view, f"{create} shared/default,address={address}")
    assert "belongs to NIC eth0" in refused(
        view, f"vm attach web-1 --network shared/default,address={address}"
    )
    assert TOO_MUCH in refused(view, f"{create} none --disk 100TiB")
    assert TOO_MUCH in refused(view, "vm attach web-1 --disk 100TiB")
    assert TOO_MUCH in refused(view, "volume create bad --size 100TiB")
    assert TOO_MUCH in refused(view, "volume resize web-1-root 100TiB")
    assert (view.find("vm", "bad"), view.find("volume", "bad")) == (None, None)
    assert view.get("vm", "web-1")["metadata"]["generation"] == web["metadata"]["generation"]


def test_a_vm_that_can_start_nowhere_takes_no_room_until_its_address_is_mended(
    view: MachineView, web: Manifest
) -> None:
    gateway = f"{web['status']['addresses'][0].rpartition('.')[0]}.1"
    nic = {"name": "eth0", "network": "shared/default", "addresses": [gateway]}
    view.apply(small_vm("gateway", nics=[nic], gracePeriodSeconds=0))
    said = view.wait_reason("vm", "gateway", "AddressReserved")["message"]
    assert "is the gateway of network quantix-shared/default" in said
    assert (view.find("volume", "gateway-root"), view.get("vm", "gateway")["status"].get("assignment")) == (
        None,
        None,
    )
    view.machine.qx("vm", "detach", "gateway", "eth0")
    view.wait_ready("gateway", reason="Running", timeout_s=60)
    view.machine.qx("vm", "delete", "gateway", "--yes", "--volumes", timeout_s=90)


def test_an_image_that_its_server_does_not_give_ends_the_wait_and_is_named(
    view: MachineView, server: str
) -> None:
    said = refused(view, f"image create lost --url {server}/missing.qcow2")
    assert "answered 404 for missing.qcow2" in said
    assert "qx image delete lost removes it" in said
    said = refused(view, "vm create of-lost --image lost --size 1GiB")
    assert "of-lost waits: " in said
    assert "qx vm delete of-lost removes it" in said
    said = refused(view, "image create inside --url http://127.0.0.1:9/x.qcow2")
    assert "Image inside stays." in said
    assert "Nothing comes of image inside" in refused(view, "vm create of-inside --image inside")
    assert view.find("vm", "of-inside") is None
    view.machine.qx("vm", "delete", "of-lost", "--yes", "--volumes", timeout_s=90)
    view.machine.qx("image", "delete", "lost", "inside", "--yes")


def test_a_disk_of_a_vm_that_is_off_says_that_its_pool_has_no_room(view: MachineView, web: Manifest) -> None:
    pool = view.get("storagepool", "local")
    most_bytes = size_bytes(pool["status"]["capacity"]) * pool["spec"]["overcommitPercent"] // 100
    view.machine.qx("vm", "create", "off", "--image", "shared/tiny", "--size", "1GiB", "--stopped")
    # what is left of the pool beside what web-1 and this one have
    for more in ("", " --no-wait"):
        said = refused(view, f"volume resize off-root {most_bytes >> 20}MiB{more}")
        assert "It is made by itself once there is room" in said
    view.machine.qx("vm", "delete", "off", "--yes", "--volumes")
