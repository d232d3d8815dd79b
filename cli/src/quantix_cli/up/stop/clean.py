"""`make clean`: removes all that `make up` made on this machine, data included, and nothing else.

Run as `python -m quantix_cli.up.stop.clean`. Guests are shut down first as `qx down` does; those that do
not go are ended. Packages stay, and so do bridges, tables and files that are not ours.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import sys
from pathlib import Path

from quantix_api.errors import PermanentError, QuantixError
from quantix_api.filter_tables import FAMILIES, TABLE
from quantix_api.layout import Layout
from quantix_cli.settings import read_settings
from quantix_cli.supervision.choose import supervisor_of
from quantix_cli.up import neighbours
from quantix_cli.up.installation import describe
from quantix_cli.up.links import remove_links
from quantix_cli.up.pools_elsewhere import left_told, pools_elsewhere
from quantix_cli.up.run.alone import alone
from quantix_cli.up.run.programs import run
from quantix_cli.up.run.progress import Progress
from quantix_cli.up.run.runner import now_s, open_log, require_root
from quantix_cli.up.run.steps import StepFailed
from quantix_cli.up.run.uplog import UpLog
from quantix_cli.up.run.words import duration
from quantix_cli.up.settings import UpSettings, judge_settings
from quantix_cli.up.stop.bridges import leave_network, remove_bridges
from quantix_cli.up.stop.guests import end_guests
from quantix_cli.up.stop.stopping import stop_everything, stop_order

DEVICE_PREFIX = "qx"
DATAPATH_DEVICE = "ovs-netdev"
# What hostd writes elsewhere
DROP_INS = ("etc/NetworkManager/conf.d/90-quantix.conf", "etc/systemd/network/05-quantix.network")
DROP_IN_MARK = "# Made by Quantix"


def directories(settings: UpSettings) -> list[Path]:
    """Everything that belongs to this installation alone; the log, which is being written, last."""
    layout = settings.layout
    return [layout.etc, layout.data, layout.run, *settings.own_cache, layout.log]


def mounts_below(folders: list[Path], mountinfo: str) -> list[Path]:
    """Mount points inside `folders` (proc(5), /proc/PID/mountinfo, fifth field): never to be emptied."""
    points = [Path(line.split()[4].encode().decode("unicode_escape")) for line in mountinfo.splitlines()]
    return [point for point in points if any(point.is_relative_to(folder) for folder in folders)]


async def clean(settings: UpSettings, log: UpLog, progress: Progress) -> None:
    """Remove the installation. Raises PermanentError when something is mounted inside of it."""
    layout = settings.layout
    inside = mounts_below(directories(settings), Path("/proc/self/mountinfo").read_text())
    if inside:
        raise PermanentError(
            "Mounted", f"{inside[0]} is mounted.", f"umount {inside[0]}, then make clean again"
        )
    supervisor = supervisor_of(layout, Path(sys.executable))
    devices = await _switch_devices(layout, log)
    await _remove_bridges_after(settings, log, progress)
    for name in stop_order(settings):
        supervisor.stop(name)
    supervisor.forget()
    end_guests(layout)
    await remove_tables(layout, log)
    remove_links(settings)
    if settings.is_machines_own:
        remove_drop_ins()
    # another switch in this network namespace may hold a device of the same name
    for device in filter(is_left_behind, [] if is_switch_running() else devices):
        removed = await run(["ip", "link", "del", device], log)
        progress.say(
            f"{device} {'removed' if removed.code == 0 else f'could not be removed: {removed.last}'}"
        )
    for folder in directories(settings):
        if folder.exists():
            # hostd keeps base images immutable
            await run(["chattr", "-R", "-f", "-i", str(folder)], log)
            shutil.rmtree(folder)


async def remove_tables(layout: Layout, log: UpLog) -> None:
    """Remove hostd's tables of nftables: unless another installation, which was begun while this one was
    stopped, has them now.
    """
    if neighbours.neighbour(layout.root) is not None:
        return
    # they are there only once hostd has seen to the network
    for family in FAMILIES:
        await run(["nft", "delete", "table", family, TABLE], log)


async def _remove_bridges_after(settings: UpSettings, log: UpLog, progress: Progress) -> None:
    """Shut guests and daemons down, but for Open vSwitch, which has to let its bridges go first."""
    installation = describe(settings, settings.cache)
    supervisor = supervisor_of(settings.layout, Path(sys.executable))
    with contextlib.suppress(StepFailed):
        # guests that do not go are ended below
        await stop_everything(settings, supervisor, log, progress, only_guests=True)
    for name in stop_order(settings):
        if not name.startswith("ovs-"):
            supervisor.stop(name)
    end_guests(settings.layout)
    await leave_network(installation, log)
    await remove_bridges(installation, log)


async def _switch_devices(layout: Layout, log: UpLog) -> list[str]:
    """Devices of our own Open vSwitch, read from its database file: it may be stopped. None without one."""
    database = layout.data / "openvswitch/conf.db"
    if not database.exists():
        return []
    query = [
        {"op": "select", "table": "Interface", "where": [["type", "==", "internal"]], "columns": ["name"]}
    ]
    asked = await run(["ovsdb-tool", "query", str(database), json.dumps(["Open_vSwitch", *query])], log)
    return device_names("".join(asked.output)) if asked.code == 0 else []


def device_names(answer: str) -> list[str]:
    """The names in the answer of `ovsdb-tool query` (RFC 7047, 5.2.2), and the userspace datapath's own."""
    names = [str(row["name"]) for row in json.loads(answer)[0]["rows"]]
    return [*sorted(name for name in names if name.startswith(DEVICE_PREFIX)), DATAPATH_DEVICE]


def is_switch_running(proc: Path = Path("/proc")) -> bool:
    """Whether an ovs-vswitchd runs in this network namespace."""
    ours = (proc / "self/ns/net").readlink()
    for process in proc.glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            named = (process / "comm").read_text().strip() == "ovs-vswitchd"
            if named and (process / "ns/net").readlink() == ours:
                return True
    return False


def is_left_behind(device: str, network: Path = Path("/sys/class/net")) -> bool:
    """Whether it is a tap that no process holds: one that a running Open vSwitch uses has a carrier."""
    if not (network / device / "tun_flags").exists():
        return False
    try:
        return (network / device / "carrier").read_text().strip() != "1"
    except OSError:
        # the kernel does not tell the carrier of a device that is down
        return True


def remove_drop_ins(root: Path = Path("/")) -> None:
    """Remove the files with which hostd keeps network managers away from our devices."""
    for name in DROP_INS:
        path = root / name
        if path.exists() and path.read_text().startswith(DROP_IN_MARK):
            path.unlink()


def main() -> None:
    given = read_settings(os.environ)
    terminal = given.terminal
    began_s = now_s()
    try:
        settings = judge_settings(given)
        require_root("make clean", "removes what make up made", os.geteuid())
        if not any(folder.exists() for folder in directories(settings)):
            terminal.out("Nothing to remove.")
            return
        # its file goes with all else, as the last
        with alone(settings, "make clean"):
            log = open_log(settings)
            # so does the note of them
            left = left_told(pools_elsewhere(settings.layout))
            asyncio.run(clean(settings, log, Progress(terminal, now_s)))
    except (QuantixError, OSError) as error:
        terminal.error(str(error))
        sys.exit(1)
    cache = (
        " and the build cache"
        if not settings.keeps_cache
        else f"; the build cache {settings.cache} (QUANTIX_CACHE), which others may use, stays"
    )
    removed = f"Removed in {duration(now_s() - began_s)}: services, bridges, files{cache}. Packages stay."
    terminal.out(terminal.plain(f"{removed} {left}".rstrip()))
    if settings.is_member:
        host = settings.host_name
        forget = f"qx host delete {host} on its first machine makes it forget it"
        terminal.out(f"The cluster still knows host {host}; {forget}.")


if __name__ == "__main__":
    main()
