"""The control plane as everybody else sees it: it starts, answers, keeps its data and ends."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from quantix_lab.control_plane import ControlPlane, ControlPlaneError

MAX_RSS_MB = 400
DIRECTORIES = {"data": "data", "config": "etc", "run": "run", "log": "log"}


@pytest.fixture
def own(tmp_path: Path) -> Iterator[ControlPlane]:
    """A control plane that a test may kill, and measure."""
    with ControlPlane(tmp_path, environment={}) as running:
        yield running


def test_a_fresh_one_answers_kubectl(control_plane: ControlPlane) -> None:
    names = control_plane.kubectl("get", "namespaces", "-o", "name").split()
    assert {"namespace/default", "namespace/kube-system"} <= set(names)


def test_it_says_what_kubernetes_it_is(control_plane: ControlPlane) -> None:
    assert "Server Version: v1." in control_plane.kubectl("version")


def test_strangers_see_its_health_and_nothing_else(control_plane: ControlPlane) -> None:
    answers = {
        path: control_plane.get_anonymously(path)
        for path in ("/livez", "/readyz", "/healthz", "/version", "/api", "/api/v1/namespaces", "/metrics")
    }
    assert {path for path, status in answers.items() if status == 200} == {"/livez", "/readyz", "/healthz"}
    assert {status for status in answers.values() if status != 200} == {401}


def test_the_store_listens_nowhere_but_on_its_own_socket(control_plane: ControlPlane) -> None:
    """No TCP port but the API's, and no abstract unix socket, which any local user could reach."""
    inodes = {
        link.readlink().name.removeprefix("socket:[").removesuffix("]")
        for link in Path(f"/proc/{control_plane.pid}/fd").iterdir()
        if link.is_symlink() and str(link.readlink()).startswith("socket:[")
    }
    tcp = [
        int(fields[1].rpartition(":")[2], 16)
        for table in ("tcp", "tcp6")
        for fields in map(str.split, Path(f"/proc/{control_plane.pid}/net/{table}").read_text().splitlines())
        if fields[3] == "0A" and fields[9] in inodes
    ]
    listening = {
        [*fields, ""][7]
        for fields in map(str.split, Path(f"/proc/{control_plane.pid}/net/unix").read_text().splitlines())
        if fields[3] == "00010000" and fields[6] in inodes
    }
    assert tcp == [control_plane.port]
    assert listening == {str(control_plane.run_dir / "store.sock")}
    assert control_plane.run_dir.stat().st_mode & 0o777 == 0o700


def test_what_was_written_survives_kill_9(
    own: ControlPlane, record_property: Callable[[str, object], None]
) -> None:
    record_property("ready_from_empty_s", own.ready_s)
    own.kubectl("create", "configmap", "kept", "--from-literal=a=b")
    server = own.server
    own.kill9()
    own.start()
    record_property("ready_after_kill_s", own.ready_s)
    assert own.kubectl("get", "configmap", "kept", "-o", "jsonpath={.data.a}") == "b"
    assert own.server == server


def test_it_is_small_and_ends_when_asked_though_somebody_watches(own: ControlPlane) -> None:
    watch = subprocess.Popen(
        [str(own.binary), "kubectl", "get", "namespaces", "--watch", f"--kubeconfig={own.admin_kubeconfig}"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    try:
        assert watch.stdout is not None
        assert watch.stdout.readline().startswith(b"NAME")
        assert own.rss_mb() < MAX_RSS_MB
        assert own.stop(timeout_s=15) == 0
    finally:
        watch.kill()
        watch.communicate()


def test_a_second_one_on_the_same_directory_is_refused(control_plane: ControlPlane) -> None:
    done = subprocess.run(
        [
            str(control_plane.binary),
            "serve",
            "--port=0",
            *(f"--{name}-dir={control_plane.root / sub}" for name, sub in DIRECTORIES.items()),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 1
    assert f"is in use by another control plane (pid {control_plane.pid})" in done.stderr.splitlines()[-1]


def test_wrong_usage_is_exit_code_2(control_plane: ControlPlane) -> None:
    for words in (["serve", "--no-such-flag"], ["serve", "extra"], ["strat"], []):
        done = subprocess.run(
            [str(control_plane.binary), *words], capture_output=True, check=False, timeout=60
        )
        assert done.returncode == 2, words


def test_a_socket_path_that_is_too_long_is_refused(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 60) / ("e" * 60)
    with pytest.raises(ControlPlaneError, match="choose a shorter one") as refused:
        ControlPlane(deep).start()
    assert refused.value.exit_code == 2
