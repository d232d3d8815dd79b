"""A real chassis for contract tests: ovn-controller between a switch and a central that other fixtures run.

Used by pytest fixtures. Needs root. The process ends with the context.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from quantix_api.resources import LOCAL_PHYSICAL_NETWORK
from quantix_lab.open_vswitch import OpenVSwitch, inside
from quantix_lab.ovn_central import OvnCentral

BRIDGE = "qx-int"
_STOP_TIMEOUT_S = 5.0
_POLL_S = 0.1


@dataclass(frozen=True)
class Chassis:
    """A running ovn-controller and the switch that it programs."""

    switch: OpenVSwitch

    def flows(self, table: int, text: str, *, timeout_s: float = 15.0) -> list[str]:
        """The OpenFlow flows of a table that hold `text`, as soon as there are any; [] after the timeout."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            found = [line.strip() for line in self._dump(table) if text in line]
            if found:
                return found
            time.sleep(_POLL_S)
        return []

    def _dump(self, table: int) -> list[str]:
        bridge = f"unix:{self.switch.directory}/{BRIDGE}.mgmt"
        command = ("ovs-ofctl", "-O", "OpenFlow15", "--no-stats", "dump-flows", bridge, f"table={table}")
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=10)
        return done.stdout.splitlines()


@contextmanager
def running_chassis(
    switch: OpenVSwitch, central: OvnCentral, system_id: str, southbound: str = ""
) -> Iterator[Chassis]:
    """Run ovn-controller as the chassis `system_id`, with the wire `qx-local` on the bridge `qx-ex`;
    `southbound` is the database as it reaches it, if not by the central's own socket.
    """
    settings = {
        "system-id": system_id,
        "ovn-remote": southbound or central.southbound,
        "ovn-encap-type": "geneve",
        "ovn-encap-ip": "127.0.0.1",
        "ovn-bridge": BRIDGE,
        "ovn-bridge-datapath-type": "netdev",
        "ovn-bridge-mappings": f"{LOCAL_PHYSICAL_NETWORK}:qx-ex",
    }
    for bridge in (BRIDGE, "qx-ex"):
        switch.vsctl("add-br", bridge, "--", "set", "Bridge", bridge, "datapath_type=netdev")
    pairs = [f'external_ids:{key}="{value}"' for key, value in settings.items()]
    switch.vsctl("set", "Open_vSwitch", ".", *pairs)
    run = switch.directory
    command = inside(switch.namespace, "ovn-controller", switch.database)
    options = [f"--pidfile={run}/ovn-controller.pid", "-vconsole:info", "-vfile:off", "-vsyslog:off"]
    environment = {**os.environ, "OVN_RUNDIR": str(run), "OVS_RUNDIR": str(run)}
    with (run / "ovn-controller.log").open("ab") as log:
        process = subprocess.Popen(
            [*command, *options], env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
    try:
        yield Chassis(switch)
    finally:
        process.terminate()
        try:
            process.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
