"""A pool of a real Ceph as hostd uses it, for contract tests."""

from __future__ import annotations

from quantix_hostd.claims import CephPool
from quantix_hostd.clients.ceph import CephAccess, CephClients
from quantix_lab.ceph_cluster import CephCluster

FAST = "quantix"
"""What Ceph calls the pool of StoragePool `fast`, and the user that has its images."""


def add_fast_pool(cluster: CephCluster) -> None:
    """Make the pool and its user."""
    cluster.make_pool(FAST)
    cluster.make_user(FAST, FAST)


def access_to(cluster: CephCluster) -> CephAccess:
    """To that pool."""
    return CephAccess(tuple(cluster.monitors), FAST, FAST, cluster.keys[FAST], "ceph")


def clients_of(cluster: CephCluster, host: str) -> CephClients:
    """Those of a host that knows the pool. Close them in the end."""
    clients = CephClients(host)
    clients.learn(CephPool("fast"), access_to(cluster))
    return clients
