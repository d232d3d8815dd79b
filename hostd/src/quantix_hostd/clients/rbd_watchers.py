"""Who has an RBD image open, and how what ended without a word is shut out of it.

A client that has an image open for writing watches it, and goes on to for half a minute after it was killed;
its last writes may be under way as long. Used by `pool_rbd`. Everything here blocks, and raises as
`CephClients.opened`.
"""

from __future__ import annotations

from quantix_hostd.claims import CephPool
from quantix_hostd.clients.blocklist import hosts_of, shut_out
from quantix_hostd.clients.ceph import CephClients
from quantix_hostd.clients.ceph_library import rbd
from quantix_hostd.clients.rbd_calls import remove_image


def shut_out_left(ceph: CephClients, pool: CephPool, name: str) -> int:
    """Let no write arrive any more of whoever of this host has the image open still, but this process; how
    many that were. The caller knows that none of them is to write any more.

    They are told by the address from which this process reaches the cluster. What has another is of another
    host, which a host never shuts out.
    """
    with ceph.opened(pool) as ioctx:
        try:
            with rbd().Image(ioctx, name, read_only=True) as image:
                watchers = list(image.watchers_list())
        except rbd().ImageNotFound:
            return 0
    if not watchers:
        return 0
    with ceph.monitored(pool) as cluster:
        own, addresses = cluster.get_instance_id(), hosts_of(cluster.get_addrs())
        left = [found["addr"] for found in watchers if found["id"] != own]
        ours = [client for client in left if hosts_of(client) & addresses]
        shut_out(cluster, ours)
    return len(ours)


def remove_left(ceph: CephClients, pool: CephPool, name: str) -> bool:
    """Remove an image that nobody of this host is to write any more; False for none. Raises TransientError
    (VolumeInUse) where another one stands on it.
    """
    # first: RBD would ask a client that was killed for its lock, for half a minute
    shut_out_left(ceph, pool, name)
    with ceph.opened(pool) as ioctx:
        return remove_image(ioctx, name)
