"""Quantix' API in a control plane, as `qx up` installs it, for tests that start no platform.

Installing everything takes a control plane 11 s of CPU, a start with data in which it is 3 s. So manifests
are installed once for a binary, and worlds begin with a copy of that database: it lies beside the binary in
the cache of builds. Keys, certificates and the identity of the data directory are no part of
it; each control plane makes its own, as at any first start.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import shutil
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from quantix_api.installation import STAGES, stage_manifests, version_of
from quantix_api.times import render_time
from quantix_lab.api_as import ApiAs
from quantix_lab.control_plane import LAVISH, ControlPlane

_SERVED_S = 30.0
_LOOK_S = 0.1
_PROBE = {"apiVersion": "quantix.io/v1alpha1", "kind": "Host", "metadata": {"name": "probe"}, "spec": {}}
_HOSTS = "/apis/quantix.io/v1alpha1/hosts"
_TRUSTED = "/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication"
_KEPT = 6
"""Databases that stay beside a binary, for who goes back and forth between checkouts: two for each."""


@contextmanager
def installed_plane(
    root: Path,
    flags: Sequence[str] = (),
    stages: Sequence[str] = STAGES,
    environment: Mapping[str, str] = LAVISH,
) -> Iterator[ControlPlane]:
    """A new control plane below `root`, as `start_installed` leaves it, as long as one is inside."""
    plane = ControlPlane(root, flags=flags, environment=environment)
    try:
        start_installed(plane, stages)
        yield plane
    finally:
        plane.stop()


def start_installed(plane: ControlPlane, stages: Sequence[str] = STAGES) -> None:
    """Start `plane`, which has no data yet, with all that Quantix ships, or with some `stages` of
    `quantix_api.installation`; returns once it serves our kinds.

    Raises ControlPlaneError when it does not start, TimeoutError when it does not serve them within 30 s.
    """
    manifests = tuple(manifest for stage in stages for manifest in stage_manifests(stage))
    _begin_with_copy(plane, manifests)
    plane.start()
    _trust_own_authority_alone(plane)
    wait_until_served(plane)


def install(plane: ControlPlane, manifests: Iterable[Mapping[str, Any]]) -> None:
    """Apply `manifests` of `quantix_api.installation`; returns once the server takes objects of our kinds.

    Raises ControlPlaneError when they are refused, TimeoutError when it does not within 30 s.
    """
    plane.kubectl("apply", "--server-side", "-f", "-", stdin=yaml.safe_dump_all(manifests))
    plane.kubectl("wait", "--for=condition=Established", "crd", "--all", f"--timeout={_SERVED_S:.0f}s")
    wait_until_served(plane)


def wait_until_served(plane: ControlPlane) -> None:
    """A policy that changes objects knows a new kind some seconds after it is Established; until then the
    server answers 503. Raises TimeoutError after 30 s.
    """
    deadline = time.monotonic() + _SERVED_S
    with ApiAs(plane.admin_kubeconfig) as admin:
        while (answer := admin.create(_HOSTS, _PROBE, parameters=("dryRun=All",))).code != 201:
            if time.monotonic() > deadline:
                raise TimeoutError(f"our kinds are not served after {_SERVED_S:.0f} s: {answer.message}")
            time.sleep(_LOOK_S)


def _begin_with_copy(plane: ControlPlane, manifests: Sequence[Mapping[str, Any]]) -> None:
    """Give it the database with the manifests, and the marker of a directory whose control plane was never
    ready: such a one makes its keys (controlplane/internal/identity).
    """
    made = database_of(plane, manifests)
    with made.with_name("installed.lock").open("w") as lock:
        # also while it is copied: who makes another one takes old ones away
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            _make(made, manifests)
        plane.data_dir.mkdir(parents=True, mode=0o700)
        _copy(made, plane.data_dir / "etcd")
    marker = {
        "format": 1,
        "id": str(uuid.uuid4()),
        "madeBy": "test",
        "madeAt": render_time(datetime.now(UTC)),
    }
    (plane.data_dir / "cluster.json").write_text(json.dumps({**marker, "initialized": False}))


def database_of(plane: ControlPlane, manifests: Sequence[Mapping[str, Any]]) -> Path:
    """Where etcd's directory with these manifests lies once it is made. Its name tells what it is made of:
    them, and the way in which they are installed.
    """
    own = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:8]
    return plane.binary.with_name(f"installed-{version_of(manifests)}-{own}")


def _copy(database: Path, place: Path) -> None:
    """Without the 60 MB that etcd reserves for its log."""
    subprocess.run(["cp", "-a", "--sparse=always", database, place], check=True)


def _make(made: Path, manifests: Sequence[Mapping[str, Any]]) -> None:
    """Install the manifests once and keep the database as `made`, whole or not at all."""
    for rest in made.parent.glob(".installing-*"):
        shutil.rmtree(rest)  # of one that was killed: we have the lock
    with tempfile.TemporaryDirectory(prefix=".installing-", dir=made.parent) as root:
        with ControlPlane(Path(root)) as plane:
            install(plane, manifests)
            with ApiAs(plane.admin_kubeconfig) as admin:
                secrets = admin.call("GET", "/api/v1/secrets").body["items"]
            # each world has a key of its own, with which it could not read them
            assert not secrets, "what is installed holds secrets"
        whole = Path(root) / "whole"
        _copy(plane.data_dir / "etcd", whole)
        whole.rename(made)
    for old in sorted(made.parent.glob("installed-*"), key=lambda path: path.stat().st_mtime)[:-_KEPT]:
        shutil.rmtree(old)


def _trust_own_authority_alone(plane: ControlPlane) -> None:
    """The API server adds its authority to those that are published already, and the copy brings one: of a
    key that is gone.
    """
    own = (plane.data_dir / "pki/ca.crt").read_text()
    with ApiAs(plane.admin_kubeconfig) as admin:
        deadline = time.monotonic() + _SERVED_S
        while own not in _trusted(admin):
            if time.monotonic() > deadline:
                raise TimeoutError(f"the authority is not published after {_SERVED_S:.0f} s")
            time.sleep(_LOOK_S)
        admin.merge(_TRUSTED, {"data": {"client-ca-file": own}})
        assert _trusted(admin) == own


def _trusted(admin: ApiAs) -> str:
    return str(admin.call("GET", _TRUSTED).body["data"]["client-ca-file"])
