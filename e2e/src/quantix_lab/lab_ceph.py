"""The Ceph beside the hosts of a lab: on the wire of the API, at an address of its own, with one pool.

Used by `lab`. It is a site's Ceph, which Quantix neither made nor ends: people name it to Quantix by a
StoragePool and a key for each host, which `name_to` does for them.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from quantix_lab.ceph_cluster import PORT, CephCluster, start_ceph
from quantix_lab.ceph_config import CephShape
from quantix_lab.ceph_pools import FAST, add_fast_pool, ceph_pool, key_secret, own_key_secret
from quantix_lab.machine import Machine
from quantix_lab.machine_view import MachineView

POOL = "fast"
"""The StoragePool that it is."""
_OSD_BYTES = 20 * 1024**3
_END_S = 10.0
_AWAY = """table inet away {{
    chain arriving {{
        type filter hook input priority filter
        iifname "{bridge}" ip daddr {address} drop
    }}
}}
"""


class LabCeph:
    """One monitor, one OSD and a manager below `directory`; `namespace` has the wire `bridge`."""

    def __init__(self, directory: Path, namespace: str, bridge: str, address: str) -> None:
        self.directory = directory
        self._namespace, self._bridge, self._address = namespace, bridge, address
        self._cluster: CephCluster | None = None
        self._adopted: Mapping[str, int] = {}

    @property
    def cluster(self) -> CephCluster:
        """Which this process started."""
        assert self._cluster is not None, "this process started no Ceph"
        return self._cluster

    @property
    def config(self) -> Path:
        """A ceph.conf with the administrator's key; it is there once one was started."""
        return self.directory / "ceph.conf"

    @property
    def pids(self) -> dict[str, int]:
        """What another process needs to end it: `adopt` takes it."""
        if self._cluster is None:
            return dict(self._adopted)
        return {daemon.name: daemon.pid for daemon in self._cluster.daemons}

    def adopt(self, pids: Mapping[str, int]) -> None:
        """Take over what another process started."""
        self._adopted = dict(pids)

    def start(self) -> CephCluster:
        """Start it with its pool; it stays until `close`. Raises RuntimeError, CalledProcessError."""
        self.directory.mkdir(exist_ok=True)
        at = ("addr", "replace", f"{self._address}/24", "dev", self._bridge)
        subprocess.run(["ip", "-n", self._namespace, *at], check=True, capture_output=True)
        shape = CephShape(self.directory, str(uuid.uuid4()), self._address, PORT, 1, _OSD_BYTES)
        self._cluster = start_ceph(shape, self._namespace, mgr=True, stays=True)
        add_fast_pool(self._cluster)
        return self._cluster

    def name_to(self, first: Machine, hosts: Iterable[Machine]) -> None:
        """Make StoragePool POOL of it, to which each host comes as a user of its own."""
        cluster = self.cluster
        secrets = [own_key_secret(cluster, host.name, POOL) for host in hosts]
        MachineView(first).apply(*secrets, ceph_pool(cluster, POOL, secret=None))

    def share_key(self, first: Machine) -> None:
        """Have all hosts come as one user from now on."""
        MachineView(first).apply(key_secret(self.cluster.keys[FAST]), ceph_pool(self.cluster, POOL))

    @contextmanager
    def away(self) -> Iterator[None]:
        """Within the block no host reaches it: what they send is lost, as on a wire that is cut."""
        nft = ["ip", "netns", "exec", self._namespace, "nft"]
        rules = _AWAY.format(bridge=self._bridge, address=self._address)
        subprocess.run([*nft, "-f", "-"], input=rules, text=True, check=True, capture_output=True)
        try:
            yield
        finally:
            subprocess.run([*nft, "delete", "table", "inet", "away"], check=True, capture_output=True)

    def close(self) -> None:
        """End what runs of it; its files are the lab's to remove."""
        pids = [pid for pid in self.pids.values() if self._is_ours(pid)]
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if self._cluster is not None:
            self._cluster.stop()
        deadline = time.monotonic() + _END_S
        while any(self._is_ours(pid) for pid in pids) and time.monotonic() < deadline:
            time.sleep(0.05)

    def _is_ours(self, pid: int) -> bool:
        """Whether this number is a daemon of this directory still."""
        try:
            return os.fsencode(self.config) in Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            return False
