"""What a guest finds in the drive of its first-boot settings, and what a VM waits for."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path
from typing import Any

import pycdlib
import pytest

from quantix_api import VirtualMachine
from quantix_api.errors import WaitingError
from quantix_api.layout import Layout
from quantix_api.resources import SECRETS, Resource
from quantix_client.errors import Forbidden, NotFound
from quantix_hostd.clients.files import FileOwner
from quantix_hostd.firstboot.drive import FirstBootMaker
from quantix_hostd.firstboot.render import hostname, render_seed
from quantix_hostd.secret_values import SecretValues


class Secrets:
    """The API with at most one Secret."""

    def __init__(self, answer: dict[str, Any] | Exception) -> None:
        self.answer = answer

    async def get(self, resource: Resource, name: str, namespace: str | None = None) -> dict[str, Any]:
        assert (resource, name, namespace) == (SECRETS, "web", "default")
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def vm(cloud_init: dict[str, Any] | None, name: str = "web-1.example") -> VirtualMachine:
    nics = [{"name": "eth0", "mac": "02:00:00:00:00:01", "network": "n", "port": "p", "addresses": []}]
    spec: dict[str, Any] = {"disks": []} | ({"cloudInit": cloud_init} if cloud_init is not None else {})
    metadata = {"name": name, "namespace": "default", "uid": "0a1b"}
    return VirtualMachine.model_validate({"metadata": metadata, "spec": spec, "status": {"nics": nics}})


def read(path: Path, name: str) -> bytes:
    iso = pycdlib.PyCdlib()
    iso.open(str(path))
    content = io.BytesIO()
    iso.get_file_from_iso_fp(content, joliet_path=f"/{name}")
    iso.close()
    return content.getvalue()


def test_the_least_seed_has_a_name_an_instance_and_dhcp_on_every_nic() -> None:
    files = render_seed(vm({}), "")
    meta = json.loads(files["meta-data"])
    assert meta == {"instance-id": "0a1b", "local-hostname": "web-1", "public-keys": []}
    network = json.loads(files["network-config"])
    assert network["version"] == 2
    assert network["ethernets"]["eth0"] == {
        "match": {"macaddress": "02:00:00:00:00:01"},
        "dhcp4": True,
        "dhcp6": True,
    }
    assert files["user-data"].startswith(b"#cloud-config")


def test_what_the_user_says_stands_as_it_is() -> None:
    cloud_init = {
        "instanceID": "2",
        "hostname": "db",
        "sshAuthorizedKeys": ["ssh-ed25519 AAAA a"],
        "networkData": "version: 1\n",
    }
    files = render_seed(vm(cloud_init), "#!/bin/sh\necho hi\n")
    meta = json.loads(files["meta-data"])
    assert (meta["instance-id"], meta["local-hostname"]) == ("2", "db")
    assert meta["public-keys"] == ["ssh-ed25519 AAAA a"]
    assert (files["user-data"], files["network-config"]) == (b"#!/bin/sh\necho hi\n", b"version: 1\n")


def test_a_long_name_becomes_a_legal_hostname() -> None:
    assert hostname(vm({}, "a" * 62 + "-bcd")) == "a" * 62


async def test_the_seed_is_written_once_readable_by_its_group_only(tmp_path: Path) -> None:
    maker = FirstBootMaker(SecretValues(Secrets(NotFound("x"))), Layout(tmp_path), FileOwner.current())
    path = await maker.ensure_drive(vm({"userData": "#cloud-config\n"}))
    assert path == Layout(tmp_path).vm_run("0a1b") / "seed.iso"
    assert path.stat().st_mode & 0o777 == 0o440
    assert read(path, "user-data") == b"#cloud-config\n"
    inode = path.stat().st_ino
    await maker.ensure_drive(vm({"userData": "#cloud-config\n"}))
    assert path.stat().st_ino == inode
    await maker.ensure_drive(vm({"userData": "#cloud-config\nx: 1\n"}))
    assert path.stat().st_ino != inode


async def test_a_vm_without_cloud_init_has_no_seed(tmp_path: Path) -> None:
    maker = FirstBootMaker(SecretValues(Secrets(NotFound("x"))), Layout(tmp_path), FileOwner.current())
    assert await maker.ensure_drive(vm(None)) is None


async def test_user_data_comes_from_the_secret(tmp_path: Path) -> None:
    secret = {"data": {"userData": base64.b64encode(b"#cloud-config\nfrom: secret\n").decode()}}
    maker = FirstBootMaker(SecretValues(Secrets(secret)), Layout(tmp_path), FileOwner.current())
    path = await maker.ensure_drive(vm({"userDataSecretRef": {"name": "web"}}))
    assert path is not None
    assert b"from: secret" in read(path, "user-data")


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (NotFound("x"), "SecretNotFound"),
        (Forbidden("x"), "SecretNotGranted"),
        ({"data": {}}, "SecretNotFound"),
        ({"data": {"userData": "?"}}, "SecretNotFound"),
        ({"data": {"userData": "//79"}}, "SecretNotFound"),
        ({"data": {"userData": base64.b64encode(b"#" * ((1 << 20) + 1)).decode()}}, "SecretNotFound"),
    ],
)
async def test_it_waits_for_a_secret_that_cannot_be_read(answer: Any, reason: str, tmp_path: Path) -> None:
    maker = FirstBootMaker(SecretValues(Secrets(answer)), Layout(tmp_path), FileOwner.current())
    with pytest.raises(WaitingError) as caught:
        await maker.ensure_drive(vm({"userDataSecretRef": {"name": "web"}}))
    assert caught.value.reason == reason
    assert "Secret web" in caught.value.message
    assert not (Layout(tmp_path).vm_run("0a1b") / "seed.iso").exists()


ANSWERS = "<unattend/>".encode("utf-16")


async def test_windows_finds_its_answers_under_both_names_as_they_were_written(tmp_path: Path) -> None:
    secret = {"data": {"unattend.xml": base64.b64encode(ANSWERS).decode()}}
    maker = FirstBootMaker(SecretValues(Secrets(secret)), Layout(tmp_path), FileOwner.current())
    path = await maker.ensure_drive(windows())
    assert path == Layout(tmp_path).vm_run("0a1b") / "seed.iso"
    assert path.stat().st_mode & 0o777 == 0o440
    assert [read(path, name) for name in ("autounattend.xml", "unattend.xml")] == [ANSWERS, ANSWERS]


async def test_windows_waits_for_its_answers_and_names_the_field(tmp_path: Path) -> None:
    maker = FirstBootMaker(SecretValues(Secrets(NotFound("x"))), Layout(tmp_path), FileOwner.current())
    with pytest.raises(WaitingError, match="Secret web") as caught:
        await maker.ensure_drive(windows())
    assert (caught.value.reason, "spec.sysprep.secretRef" in caught.value.hint) == ("SecretNotFound", True)


def windows() -> VirtualMachine:
    machine = vm(None).model_dump(by_alias=True, exclude_none=True)
    machine["spec"] |= {"os": "Windows", "sysprep": {"secretRef": {"name": "web"}}}
    return VirtualMachine.model_validate(machine)
