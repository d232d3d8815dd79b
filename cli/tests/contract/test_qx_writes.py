"""What `qx` writes to a real API server, and that what it shows does the same when it is run elsewhere."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from quantix_lab.api_as import ApiAs
from quantix_lab.api_objects import RESOURCES
from quantix_lab.control_plane import ControlPlane
from quantix_lab.qx_process import NAMESPACE, Qx

ELSEWHERE = "qx-elsewhere"
DEFAULTS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("InstanceType", "", {"default": True, "cpu": {"cores": 1}, "memory": {"size": "1Gi"}}),
    ("Network", "quantix-shared", {"default": True, "subnets": [{"cidr": "10.9.0.0/24"}]}),
    ("Image", "quantix-shared", {"upload": {}, "loginUser": "root"}),
    ("StoragePool", "", {"default": True, "dir": {"path": "/var/lib/quantix/pools/offered"}}),
)


@pytest.fixture(scope="module")
def made(qx: Qx) -> Iterator[Qx]:
    """`qx` with an instance type, a network, an image and a pool for all, and a second namespace."""
    for kind, namespace, spec in DEFAULTS:
        metadata = {"name": "offered"} | ({"namespace": namespace} if namespace else {})
        manifest = {"apiVersion": "quantix.io/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec}
        qx.control_plane.kubectl("apply", "--server-side", "-f", "-", stdin=json.dumps(manifest))
    qx.control_plane.kubectl("create", "namespace", ELSEWHERE)
    yield qx
    qx.control_plane.kubectl("delete", "namespace", ELSEWHERE, "--wait=false")


def stored(plane: ControlPlane, kind: str, name: str, namespace: str = NAMESPACE) -> dict[str, Any]:
    with ApiAs(plane.admin_kubeconfig) as admin:
        answer = admin.call("GET", RESOURCES[kind].path(namespace, name))
    assert answer.code == 200, answer.message
    return answer.body


def run_elsewhere(qx: Qx, script: str, tmp_path: Path) -> None:
    """Run what `--show-yaml` printed, for the other namespace, as a person would paste it."""
    kubectl = tmp_path / "kubectl"
    kubectl.write_text(f'#!/bin/sh\nexec {qx.control_plane.binary} kubectl "$@"\n')
    kubectl.chmod(0o755)
    environment = {
        "PATH": f"{tmp_path}:{os.defpath}",
        "KUBECONFIG": str(qx.control_plane.admin_kubeconfig),
        "HOME": str(tmp_path),
    }
    pasted = script.replace(NAMESPACE, ELSEWHERE)
    done = subprocess.run(
        ["sh", "-e"], input=pasted, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr


# each makes what the next ones change
WRITES = [
    ("VirtualMachine", "made", "vm create made --image shared/offered --disk 1GiB --label a=b --no-wait"),
    ("VirtualMachine", "made", "vm set made --cpu 2 --memory 2GiB --label c=d --no-wait"),
    ("VirtualMachine", "made", "vm set made --max-cpu 4 --max-memory 4GiB --no-wait"),
    ("VirtualMachine", "made", "vm attach made --network shared/offered,address=10.9.0.7 --no-wait"),
    ("VirtualMachine", "made", "vm attach made --iso shared/offered --no-wait"),
    ("VirtualMachine", "made", "vm detach made disk1 --no-wait"),
    ("VirtualMachine", "made", "vm stop made --no-wait"),
    ("VirtualMachine", "made", "vm restart made --no-wait"),
    ("Volume", "data", "volume create data --size 1GiB --no-wait"),
    ("Volume", "data", "volume set data --protect"),
    ("Volume", "data", "volume resize data 2GiB --no-wait"),
    ("Volume", "data", "volume move data --pool offered --no-wait"),
    ("Image", "debian", "image create debian --url https://example.com/x.qcow2 --no-wait"),
    ("Image", "debian", "image set debian --login-user debian"),
    ("Network", "db", "network create db --subnet 10.20.1.0/24 --exclude 10.20.1.2-10.20.1.9 --no-wait"),
    ("Network", "db", "network set db --mtu 1400 --dns 10.20.1.3"),
    ("SecurityGroup", "web", "securitygroup create web --allow tcp:80,443 --from 10.0.0.0/8 --no-wait"),
    ("SecurityGroup", "web", "securitygroup set web --allow udp:53 --from web --allow icmp"),
    ("SecurityGroup", "web", "securitygroup set web --remove tcp:80,443 --from 10.0.0.0/8"),
    ("Router", "r1", "router create r1 --network db --external shared/offered --no-wait"),
    ("Network", "web", "network create web --subnet 10.20.2.0/24 --no-wait"),
    ("Router", "r1", "router set r1 --add-network web --remove-network db"),
    ("FloatingIP", "out", "floatingip create out --vm made --label a=b --no-wait"),
    ("FloatingIP", "out", "floatingip detach out --no-wait"),
    ("FloatingIP", "out", "fip attach out made --nic eth0 --no-wait"),
    ("FloatingIP", "out", "floatingip set out --label c=d"),
    ("FloatingIP", "kept", "floatingip create kept --network db --address 10.20.1.20 --no-wait"),
]


def test_what_is_shown_makes_the_same_when_it_is_run_elsewhere(made: Qx, tmp_path: Path) -> None:
    for kind, name, typed in WRITES:
        written = made.in_namespace(*typed.split(), "--show-yaml")
        assert written.returncode == 0, f"{typed}: {written.stderr}"
        run_elsewhere(made, written.stdout, tmp_path)
        here, there = (stored(made.control_plane, kind, name, where) for where in (NAMESPACE, ELSEWHERE))
        assert here["spec"] == there["spec"], typed
        assert here["metadata"].get("labels") == there["metadata"].get("labels"), typed


@pytest.mark.parametrize(
    "typed",
    [
        "pool create tried --path /srv/tried --default --overcommit 150",
        "pool set offered --no-default --label tier=gold",
        "vm create tried --image shared/offered",
        "vm set web-1 --memory 8GiB",
        "vm attach web-1 --disk 5GiB",
        "vm delete web-1",
        "volume create tried --size 1GiB",
        "vm stop web-1 --now",
    ],
)
def test_a_dry_run_is_checked_shows_what_would_change_and_changes_nothing(made: Qx, typed: str) -> None:
    before = made.control_plane.kubectl("get", "vm,volume,pool", "-n", NAMESPACE, "-o", "yaml")
    tried = made.in_namespace(*typed.split(), "--dry-run")
    assert tried.returncode == 0, tried.stderr
    assert tried.stdout.startswith("--- ")
    only_shown = made.in_namespace(*typed.split(), "--dry-run", "--show-yaml")
    assert (only_shown.returncode, only_shown.stdout.split()[0]) == (0, "kubectl")
    assert made.control_plane.kubectl("get", "vm,volume,pool", "-n", NAMESPACE, "-o", "yaml") == before


def test_a_pool_is_made_and_changed_as_it_is_shown(made: Qx) -> None:
    create = ("pool", "create", "fast", "--path", "/srv/fast", "--overcommit", "150")
    shown = made.in_namespace(*create, "--dry-run", "--show-yaml").stdout
    assert "namespace" not in shown
    made.control_plane.kubectl("create", "-f", "-", stdin=shown.partition("\n")[2].rpartition("EOF")[0])
    by_hand = stored(made.control_plane, "StoragePool", "fast")["spec"]
    taken = made.in_namespace(*create, "--no-wait")
    assert (taken.returncode, "(NameTaken)" in taken.stderr) == (6, True)
    assert made.in_namespace("pool", "delete", "fast", "--yes").returncode == 0
    assert made.in_namespace(*create, "--no-wait").returncode == 0
    assert stored(made.control_plane, "StoragePool", "fast")["spec"] == by_hand
    assert made.in_namespace("pool", "set", "fast", "--default", "--label", "tier=gold").returncode == 0
    changed = stored(made.control_plane, "StoragePool", "fast")
    assert (changed["spec"]["default"], changed["metadata"]["labels"]) == (True, {"tier": "gold"})
    assert "is so already" in made.in_namespace("pool", "set", "fast", "--default").stderr
    made.control_plane.kubectl("delete", "pool", "fast")


def test_a_dry_run_is_refused_like_the_write_itself(made: Qx) -> None:
    tried = made.in_namespace("network", "create", "bad", "--subnet", "127.0.0.0/24", "--dry-run")
    assert (tried.returncode, tried.stdout) == (6, "")
    assert "has loopback" in tried.stderr


def test_the_manifest_of_a_dry_run_makes_the_same_vm(made: Qx) -> None:
    words = ("vm", "create", "same", "--image", "shared/offered")
    manifest = made.in_namespace(*words, "--dry-run", "-o", "yaml").stdout
    made.control_plane.kubectl("apply", "-f", "-", stdin=manifest.replace(NAMESPACE, ELSEWHERE))
    assert made.in_namespace(*words, "--no-wait").returncode == 0
    here, there = (
        stored(made.control_plane, "VirtualMachine", "same", where) for where in (NAMESPACE, ELSEWHERE)
    )
    assert here["spec"] == there["spec"]


def test_the_manifest_of_a_change_is_the_whole_object_without_what_the_server_adds(made: Qx) -> None:
    shown = made.in_namespace("vm", "set", "web-1", "--memory", "8GiB", "--dry-run", "-o", "yaml").stdout
    assert "    size: 8Gi" in shown
    assert not {"uid:", "status:", "managedFields:", "resourceVersion:", "finalizers:"} & set(shown.split())


def test_a_copy_that_would_be_readable_is_not_sent(made: Qx) -> None:
    source = ("volume", "create", "safe", "--size", "1GiB", "--secret", "k", "--no-wait")
    early = made.in_namespace(*source)
    assert (early.returncode, "There is no Secret k here." in early.stderr) == (5, True)
    made.control_plane.kubectl("create", "secret", "generic", "k", "-n", NAMESPACE)
    assert made.in_namespace(*source).returncode == 0
    copy = ("volume", "create", "bare", "--from", "safe", "--no-wait")
    refused = made.in_namespace(*copy)
    assert refused.returncode == 6
    assert "Volume safe is encrypted" in refused.stderr
    assert "Try: the same with --secret k" in refused.stderr
    assert made.in_namespace("volume", "show", "bare").returncode == 5
    assert made.in_namespace(*copy, "--secret", "k").returncode == 0


def test_a_copy_of_a_volume_that_is_not_there_is_not_sent(made: Qx) -> None:
    refused = made.in_namespace("volume", "create", "later", "--from", "nowhere", "--no-wait")
    assert (refused.returncode, "There is no volume nowhere here." in refused.stderr) == (5, True)
    assert made.in_namespace("volume", "show", "later").returncode == 5


def test_a_name_that_is_taken_and_an_image_that_is_not_there(made: Qx) -> None:
    taken = made.in_namespace("vm", "create", "web-1", "--image", "shared/offered")
    assert (taken.returncode, "(NameTaken)" in taken.stderr) == (6, True)
    missing = made.in_namespace("vm", "create", "x", "--image", "offered")
    assert (missing.returncode, "Did you mean shared/offered?" in missing.stderr) == (5, True)


def test_what_is_so_already_is_told_and_not_written(made: Qx) -> None:
    words = ("vm", "set", "web-2", "--label", "tier=gold")
    assert made.in_namespace(*words).returncode == 0
    before = stored(made.control_plane, "VirtualMachine", "web-2")["metadata"]["resourceVersion"]
    again = made.in_namespace(*words)
    assert (again.returncode, again.stderr) == (0, "web-2 is so already.\n")
    assert stored(made.control_plane, "VirtualMachine", "web-2")["metadata"]["resourceVersion"] == before


def test_a_change_of_several_by_a_glob_asks_first(made: Qx) -> None:
    asked = made.in_namespace("vm", "set", "web-*", "--memory", "4GiB")
    assert (asked.returncode, "--yes" in asked.stderr) == (2, True)


def test_a_size_without_the_i_is_read_as_binary_and_told(made: Qx) -> None:
    tried = made.in_namespace("vm", "set", "web-1", "--memory", "3G", "--dry-run")
    assert "3G is read as 3GiB." in tried.stderr
    assert "+    size: 3Gi" in tried.stdout


def test_a_vm_that_is_off_is_not_reset(made: Qx) -> None:
    made.in_namespace("vm", "stop", "web-2", "--no-wait")
    pressed = made.in_namespace("vm", "reset", "web-2", "--yes")
    assert (pressed.returncode, "cannot be reset" in pressed.stderr) == (6, True)
