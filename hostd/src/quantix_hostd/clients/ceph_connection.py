"""One connection of this process to the Ceph cluster of a pool. Used by `ceph` only; everything here blocks.

Its timeouts are this daemon's only: QEMU waits for as long as it takes. Options: docs.ceph.com, "Ceph Client
Config Reference". Where a pool is full, clients hold their writes back, also those that remove. This daemon's
are sent all the same (librados, `rados_set_osdmap_full_try`): what takes no more room is done, so that
volumes are removed and claims change hands, and all else is refused at once.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from quantix_hostd.clients.blocklist import clients_in, shut_out
from quantix_hostd.clients.ceph_library import rados
from quantix_hostd.clients.given_up import Call
from quantix_hostd.clients.rbd_calls import has_object

TIMEOUT_S = 5
"""Of a call."""
_OPTIONS = {
    "rados_osd_op_timeout": str(TIMEOUT_S),
    "rados_mon_op_timeout": str(TIMEOUT_S),
    "client_mount_timeout": str(TIMEOUT_S),
    # of a cluster that is away the first that answers counts
    "mon_client_hunt_interval": "1",
    "rbd_cache": "false",
    # two threads a connection are enough for what is asked here
    "ms_async_op_threads": "2",
    # One runs whatever comes back. Beside a second one, an image may be closed and freed while what opened it
    # is about to take a lock in it (librbd 16.2, ImageState): a call that is never answered, or a broken heap
    "librados_thread_count": "1",
    "log_file": "",
    "log_to_stderr": "false",
    "err_to_stderr": "false",
    "admin_socket": "",
    "auth_client_required": "cephx",
}
# whether it is there does not matter, but that an OSD says so
_ANY_OBJECT = "quantix.pool"


@dataclass(frozen=True)
class CephAccess:
    """Where a pool is, and as whom: as its StoragePool says it. `secret`: the name of what holds the key."""

    monitors: tuple[str, ...]
    pool: str
    user: str
    key: str = field(repr=False)
    secret: str = ""

    @property
    def addresses(self) -> str:
        """Of the monitors, as Ceph's own options list them."""
        return ",".join(self.monitors)


@dataclass(eq=False)
class Connection:
    """`addresses`: what the cluster calls it by. `calls`: those under way in it. `shut_out`: the cluster
    takes nothing from it any more, so that the last of them closes it.
    """

    access: CephAccess
    cluster: Any
    ioctx: Any
    addresses: str
    calls: list[Call] = field(default_factory=list)
    shut_out: bool = False

    @classmethod
    def opened(cls, access: CephAccess) -> Connection:
        """Raises what librados does, and BindingMissingError."""
        options = {**_OPTIONS, "mon_host": access.addresses, "key": access.key}
        cluster = rados().Rados(rados_id=access.user, conf=options)
        try:
            cluster.connect()
            ioctx = cluster.open_ioctx(access.pool)
            ioctx.set_osdmap_full_try()
            return cls(access, cluster, ioctx, cluster.get_addrs())
        except BaseException:
            cluster.shutdown()
            raise

    def supersede(self, others: Iterable[Connection]) -> None:
        """Have the cluster shut out others of this process. Raises what librados does."""
        # the monitors have answered already: this asks an OSD
        has_object(self.ioctx, _ANY_OBJECT)
        shut_out(self.cluster, [client for other in others for client in clients_in(other.addresses)])

    def close(self) -> None:
        self.ioctx.close()
        self.cluster.shutdown()
