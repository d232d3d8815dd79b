"""The databases of OVN and Open vSwitch: made before their servers start, filled with their one row after.

Called by `qx up` while the machine joins. Commands: ovsdb-tool(1), ovn-nbctl(8), ovn-sbctl(8), ovs-vsctl(8).
"""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path

from quantix_api.errors import PermanentError, QuantixError, TransientError
from quantix_cli import directories
from quantix_cli.supervision.table import Installation
from quantix_cli.up.installation import answers
from quantix_cli.up.run.programs import Done, run
from quantix_cli.up.run.uplog import UpLog
from quantix_cli.up.start.waiting import until

OVN_SCHEMAS = Path("/usr/share/ovn")
OPENVSWITCH_SCHEMA = Path("/usr/share/openvswitch/vswitch.ovsschema")
INTEGRATION_BRIDGE = "qx-int"
START_TIMEOUT_S = 20.0


SERVICES = ("ovn-nb", "ovn-sb", "ovs-db")


def databases(installation: Installation) -> dict[str, tuple[Path, Path]]:
    """Service → its database and the schema, for every database of ours."""
    data = installation.layout.data
    found = {
        f"ovn-{name}": (data / f"ovn/ovn{name}_db.db", OVN_SCHEMAS / f"ovn-{name}.ovsschema")
        for name in (() if installation.is_member else ("nb", "sb"))
    }
    if installation.machine_openvswitch is None:
        found["ovs-db"] = (data / "openvswitch/conf.db", OPENVSWITCH_SCHEMA)
    return found


async def ensure_files(installation: Installation, log: UpLog, running: Collection[str]) -> None:
    """Make the databases that are missing; bring those of an older version, whose service is not `running`,
    to the schema of the installed packages. Raises PermanentError.
    """
    for service, (database, schema) in databases(installation).items():
        directories.ensure(installation.directories(database.parent))
        if not database.exists():
            await must_run(["ovsdb-tool", "create", str(database), str(schema)], log)
        elif service not in running:
            asked = await must_run(["ovsdb-tool", "needs-conversion", str(database), str(schema)], log)
            if asked.output[-1:] == ("yes",):
                await must_run(["ovsdb-tool", "convert", str(database), str(schema)], log)


async def initialize(installation: Installation, log: UpLog) -> None:
    """Wait for the servers and make the row that everything hangs on; repeatable."""
    layout = installation.layout
    central = {"ovn-nbctl": layout.ovn_nb_socket, "ovn-sbctl": layout.ovn_sb_socket}
    tools = {
        socket_path: [tool, f"--db=unix:{socket_path}", "--no-leader-only", "init"]
        for tool, socket_path in ({} if installation.is_member else central).items()
    }
    if installation.machine_openvswitch is None:
        switch = ["ovs-vsctl", f"--db={installation.openvswitch_database}", "--no-wait", "init"]
        tools[installation.openvswitch_run / "db.sock"] = switch
    for socket_path, argv in tools.items():
        await _listening(socket_path)
        await must_run([argv[0], "--timeout=20", *argv[1:]], log)


async def claim_switch(installation: Installation, log: UpLog) -> None:
    """Tell ovn-controller its bridge before it first starts: without, it makes one called br-int.

    Raises PermanentError `OVNAlreadyConfigured` when the machine's Open vSwitch belongs to another OVN.
    """
    database = ["ovs-vsctl", "--timeout=20", f"--db={installation.openvswitch_database}", "--no-wait"]
    known = await must_run([*database, "get", "Open_vSwitch", ".", "external_ids"], log)
    settings = parse_map(known.output[-1] if known.output else "{}")
    remote = settings.get("ovn-remote")
    # one that was open on its own before it became a member, or the other way round
    ours = {installation.southbound, f"unix:{installation.layout.ovn_sb_socket}"}
    if remote is not None and remote not in ours:
        raise PermanentError(
            "OVNAlreadyConfigured",
            f"Open vSwitch of this machine belongs to the OVN at {remote}.",
            "a machine of its own for Quantix",
        )
    if settings.get("ovn-bridge") != INTEGRATION_BRIDGE:
        key = f"external_ids:ovn-bridge={INTEGRATION_BRIDGE}"
        await must_run([*database, "set", "Open_vSwitch", ".", key], log)


def parse_map(text: str) -> dict[str, str]:
    """A map as ovs-vsctl prints it: `{a="1", b=c}`."""
    found = re.findall(r'("(?:[^"\\]|\\.)*"|[^\s{},=]+)=("(?:[^"\\]|\\.)*"|[^,}]*)', text)
    return {key.strip('"'): value.strip('"') for key, value in found}


async def _listening(socket_path: Path) -> None:
    async def look() -> bool | None:
        return answers(socket_path) or None

    async def give_up() -> QuantixError:
        return TransientError(
            "DatabaseSilent", f"{socket_path} does not answer.", "qx down, then make up again"
        )

    await until(look, START_TIMEOUT_S, give_up)


async def must_run(argv: list[str], log: UpLog) -> Done:
    """Run a tool of a database. Raises PermanentError (DatabaseFailed) with its last line."""
    done = await run(argv, log)
    if done.code != 0:
        raise PermanentError(
            "DatabaseFailed", f"{argv[0]} failed: {done.last}.", "make up again; the log shows the command"
        )
    return done
