"""A real Ceph for tests: one monitor and some OSDs (BlueStore on sparse files) in a directory of its own.

Used by pytest fixtures and by labs; without systemd. Needs Debian's ceph-mon, ceph-osd and ceph-common, and
ceph-mgr where it is asked for. All its daemons listen on one address: of the network namespace that is
given, else on one of the loopback network that is this cluster's alone. They end with the context, and with
the thread that began it, or stay until somebody ends them (`start_ceph` with `stays`). Ready within 5 s on an
idle machine.

    with running_ceph(Path("/tmp/qx1"), "127.77.0.1") as ceph:
        ceph.make_pool("quantix")
        key = ceph.make_user("quantix", "quantix")
        ceph.osds[0].kill()
"""

from __future__ import annotations

import json
import secrets
import subprocess
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from quantix_lab.ceph_config import MON, CephShape, render_config
from quantix_lab.ceph_daemon import CephDaemon
from quantix_lab.waiting import wait_for

PORT = 6789
_OSD_BYTES = 20 * 1024**3
_ADMIN_CAPS = {"mon": "allow *", "osd": "allow *", "mgr": "allow *"}
_OSD_CAPS = {"mon": "allow profile osd", "osd": "allow *", "mgr": "allow profile osd"}
_MGR_CAPS = {"mon": "allow profile mgr", "osd": "allow *"}
_COMMAND_TIMEOUT_S = 40
_SETTLE_S = 20.0


@dataclass
class CephCluster:
    """A running cluster. Whoever is in its namespace reaches it by `monitors`, or as its administrator by
    `config`.
    """

    shape: CephShape
    namespace: str | None
    mon: CephDaemon
    osds: list[CephDaemon]
    mgr: CephDaemon | None = None
    keys: dict[str, str] = field(default_factory=dict)
    """Of the users that `make_user` made."""

    @property
    def config(self) -> Path:
        """A ceph.conf with the administrator's key."""
        return self.shape.directory / "ceph.conf"

    @property
    def monitors(self) -> list[str]:
        """As StoragePool.spec.rbd has them."""
        return [f"{self.shape.address}:{self.shape.port}"]

    @property
    def daemons(self) -> list[CephDaemon]:
        return [self.mon, *self.osds, *([self.mgr] if self.mgr else [])]

    def ceph(self, *words: str) -> str:
        """What the command `ceph` says to the administrator."""
        return self.run("ceph", "--connect-timeout", "20", *words)

    def rbd(self, *words: str) -> str:
        """What the command `rbd` says to the administrator."""
        return self.run("rbd", *words)

    def run(self, program: str, *words: str) -> str:
        """Of any program of Ceph; raises `subprocess.CalledProcessError` when it is refused."""
        command = [*_inside(self.namespace), program, "-c", str(self.config), *words]
        done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=_COMMAND_TIMEOUT_S)
        return done.stdout

    def make_pool(self, name: str) -> None:
        """A pool for RBD images, usable at once."""
        self.ceph("osd", "pool", "create", name)
        self.ceph("osd", "pool", "application", "enable", name, "rbd")

    def make_user(self, name: str, pool: str) -> str:
        """A user that may have images in this pool only; its key."""
        caps = ("mon", "profile rbd", "osd", f"profile rbd pool={pool}", "mgr", f"profile rbd pool={pool}")
        said = self.ceph("auth", "get-or-create", f"client.{name}", *caps, "-f", "json")
        self.keys[name] = json.loads(said)[0]["key"]
        return self.keys[name]

    def thaw_osd(self, number: int = 0) -> None:
        """Let an OSD that is frozen go on, as one that others have missed meanwhile: it takes its placement
        groups up anew. Without that Ceph 16 holds back for ever what comes to a group with a single copy
        just after its lease has ended (state `laggy`; github.com/ceph/ceph-container/issues/1682).
        """
        before = self._up_since(number)
        self.osds[number].thaw()
        self.ceph("osd", "down", str(number))
        wait_for(f"osd.{number} to be up again", lambda: _later(self._up_since(number), before))

    def await_capacity(self) -> None:
        """Until the manager knows how much room there is. Raises TimeoutError."""
        end = time.monotonic() + _SETTLE_S
        while json.loads(self.ceph("df", "-f", "json"))["stats"]["total_bytes"] == 0:
            if time.monotonic() > end:
                raise TimeoutError(f"no manager has told the capacity within {_SETTLE_S} s")
            time.sleep(0.4)

    def _up_since(self, number: int) -> int:
        """The epoch since which the OSD is up; 0 while it is down."""
        osds = json.loads(self.ceph("osd", "dump", "-f", "json"))["osds"]
        found = next(osd for osd in osds if osd["osd"] == number)
        return int(found["up_from"]) if found["up"] else 0

    def stop(self) -> None:
        """End all of it in order."""
        for daemon in reversed(self.daemons):
            daemon.stop()


@contextmanager
def running_ceph(
    directory: Path,
    address: str | None = None,
    *,
    namespace: str | None = None,
    osds: int = 1,
    mgr: bool = False,
    osd_bytes: int = _OSD_BYTES,
) -> Iterator[CephCluster]:
    """A fresh cluster below `directory` (an empty one with a short path: sockets lie in it), which needs some
    10 MB of its disk an OSD. `mgr`: whether somebody tells its capacity; it costs 150 MB of memory.
    """
    at = address or f"127.{secrets.randbelow(127) + 64}.{secrets.randbelow(256)}.{secrets.randbelow(254) + 1}"
    shape = CephShape(directory, str(uuid.uuid4()), at, PORT, osds, osd_bytes)
    cluster = start_ceph(shape, namespace, mgr=mgr)
    try:
        yield cluster
    finally:
        cluster.stop()


def start_ceph(
    shape: CephShape, namespace: str | None, *, mgr: bool = False, stays: bool = False
) -> CephCluster:
    """A fresh cluster; whoever has it stops it. `stays`: it outlives the thread that begins it."""
    for name in ("run", "log", "mon", "mgr", *(f"osd/{number}" for number in range(shape.osds))):
        (shape.directory / name).mkdir(parents=True, exist_ok=True)
    (shape.directory / "ceph.conf").write_text(render_config(shape))
    cluster = _made(shape, namespace, mgr)
    for daemon in cluster.daemons:
        daemon.stays = stays
    try:
        _begin(cluster)
    except BaseException:
        cluster.stop()
        raise
    return cluster


def _made(shape: CephShape, namespace: str | None, mgr: bool) -> CephCluster:
    """With its keys and the monitor's store, and nothing that runs. The monitor knows all keys from its
    beginning, so that nobody has to be told any.
    """
    at = shape.directory
    names = {
        "mon.": (at / "mon.keyring", {"mon": "allow *"}),
        "client.admin": (at / "admin.keyring", _ADMIN_CAPS),
        "mgr.x": (at / "mgr/keyring", _MGR_CAPS),
        **{f"osd.{n}": (at / f"osd/{n}/keyring", _OSD_CAPS) for n in range(shape.osds)},
    }
    for name, (keyring, caps) in names.items():
        words = [word for service, cap in caps.items() for word in ("--cap", service, cap)]
        _run("ceph-authtool", "-C", str(keyring), "--gen-key", "-n", name, *words)
    for keyring, _ in list(names.values())[1:]:
        _run("ceph-authtool", str(at / "mon.keyring"), "--import-keyring", str(keyring))
    listens = f"[v2:{shape.address}:{shape.port + 1},v1:{shape.address}:{shape.port}]"
    _run("monmaptool", "--create", "--fsid", shape.fsid, "--addv", MON, listens, str(at / "monmap"))
    config, keys = ("-c", str(at / "ceph.conf")), ("--keyring", str(at / "mon.keyring"))
    _run("ceph-mon", *config, "--mkfs", "-i", MON, "--monmap", str(at / "monmap"), *keys, "--no-mon-config")
    inside = _inside(namespace)
    mon = CephDaemon(
        f"mon.{MON}",
        at,
        [*inside, "ceph-mon", *config, "-i", MON, *keys, "-f"],
        "mon_status",
        lambda status: status.get("state") == "leader",
    )
    return CephCluster(
        shape,
        namespace,
        mon,
        [_osd(shape, inside, number) for number in range(shape.osds)],
        _manager(shape, inside) if mgr else None,
    )


def _osd(shape: CephShape, inside: list[str], number: int) -> CephDaemon:
    config = ("-c", str(shape.directory / "ceph.conf"))
    return CephDaemon(
        f"osd.{number}",
        shape.directory,
        [*inside, "ceph-osd", *config, "-i", str(number), "-f", "--no-mon-config"],
        "status",
        lambda status: status.get("state") == "active",
    )


def _manager(shape: CephShape, inside: list[str]) -> CephDaemon:
    words = ("-c", str(shape.directory / "ceph.conf"), "-i", "x", "-f")
    keyring = ("--keyring", str(shape.directory / "mgr/keyring"))
    # only those that are always on: each other one costs a second of Python
    return CephDaemon(
        "mgr.x", shape.directory, [*inside, "ceph-mgr", *words, *keyring], "status", lambda status: True
    )


def _begin(cluster: CephCluster) -> None:
    """Monitor and OSDs' stores come to be beside each other, since these take longest."""
    shape = cluster.shape
    ids = [str(uuid.uuid4()) for _ in cluster.osds]
    making = [_osd_store(shape, number, osd_uuid) for number, osd_uuid in enumerate(ids)]
    try:
        cluster.mon.start()
        for number, osd_uuid in enumerate(ids):
            cluster.ceph("osd", "new", osd_uuid, str(number))
    finally:
        codes = [process.wait() for process in making]
    if any(codes):
        raise RuntimeError(f"no store of an OSD was made: see {shape.directory}/log")
    for daemon in (*cluster.osds, *([cluster.mgr] if cluster.mgr else [])):
        daemon.launch()
    for osd in cluster.osds:
        osd.await_working()


def _osd_store(shape: CephShape, number: int, osd_uuid: str) -> subprocess.Popen[bytes]:
    at = shape.directory
    command = ("ceph-osd", "-c", str(at / "ceph.conf"), "-i", str(number), "--mkfs", "--osd-uuid", osd_uuid)
    apart = ("--monmap", str(at / "monmap"), "--no-mon-config")
    with (at / "log" / f"osd.{number}.mkfs").open("ab") as log:
        return subprocess.Popen((*command, *apart), stdin=subprocess.DEVNULL, stdout=log, stderr=log)


def _later(epoch: int, before: int) -> tuple[bool, int]:
    return epoch > before, epoch


def _inside(namespace: str | None) -> list[str]:
    return ["ip", "netns", "exec", namespace] if namespace else []


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, timeout=_COMMAND_TIMEOUT_S)
