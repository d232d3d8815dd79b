"""One of several hosts of a lab: a machine that is one in all but its kernel, until somebody pulls its plug.

Namespaces of its own: network, mounts, processes, host name, IPC, control groups; held by an init process
that commands enter. Every host of a lab has its files at the same path, as real ones do, and none sees
another's. `kill` ends all of it at once.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path

from quantix_api.layout import Layout
from quantix_lab.inside_api import InsideApi
from quantix_lab.machine import CACHE, CONTROL_GROUPS, Machine

CGROUPS = Path("/sys/fs/cgroup")
_START_S = 20.0
# its own group in each hierarchy is the root of what it sees (cgroup_namespaces(7)); cpuset of version 1
# takes nobody in who has no CPUs
_ENTER_GROUPS = """
name=$1; shift
for hierarchy in $(find -L /sys/fs/cgroup -maxdepth 2 -name cgroup.procs -printf '%h\\n'); do
    case $hierarchy in */systemd|*/unified) continue;; esac
    mkdir -p "$hierarchy/$name"
    for file in cpuset.cpus cpuset.mems; do
        if [ -e "$hierarchy/$file" ]; then cat "$hierarchy/$file" > "$hierarchy/$name/$file"; fi
    done
    echo $$ > "$hierarchy/$name/cgroup.procs"
done
exec ip netns exec "$name" unshare --cgroup --mount --uts --ipc --pid --fork --kill-child=KILL \\
    sh -ec "$SETUP" sh "$@"
"""
_JOIN_GROUPS = """
group=$1; shift
for procs in "/sys/fs/cgroup/$group/cgroup.procs" /sys/fs/cgroup/*/"$group/cgroup.procs"; do
    if [ -e "$procs" ]; then echo $$ > "$procs"; fi
done
exec nsenter "$@"
"""
_SETUP = (
    """
store=$1 root=$2 name=$3; shift 3
mount --make-rprivate /
mount -t proc proc /proc
mount -t tmpfs -o mode=0755 tmpfs /run
"""
    + CONTROL_GROUPS
    + """
hostname "$name"
mount --bind "$store.machine-id" /etc/machine-id
mount --bind "$store.boot-id" /proc/sys/kernel/random/boot_id
mount --bind "$store.hosts" /etc/hosts
mount --bind "$store" "$root"
exec "$@"
"""
)
_INIT = """
import signal
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
print("ready", flush=True)
while True:
    signal.pause()
"""


class SimulatedHost(Machine):
    """Host `name`; its files are in `store`, which it sees at `root`. `network` is the name of its network
    namespace, which the lab makes, and of its control groups; `names` are the addresses of all hosts, by
    their names.
    """

    def __init__(
        self, name: str, store: Path, root: Path, network: str, world: str, names: Mapping[str, str]
    ) -> None:
        store.mkdir(exist_ok=True)
        super().__init__(name, store)
        self.layout_inside = Layout(root)
        """Its files as it sees them; `layout` is where they are for others."""
        self.network_namespace, self._world = network, world
        self.api = InsideApi(network, self.layout.admin_kubeconfig)
        self._names = names
        self._made = [network]
        self.address = names[name]
        """By which other hosts, and Ceph, know it."""
        self.pid = 0
        self._holder: subprocess.Popen[str] | None = None

    @property
    def environment(self) -> dict[str, str]:
        own = {
            "QUANTIX_ROOT": str(self.layout_inside.root),
            "QUANTIX_CACHE": str(CACHE),
            "QUANTIX_HOST_NAME": self.name,
        }
        if self.layout.admin_kubeconfig.exists():
            own["KUBECONFIG"] = str(self.layout_inside.admin_kubeconfig)
        return {**os.environ, **own}

    @property
    def is_running(self) -> bool:
        return self.pid != 0 and Path(f"/proc/{self.pid}").exists()

    def argv(self, command: Sequence[str]) -> list[str]:
        """`command` as it runs inside; its process has other numbers there than here."""
        spaces = ("--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup")
        entering = ["sh", "-ec", _JOIN_GROUPS, "sh", self.network_namespace, f"--target={self.pid}"]
        # nsenter waits for it as for a child; whoever ends that means both
        return [*entering, *spaces, "--", "setpriv", "--pdeathsig", "TERM", *command]

    def start_host(self) -> None:
        """Switch it on. Raises AssertionError when it does not come up."""
        store = self.root
        identity = store.with_name(f"{store.name}.machine-id")
        if not identity.exists():
            identity.write_text(f"{uuid.uuid4().hex}\n")
        # the kernel's own stays the same when a host loses its power
        store.with_name(f"{store.name}.boot-id").write_text(f"{uuid.uuid4()}\n")
        # no resolver answers here, and libvirt asks for the host's own name at each migration
        known = "".join(f"{address} {name}\n" for name, address in self._names.items())
        store.with_name(f"{store.name}.hosts").write_text(f"127.0.0.1 localhost\n{known}")
        arguments = [self.network_namespace, str(store), str(self.layout_inside.root), self.name]
        holder = subprocess.Popen(
            ["sh", "-ec", _ENTER_GROUPS, "sh", *arguments, sys.executable, "-c", _INIT],
            env={**os.environ, "SETUP": _SETUP},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert holder.stdout is not None
        assert holder.stderr is not None
        if holder.stdout.readline() != "ready\n":
            holder.wait(_START_S)
            raise AssertionError(f"host {self.name} did not start: {holder.stderr.read()[-2000:]}")
        holder.stdout.close()
        holder.stderr.close()
        self._holder = holder
        self.pid = _child_of(holder.pid)

    def adopt(self, pid: int) -> None:
        """Take over one that another process switched on. Raises LookupError when it is another by now."""
        command = Path(f"/proc/{pid}/cmdline")
        if not command.exists() or _INIT.encode() not in command.read_bytes():
            raise LookupError(f"process {pid} is not the init of host {self.name}")
        self.pid = pid

    def kill(self) -> None:
        """Pull the plug: everything in it ends at once, nothing is written any more."""
        if self.is_running:
            os.kill(self.pid, signal.SIGKILL)
        if self._holder is not None:
            self._holder.wait(_START_S)
        deadline = time.monotonic() + _START_S
        while self.processes() and time.monotonic() < deadline:
            time.sleep(0.02)
        self.pid = 0

    def close(self) -> None:
        """End it and what it left; the lab removes its files and its network."""
        self.api.close()
        if self.pid:
            self.kill()
        for hierarchy in (CGROUPS, *CGROUPS.glob("*/")):
            _remove_groups(hierarchy / self.network_namespace)


def _child_of(pid: int) -> int:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    assert len(children) == 1, f"the holder {pid} of a host has {len(children)} children"
    return int(children[0])


def _remove_groups(group: Path) -> None:
    """Remove an empty control group with those below it."""
    if not group.is_dir():
        return
    for below in sorted((path for path in group.rglob("*") if path.is_dir()), reverse=True):
        with contextlib.suppress(OSError):
            below.rmdir()
    with contextlib.suppress(OSError):
        group.rmdir()
