"""A volume is deleted while others are still to be made from it: real control plane, operator and hostd."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from quantix_api.conditions import condition_of
from quantix_lab.host_cluster import HostCluster
from quantix_lab.host_objects import apply, place, ready, reason


def volume(cluster: HostCluster, name: str, spec: dict[str, Any], namespace: str = "default") -> None:
    apply(cluster, {"kind": "Volume", "metadata": {"name": name, "namespace": namespace}, "spec": spec})


def made(cluster: HostCluster, name: str, namespace: str = "default") -> Path:
    """An empty volume; where its data lies."""
    volume(cluster, name, {"size": "16Mi"}, namespace)
    place(cluster, "Volume", name, namespace)
    cluster.eventually(lambda: ready(cluster.get("volume", name, namespace)) == "True")
    uid = str(cluster.get("volume", name, namespace)["metadata"]["uid"])
    return cluster.layout.local_pool / "volumes" / uid


def waiting_copy(cluster: HostCluster, name: str, source: str, namespace: str = "default") -> None:
    """One that no host has, since there is no such pool."""
    volume(cluster, name, {"source": {"volume": source}, "pool": "later"}, namespace)
    cluster.eventually(lambda: reason(cluster.get("volume", name, namespace)) == "PoolNotFound")


def delete(cluster: HostCluster, name: str) -> None:
    cluster.kubectl("delete", "volume", name, "-n", "default", "--wait=false")


def kept_for(cluster: HostCluster, name: str) -> str:
    """What a volume that is deleted waits for, once it says so."""
    cluster.eventually(lambda: reason(cluster.get("volume", name)) == "InUse")
    return str(condition_of(cluster.get("volume", name), "Ready")["message"])


def test_it_goes_once_what_no_host_had_when_it_was_deleted_is_made_from_it(cluster: HostCluster) -> None:
    data = made(cluster, "source")
    waiting_copy(cluster, "copy", "source")
    delete(cluster, "source")
    assert "still to be made from it is made: copy." in kept_for(cluster, "source")
    assert (data / "data").exists()
    cluster.kubectl("patch", "volume", "copy", "--type=merge", "-p", json.dumps({"spec": {"pool": "local"}}))
    cluster.eventually(lambda: ready(cluster.get("volume", "copy")) == "True")
    cluster.eventually(lambda: not cluster.get("volume", "source"))
    assert not data.exists()
    assert cluster.get("volume", "copy")["status"]["capacity"] == "16Mi"


def test_it_goes_once_nobody_wants_the_copy_and_a_later_copy_says_what_is_missing(
    cluster: HostCluster,
) -> None:
    data = made(cluster, "unloved")
    waiting_copy(cluster, "unmade", "unloved")
    delete(cluster, "unloved")
    assert "unmade" in kept_for(cluster, "unloved")
    delete(cluster, "unmade")
    cluster.eventually(lambda: not cluster.get("volume", "unmade"))
    cluster.eventually(lambda: not cluster.get("volume", "unloved"))
    assert not data.exists()
    volume(cluster, "late", {"source": {"volume": "unloved"}})
    cluster.eventually(lambda: reason(cluster.get("volume", "late")) == "SourceNotFound")


def test_a_namespace_goes_with_a_source_and_its_unmade_copy(cluster: HostCluster) -> None:
    cluster.kubectl("create", "namespace", "team")
    data = made(cluster, "source", "team")
    waiting_copy(cluster, "copy", "source", "team")
    cluster.kubectl("delete", "namespace", "team", "--wait=false")
    cluster.eventually(lambda: not cluster.get("namespace", "team"), timeout_s=90)
    assert not data.exists()
