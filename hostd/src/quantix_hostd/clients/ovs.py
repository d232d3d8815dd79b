"""The Open vSwitch of this host: bridges, our own ports, and what ovn-controller reads from it.

Used by `host.network`. Speaks to one ovsdb-server by its socket, so that several hosts can live on one
machine. Ports of VMs are libvirt's and `clients.ovs_ports`' business.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from quantix_api.errors import TransientError
from quantix_api.messages import as_error
from quantix_hostd.clients.command import CommandFailed, CommandTimedOut, run
from quantix_hostd.facts.switch import (
    BridgeFacts,
    InterfaceFacts,
    InternalPort,
    TlsFacts,
    TlsFiles,
)

_TIMEOUT_S = 5


class OvsClient:
    """`database` is e.g. unix:/run/openvswitch/db.sock."""

    def __init__(self, database: str) -> None:
        self.database = database

    async def external_ids(self) -> Mapping[str, str]:
        """Those of the Open_vSwitch row, where ovn-controller takes its settings from."""
        rows = await self._list("Open_vSwitch", "external_ids")
        return dict(rows[0]["external_ids"]) if rows else {}

    async def set_external_ids(self, values: Mapping[str, str]) -> None:
        """Set these keys and leave all others as they are."""
        pairs = [f"external_ids:{key}={_quoted(value)}" for key, value in values.items()]
        await self._vsctl("--no-wait", "set", "Open_vSwitch", ".", *pairs)

    async def version(self) -> str:
        """Of the running ovs-vswitchd; "" when it has not said it yet."""
        rows = await self._list("Open_vSwitch", "ovs_version")
        return str(rows[0]["ovs_version"] or "") if rows else ""

    async def bridges(self) -> Mapping[str, BridgeFacts]:
        ports = {row["_uuid"]: row["name"] for row in await self._list("Port", "_uuid", "name")}
        columns = ("name", "datapath_type", "fail_mode", "other_config", "external_ids", "ports")
        rows = await self._list("Bridge", *columns)
        return {
            row["name"]: BridgeFacts(
                datapath_type=str(row["datapath_type"]),
                fail_mode=_one(row["fail_mode"]) or "",
                mac=row["other_config"].get("hwaddr", ""),
                external_ids=dict(row["external_ids"]),
                ports=frozenset(ports[uuid] for uuid in _many(row["ports"]) if uuid in ports),
            )
            for row in rows
        }

    async def interfaces(self, names: Iterable[str]) -> Mapping[str, InterfaceFacts]:
        """The named interfaces, as far as they exist."""
        wanted = frozenset(names)
        rows = await self._list("Interface", "name", "type", "mac", "mtu_request", "external_ids")
        return {
            row["name"]: InterfaceFacts(
                type=str(row["type"]),
                mac=_one(row["mac"]) or "",
                mtu_request=_one(row["mtu_request"]),
                external_ids=dict(row["external_ids"]),
            )
            for row in rows
            if row["name"] in wanted
        }

    async def ensure_bridge(
        self,
        name: str,
        *,
        datapath_type: str,
        fail_mode: str,
        external_ids: Mapping[str, str],
        mac: str = "",
    ) -> None:
        """Make the bridge, or set it right where it differs; its ports stay.

        `mac` is for its own port (ovs-vswitchd.conf.db(5), Bridge, other_config:hwaddr); "" leaves it to
        Open vSwitch.
        """
        await self._vsctl(
            "--may-exist",
            "add-br",
            name,
            "--",
            "set",
            "Bridge",
            name,
            f"datapath_type={datapath_type}",
            f"fail_mode={fail_mode}",
            "other_config:disable-in-band=true",
            *([f"other_config:hwaddr={_quoted(mac)}"] if mac else []),
            *_ids(external_ids),
        )

    async def ensure_internal_port(self, port: InternalPort) -> None:
        """Make the port, or set it right where it differs."""
        size = f"mtu_request={port.mtu}"
        settings = ["type=internal", f"mac={_quoted(port.mac)}", size, *_ids(port.external_ids)]
        add = ["--may-exist", "add-port", port.bridge, port.name]
        await self._vsctl(*add, "--", "set", "Interface", port.name, *settings)

    async def remove_port(self, bridge: str, name: str) -> None:
        await self._vsctl("--if-exists", "del-port", bridge, name)

    async def tls(self) -> TlsFacts | None:
        """How the programs that use this database speak TLS; None when nobody has said."""
        rows = await self._list("SSL", "private_key", "certificate", "ca_cert", "external_ids")
        if not rows:
            return None
        paths = (str(rows[0][column]) for column in ("private_key", "certificate", "ca_cert"))
        return TlsFacts(TlsFiles(*paths), dict(rows[0]["external_ids"]))

    async def set_ssl(self, files: TlsFiles, external_ids: Mapping[str, str]) -> None:
        """Have the programs that use this database, such as ovn-controller, speak TLS with these files.

        One row for all (ovs-vswitchd.conf.db(5), SSL): see first whose it is.
        """
        values = {"private_key": files.key, "certificate": files.certificate, "ca_cert": files.authority}
        pairs = [f"{column}={_quoted(path)}" for column, path in values.items()]
        row = ["--id=@ssl", "create", "SSL", *pairs, *_ids(external_ids)]
        await self._vsctl("--no-wait", "--", *row, "--", "set", "Open_vSwitch", ".", "ssl=@ssl")

    async def attach_port(self, bridge: str, device: str, external_ids: Mapping[str, str]) -> None:
        """Make a device of the host a port of the bridge, or mark it where it is one."""
        add = ["--may-exist", "add-port", bridge, device]
        await self._vsctl(*add, "--", "set", "Interface", device, *_ids(external_ids))

    async def remove_bridge(self, name: str) -> None:
        await self._vsctl("--if-exists", "del-br", name)

    async def _list(self, table: str, *columns: str) -> list[dict[str, Any]]:
        answer = await self._vsctl("--format=json", f"--columns={','.join(columns)}", "list", table)
        document = json.loads(answer) if answer.strip() else {"headings": [], "data": []}
        return [
            {name: _plain(value) for name, value in zip(document["headings"], row, strict=True)}
            for row in document["data"]
        ]

    async def _vsctl(self, *arguments: str) -> str:
        try:
            result = await run(
                "ovs-vsctl",
                f"--db={self.database}",
                f"--timeout={_TIMEOUT_S}",
                *arguments,
                timeout_s=_TIMEOUT_S + 2.0,
            )
        except (CommandFailed, CommandTimedOut) as error:
            said = error.message[-200:].rstrip(".")
            raise as_error(TransientError, "NetworkDown", process="Open vSwitch", said=said) from error
        return result.stdout


def _plain(value: Any) -> Any:
    """OVSDB's JSON (RFC 7047, section 5.1) as plain Python; sets become tuples."""
    if isinstance(value, list) and len(value) == 2:
        kind, content = value
        if kind == "map":
            return {_plain(key): _plain(item) for key, item in content}
        if kind == "set":
            return tuple(_plain(item) for item in content)
        if kind == "uuid":
            return content
    return value


def _many(value: Any) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else (value,)


def _one(value: Any) -> Any:
    """An optional column: a set of none or one."""
    return (value[0] if value else None) if isinstance(value, tuple) else value


def _quoted(text: str) -> str:
    return json.dumps(text)


def _ids(external_ids: Mapping[str, str]) -> list[str]:
    return [f"external_ids:{_quoted(key)}={_quoted(value)}" for key, value in external_ids.items()]
