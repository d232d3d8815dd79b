"""Takes back what hostd made in Open vSwitch, and leaves the network of a cluster. Used by `make clean`."""

from __future__ import annotations

import json

from quantix_cli.supervision.table import Installation
from quantix_cli.up.run.programs import run
from quantix_cli.up.run.uplog import UpLog

BRIDGE_PREFIX = "qx-"
_TUNNEL_BRIDGE = "qx-phy"
# hostd's keys in a switch that is the machine's own (ovn-controller(8))
SWITCH_KEYS = (
    *("ovn-remote", "ovn-encap-type", "ovn-encap-ip", "ovn-bridge", "ovn-bridge-datapath-type"),
    *("ovn-bridge-mappings", "ovn-monitor-all", "quantix.io/host"),
)


async def leave_network(installation: Installation, log: UpLog) -> None:
    """On a member: take this host's chassis out of the cluster's network, where that answers: until then a
    later host with the same address has no tunnels (network.md, section 5). Its ovn-controller has stopped.
    """
    if not installation.is_member:
        return
    layout = installation.layout
    asked = await run([*_switch(installation), "get", "Open_vSwitch", ".", "external_ids:system-id"], log)
    chassis = "".join(asked.output).strip().strip('"')
    if asked.code != 0 or not chassis:
        return
    credentials = [f"--private-key={layout.ovn_key}", f"--certificate={layout.ovn_certificate}"]
    database = [f"--db={installation.southbound}", f"--ca-cert={layout.ovn_authority}", *credentials]
    await run(["ovn-sbctl", "--timeout=5", *database, "--if-exists", "chassis-del", chassis], log)


async def remove_bridges(installation: Installation, log: UpLog) -> None:
    """Remove our keys and bridges from the Open vSwitch that we use: unless it serves another OVN."""
    database = _switch(installation)
    asked = await run([*database, "--if-exists", "get", "Open_vSwitch", ".", "external_ids:ovn-remote"], log)
    remote = "".join(asked.output).strip().strip('"')
    if remote not in ("", installation.southbound, f"unix:{installation.layout.ovn_sb_socket}"):
        # the machine's own switch, of another installation: its bridges have the same names
        return
    if remote:
        for key in SWITCH_KEYS:
            await run([*database, "remove", "Open_vSwitch", ".", "external_ids", f'"{key}"'], log)
    listed = await run([*database, "list-br"], log)
    for bridge in listed.output if listed.code == 0 else ():
        if bridge.startswith(BRIDGE_PREFIX):
            if bridge == _TUNNEL_BRIDGE:
                await _give_addresses_back(database, log)
            await run([*database[:-1], "--if-exists", "del-br", bridge], log)


async def _give_addresses_back(database: list[str], log: UpLog) -> None:
    """Put the addresses of the wire for tunnels back onto the device that has had them."""
    ports = await run([*database, "list-ports", _TUNNEL_BRIDGE], log)
    shown = await run(["ip", "-json", "address", "show", "dev", _TUNNEL_BRIDGE], log)
    if ports.code != 0 or shown.code != 0:
        return
    for device in ports.output[:1]:
        for address in addresses_to_keep("".join(shown.output)):
            await run(["ip", "address", "replace", address, "dev", device], log)


def addresses_to_keep(shown: str) -> list[str]:
    """Those with their prefix lengths in what `ip -json address` shows, without link-local ones. Pure."""
    found = [entry for device in json.loads(shown or "[]") for entry in device.get("addr_info", [])]
    return [f"{entry['local']}/{entry['prefixlen']}" for entry in found if entry.get("scope") != "link"]


def _switch(installation: Installation) -> list[str]:
    return ["ovs-vsctl", "--timeout=5", f"--db={installation.openvswitch_database}", "--no-wait"]
