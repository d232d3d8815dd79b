"""Several real hosts on one machine: the cluster that end-to-end tests share, and that `make lab` starts.

The first host has the control plane and the central databases of the network; the others join as people do,
with the word of `qx host add`. Between them lie three wires, as bridges of a network namespace that also
plays the world: `mgmt0` (10.90.0.N) for the API, `wire0` (10.91.0.N, MTU 9000) for the guests' tunnels, and
`phys0`, the site's network, on which the hosts have no address. A Ceph (10.90.0.250) stands beside them where
it is asked for.
Everything that `close` ends and removes, `start` made.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from quantix_cli.guestimage.build import ensure_image
from quantix_lab.control_plane import build_control_plane
from quantix_lab.lab_ceph import LabCeph
from quantix_lab.machine import CACHE, INTERNET, QX, UP_TIMEOUT_S
from quantix_lab.simulated_host import SimulatedHost

MANAGEMENT, WIRE = "10.90.0", "10.91.0"
GATEWAY = f"{MANAGEMENT}.254"
WIRE_MTU = 9000
_BRIDGES = ("mgmt", "wire", "phys")
SITE = "203.0.113"
"""The site's own network on `phys0`; the world is its first address."""


class Lab:
    """`count` hosts, called h1 and so on."""

    def __init__(self, count: int = 3, folder: Path | None = None) -> None:
        # short, and open to libvirt-qemu: see quantix_api.layout.MAX_ROOT_LENGTH
        self.folder = folder or Path(tempfile.mkdtemp(prefix="qxl"))
        self.folder.chmod(0o755)
        self._tag = self.folder.name
        self.world = f"{self._tag}-world"
        root = self.folder / "r"
        root.mkdir(mode=0o755, exist_ok=True)
        names = {f"h{number}": f"{MANAGEMENT}.{number}" for number in range(1, count + 1)}
        self.hosts = [
            SimulatedHost(name, self.folder / name, root, f"{self._tag}-{name}", self.world, names)
            for name in names
        ]
        self.ceph = LabCeph(self.folder / "ceph", self.world, _BRIDGES[0], f"{MANAGEMENT}.250")
        self._made: list[str] = []

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def state(self) -> dict[str, Any]:
        """What another process needs to end it, or to enter its hosts: `adopt` takes it."""
        pids = {host.name: host.pid for host in self.hosts}
        about = {"folder": str(self.folder), "namespaces": self._made}
        return {**about, "pids": pids, "ceph": self.ceph.pids}

    @classmethod
    def adopt(cls, state: Mapping[str, Any]) -> Self:
        """One that another process started; a host of it that has ended meanwhile counts as switched off."""
        lab = cls(len(state["pids"]), Path(state["folder"]))
        lab._made = list(state["namespaces"])
        lab.ceph.adopt(state.get("ceph", {}))
        for host in lab.hosts:
            with suppress(LookupError):
                host.adopt(int(state["pids"][host.name]))
        return lab

    @property
    def first(self) -> SimulatedHost:
        """The host with the control plane."""
        return self.hosts[0]

    def start(self, say: Callable[[str], None] = lambda _: None, *, ceph: bool = False) -> None:
        """Make everything, with StoragePool `fast` in a Ceph where that is asked for; `say` is told of each
        step. Raises AssertionError, CalledProcessError, RuntimeError.
        """
        # the hosts have no way to mirrors: what is built from downloads is there before they start
        ensure_image(CACHE)
        build_control_plane()
        say("hosts and wires")
        self._make_world()
        for number, host in enumerate(self.hosts, 1):
            self._wire(host, number)
            host.start_host()
        say(f"{self.first.name}: make up")
        with ThreadPoolExecutor(1) as beside:
            storage = beside.submit(self.ceph.start) if ceph else None
            self.first.up()
            if storage is not None:
                storage.result()
                self.ceph.name_to(self.first, self.hosts)
        self._join_others(say)

    def _join_others(self, say: Callable[[str], None]) -> None:
        others = self.hosts[1:]
        if not others:
            return
        say(f"{', '.join(host.name for host in others)}: make join")
        words = [self.word_for(host.name) for host in others]
        with ThreadPoolExecutor(len(words)) as side_by_side:
            list(side_by_side.map(join, others, words))
        for host in self.hosts:
            self.use_the_wire(host)

    def close(self) -> None:
        """End everything and remove it."""
        for host in self.hosts:
            host.close()
        self.ceph.close()
        for namespace in reversed(self._made):
            subprocess.run(["ip", "netns", "del", namespace], check=False)
        # base images are immutable
        subprocess.run(["chattr", "-R", "-f", "-i", str(self.folder)], check=False, capture_output=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    def plug_into_site(self, host: SimulatedHost) -> None:
        """Have its guests reach the site's network, as physical network `site`."""
        patch = '{"spec": {"physicalNetworks": [{"name": "site", "interface": "phys0"}]}}'
        self.first.kubectl("patch", "host", host.name, "--type=merge", "-p", patch)

    def word_for(self, name: str) -> str:
        """The word with which host `name` may join: the line that `qx host add` prints holds it."""
        address = f"{MANAGEMENT}.1"
        said = self.first.qx("host", "add", name, "--print", "--address", address, timeout_s=120)
        return said.stdout.split()[1]

    def use_the_wire(self, host: SimulatedHost) -> None:
        """Have its tunnels take the wire that is for them."""
        patch = '{"spec": {"interfaces": {"tunnel": "wire0"}}}'
        self.first.kubectl("patch", "host", host.name, "--type=merge", "-p", patch)

    def _make_world(self) -> None:
        self._add_namespace(self.world)
        for bridge in _BRIDGES:
            _ip("-n", self.world, "link", "add", bridge, "type", "bridge")
            _ip("-n", self.world, "link", "set", bridge, "up")
        _ip("-n", self.world, "link", "set", "wire", "mtu", str(WIRE_MTU))
        # what the world sends has its checksums, as on a real wire: no hardware adds them on the way
        whole = ["ip", "netns", "exec", self.world, "ethtool", "-K", "phys", "tx", "off"]
        subprocess.run(whole, check=True, capture_output=True)
        _ip("-n", self.world, "addr", "add", f"{GATEWAY}/24", "dev", "mgmt")
        _ip("-n", self.world, "addr", "add", f"{SITE}.1/24", "dev", "phys")
        _ip("-n", self.world, "addr", "add", f"{INTERNET}/32", "dev", "lo")

    def _wire(self, host: SimulatedHost, number: int) -> None:
        inside = host.network_namespace
        self._add_namespace(inside)
        for device, bridge, address in (
            ("mgmt0", "mgmt", f"{MANAGEMENT}.{number}/24"),
            ("wire0", "wire", f"{WIRE}.{number}/24"),
            ("phys0", "phys", ""),
        ):
            there = f"{bridge}-{host.name}"
            pair = ("type", "veth", "peer", "name", there, "netns", self.world)
            _ip("link", "add", device, "netns", inside, *pair)
            mtu = str(WIRE_MTU if bridge == "wire" else 1500)
            _ip("-n", self.world, "link", "set", there, "mtu", mtu, "master", bridge, "up")
            _ip("-n", inside, "link", "set", device, "mtu", mtu, "up")
            if address:
                _ip("-n", inside, "addr", "add", address, "dev", device)
        _ip("-n", inside, "route", "add", "default", "via", GATEWAY)

    def _add_namespace(self, name: str) -> None:
        _ip("netns", "add", name)
        self._made.append(name)
        _ip("-n", name, "link", "set", "lo", "up")


def join(host: SimulatedHost, word: str) -> str:
    """Make it a member, as somebody does who pastes the word; what it printed."""
    joined = host.run(str(QX), "cluster", "join", stdin=word, timeout_s=UP_TIMEOUT_S)
    return joined.stdout


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True)
