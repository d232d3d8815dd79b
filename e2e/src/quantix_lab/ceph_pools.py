"""A pool of a real Ceph as hostd uses it, and as its administrator names it to Quantix."""

from __future__ import annotations

import base64

from quantix_hostd.claims import CephPool
from quantix_hostd.clients.ceph import CephClients
from quantix_hostd.clients.ceph_connection import CephAccess
from quantix_lab.ceph_cluster import CephCluster
from quantix_lab.vm_manifests import Manifest

FAST = "quantix"
"""What Ceph calls the pool of StoragePool `fast`, and the user that has its images."""


def add_fast_pool(cluster: CephCluster) -> None:
    """Make the pool and its user."""
    cluster.make_pool(FAST)
    cluster.make_user(FAST, FAST)


def key_secret(key: str, name: str = "ceph") -> Manifest:
    """The Secret with the key of a user as whom all hosts come."""
    return _secret("quantix-system", name, "key", key)


def own_key_secret(cluster: CephCluster, host: str, pool: str) -> Manifest:
    """The Secret with the key of a host's own user, which is made."""
    return _secret("quantix-hosts", host, pool, cluster.make_user(f"{FAST}.{host}", FAST))


def _secret(namespace: str, name: str, member: str, key: str) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": namespace},
        "data": {member: base64.b64encode(key.encode()).decode()},
    }


def ceph_pool(cluster: CephCluster, name: str = "fast", secret: str | None = "ceph") -> Manifest:
    """The StoragePool that lies in `FAST`; without a Secret for all, hosts come with their own keys."""
    place: Manifest = {"monitors": cluster.monitors, "pool": FAST, "user": FAST}
    place |= {"secretRef": {"name": secret}} if secret is not None else {}
    return {
        "apiVersion": "quantix.io/v1alpha1",
        "kind": "StoragePool",
        "metadata": {"name": name},
        "spec": {"rbd": place},
    }


def access_to(cluster: CephCluster) -> CephAccess:
    """To that pool."""
    return CephAccess(tuple(cluster.monitors), FAST, FAST, cluster.keys[FAST], "ceph")


def clients_of(cluster: CephCluster, host: str) -> CephClients:
    """Those of a host that knows the pool. Close them in the end."""
    clients = CephClients(host)
    clients.learn(CephPool("fast"), access_to(cluster))
    return clients
