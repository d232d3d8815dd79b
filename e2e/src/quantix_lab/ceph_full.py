"""Lets a pool of a real Ceph be full for a while: its quota is used, or its OSDs are at the full ratio."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from quantix_lab.ceph_cluster import CephCluster

_NOTICED_S = 60.0
# a command of Ceph takes 0.3 s of CPU
_LOOK_S = 0.4
# as `ceph osd dump` names them, from the first to the last that is reached, and their defaults
_RATIOS = {"nearfull": "0.85", "backfillfull": "0.9", "full": "0.95"}
_TINY = {"nearfull": "0.00001", "backfillfull": "0.00002", "full": "0.00003"}

Full = Callable[[CephCluster, str], AbstractContextManager[None]]


@contextmanager
def quota_used(cluster: CephCluster, pool: str) -> Iterator[None]:
    """While its quota is less than what is stored there. The cluster has a manager."""
    cluster.ceph("osd", "pool", "set-quota", pool, "max_bytes", "4096")
    try:
        _await_mark(cluster, pool, full=True)
        yield
    finally:
        cluster.ceph("osd", "pool", "set-quota", pool, "max_bytes", "0")
        _await_mark(cluster, pool, full=False)


@contextmanager
def osds_full(cluster: CephCluster, pool: str) -> Iterator[None]:
    """While all OSDs hold more than the full ratio allows."""
    for name, ratio in _TINY.items():
        cluster.ceph("osd", f"set-{name}-ratio", ratio)
    try:
        _await_mark(cluster, pool, full=True)
        yield
    finally:
        for name, ratio in reversed(_RATIOS.items()):
            cluster.ceph("osd", f"set-{name}-ratio", ratio)
        _await_mark(cluster, pool, full=False)


def _await_mark(cluster: CephCluster, pool: str, *, full: bool) -> None:
    """Until Ceph has marked the pool as full, or does so no more. Raises TimeoutError."""
    end = time.monotonic() + _NOTICED_S
    while _is_marked(cluster, pool) is not full:
        if time.monotonic() > end:
            raise TimeoutError(f"Ceph has not marked pool {pool} within {_NOTICED_S} s: full is {full}")
        time.sleep(_LOOK_S)


def _is_marked(cluster: CephCluster, pool: str) -> bool:
    pools = json.loads(cluster.ceph("osd", "pool", "ls", "detail", "-f", "json"))
    flags = next(found["flags_names"] for found in pools if found["pool_name"] == pool)
    return "full" in flags.split(",")
