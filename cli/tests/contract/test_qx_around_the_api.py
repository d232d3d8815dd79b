"""`qx` beside the API: what a shell is offered, how ssh is called, and what works while the API is away."""

from __future__ import annotations

import json
import os
import tarfile
from pathlib import Path

import pytest

from quantix_lab.qx_process import NAMESPACE, Qx, virtual_machine

GUESTS = "qx-guests"


@pytest.fixture
def dead(qx: Qx, tmp_path: Path) -> Path:
    """A kubeconfig whose API does not answer."""
    file = tmp_path / "dead.kubeconfig"
    text = qx.control_plane.admin_kubeconfig.read_text()
    file.write_text(text.replace(f":{qx.control_plane.port}", ":1"))
    return file


def test_names_are_offered_as_they_are_in_the_api_and_kept_for_a_moment(qx: Qx, tmp_path: Path) -> None:
    home = {"HOME": str(tmp_path)}
    words = ("completion", "bash", "--", "vm", "explain", "-n", NAMESPACE, "db")
    assert qx(*words, **home).stdout == "db-1\n"
    [kept] = (tmp_path / ".cache/quantix/names").iterdir()
    assert "db-1" in json.loads(kept.read_text())


def test_completion_is_silent_while_the_api_is_away(qx: Qx, dead: Path, tmp_path: Path) -> None:
    words = ("completion", "bash", "--", "vm", "explain", "--kubeconfig", str(dead), "")
    offered = qx(*words, HOME=str(tmp_path))
    assert (offered.returncode, offered.stdout, offered.stderr) == (0, "", "")


def test_ssh_is_called_with_the_address_the_user_and_the_key_of_the_vm(qx: Qx, tmp_path: Path) -> None:
    plane = qx.control_plane
    plane.kubectl("create", "namespace", GUESTS)
    image = {"metadata": {"name": "tiny", "namespace": GUESTS}, "spec": {"upload": {}, "loginUser": "debian"}}
    machine = virtual_machine("guest")
    machine["metadata"]["namespace"] = GUESTS
    machine["spec"]["disks"] = [{"name": "root", "image": "tiny"}]
    for manifest in ({"apiVersion": "quantix.io/v1alpha1", "kind": "Image", **image}, machine):
        plane.kubectl("create", "-f", "-", stdin=json.dumps(manifest))
    status = {"assignment": {"host": "h1", "epoch": 1}, "addresses": ["fe80::1"]}
    patch = ("patch", "vm", "guest", "-n", GUESTS, "--subresource=status", "--type=merge")
    plane.kubectl(*patch, "-p", json.dumps({"status": status}))
    uid = json.loads(plane.kubectl("get", "vm", "guest", "-n", GUESTS, "-o", "json"))["metadata"]["uid"]

    ssh = tmp_path / "ssh"
    ssh.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    ssh.chmod(0o755)
    own = {"HOME": str(tmp_path), "PATH": f"{tmp_path}:{os.defpath}"}
    called = qx("vm", "ssh", "guest", "-n", GUESTS, "--", "uname", "-a", **own)
    assert called.returncode == 0, called.stderr
    words = called.stdout.splitlines()
    assert words[-5:] == ["-l", "debian", "fe80::1", "uname", "-a"]
    assert f"HostKeyAlias=quantix-{uid}" in words

    ssh.write_text("#!/bin/sh\nexit 255\n")
    away = qx("vm", "ssh", "guest", "-n", GUESTS, **own)
    assert away.returncode == 255
    assert "Nothing answers on port 22 of fe80::1 from this machine." in away.stderr
    assert "qx vm ssh -n qx-guests guest -- -J root@h1 goes through its host" in away.stderr
    plane.kubectl("delete", "namespace", GUESTS, "--wait=false")


def test_the_doctor_looks_at_the_machine_while_the_api_is_away(qx: Qx, dead: Path, tmp_path: Path) -> None:
    own = {"QUANTIX_KUBECONFIG": str(dead), "QUANTIX_ROOT": str(tmp_path)}
    told = qx("doctor", **own)
    assert told.returncode == 3
    assert "control plane  ✕ The API at 127.0.0.1:1 does not answer" in told.stdout
    for check in ("processes", "KVM", "disk", "clock"):
        assert any(line.startswith(check) for line in told.stdout.splitlines()), check
    checks = json.loads(qx("doctor", "-o", "json", **own).stdout)["checks"]
    assert {check["verdict"] for check in checks} >= {"Good", "Problem"}


def test_a_support_bundle_is_made_with_and_without_the_api(qx: Qx, dead: Path, tmp_path: Path) -> None:
    secret = {
        **virtual_machine("secretive"),
        "spec": virtual_machine("x")["spec"] | {"cloudInit": {"userData": "xyzzy"}},
    }
    qx.control_plane.kubectl("create", "-f", "-", stdin=json.dumps(secret))
    for name, kubeconfig in (("with", qx.control_plane.admin_kubeconfig), ("without", dead)):
        file = tmp_path / f"{name}.tar.gz"
        own = {"QUANTIX_KUBECONFIG": str(kubeconfig), "QUANTIX_ROOT": str(tmp_path)}
        made = qx("support-bundle", str(file), **own)
        assert (made.returncode, made.stdout) == (0, f"{file}\n"), made.stderr
        with tarfile.open(file) as tar:
            names = set(tar.getnames())
            texts = [extracted.read() for member in tar if (extracted := tar.extractfile(member))]
        assert (f"{name}/api/virtualmachines.yaml" in names) == (name == "with")
        assert ("objects of the API" in made.stderr) == (name == "without")
        assert not [text for text in texts if b"xyzzy" in text]
    again = qx("support-bundle", str(tmp_path / "with.tar.gz"))
    assert again.returncode == 6
