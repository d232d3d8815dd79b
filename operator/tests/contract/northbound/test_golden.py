"""The whole content of the northbound database for the first installation, compared to the last comma.

`golden/first_installation.json` holds what stands in the database; after a wanted change it is made anew by
`python -m tests.contract.northbound.test_golden` from the folder operator, and read before it is committed.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from quantix_api.resources import SECURITY_GROUPS
from quantix_lab.ovn_central import OvnCentral, running_northbound
from quantix_operator.northbound.rows import MEMBERSHIPS, ROOT_TABLES, UNMARKED_TABLES

from .scenario import floating, guest, installation, web_group
from .world import world

GOLDEN = Path(__file__).parent / "golden/first_installation.json"
_OUTPUTS = {"_version", "up", "dynamic_addresses", "tag", "_uuid", "external_ids"}


def content(central: OvnCentral) -> dict[str, dict[str, Any]]:
    """Every row of our tables: table → kind, name and key of its owner → columns that are not empty."""
    tables = {}
    for table in sorted(ROOT_TABLES | MEMBERSHIPS.keys()):
        rows = {}
        for row in _rows(central, table):
            key = _key(table, row)
            rows[f"{key} = {row['_uuid'][1]}"] = {
                name: _plain(value)
                for name, value in row.items()
                if name not in _OUTPUTS and _plain(value) not in ([], {}, "", 0, False)
            }
        if rows:
            tables[table] = dict(sorted(rows.items()))
    return tables


def _key(table: str, row: dict[str, Any]) -> str:
    if table in UNMARKED_TABLES:
        return " ".join(row[column] for column in UNMARKED_TABLES[table])
    marks = dict(row["external_ids"][1])
    return " ".join(filter(None, (marks[f"quantix.io/{part}"] for part in ("kind", "name", "key"))))


def _rows(central: OvnCentral, table: str) -> list[dict[str, Any]]:
    query = json.dumps(["OVN_Northbound", {"op": "select", "table": table, "where": []}])
    done = subprocess.run(
        ("ovsdb-client", "query", central.northbound, query), capture_output=True, text=True, check=True
    )
    rows: list[dict[str, Any]] = json.loads(done.stdout)[0]["rows"]
    return rows


def _plain(value: Any) -> Any:
    """OVSDB's JSON as people write it, sets in order."""
    if not isinstance(value, list):
        return value
    kind, inner = value
    if kind == "map":
        return dict(sorted(inner))
    if kind == "set":
        return sorted(_plain(item) for item in inner)
    return inner


async def build(central: OvnCentral) -> dict[str, dict[str, Any]]:
    """The content of the database after the first installation with one guest and a group for each rule."""
    async with world(central.northbound) as made:
        installation(made)
        web_group(made)
        made.add(
            SECURITY_GROUPS,
            "db",
            {
                "ingress": [
                    {"protocol": "TCP", "ports": [{"port": 5432}], "from": [{"group": "web"}]},
                    {"protocol": "UDP", "ports": [{"port": 53}, {"port": 5000, "endPort": 5010}]},
                    {"from": [{"cidr": f"10.{number}.0.0/16"} for number in range(7)]},
                ],
                "egress": [{"protocol": "ICMP", "to": [{"cidr": "fd00::/8"}, {"cidr": "10.0.0.0/8"}]}],
            },
            namespace="default",
        )
        await made.settle()
        assert (await made.ensure(guest(made, "web-1", host="h1", securityGroups=["web"]))).ready
        assert (await made.ensure(guest(made, "db-1", securityGroups=["db"]))).ready
        floating(made, "web", address="10.78.0.20", virtualMachine="web-1")
        floating(made, "kept", address="10.78.0.21")
        await made.settle()
        return content(central)


async def test_the_first_installation_is_in_the_database_to_the_last_comma(database: OvnCentral) -> None:
    assert await build(database) == json.loads(GOLDEN.read_text())


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as directory, running_northbound(Path(directory)) as running:
        found = asyncio.run(build(running))
    GOLDEN.parent.mkdir(exist_ok=True)
    GOLDEN.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n")
    sys.stdout.write(f"{GOLDEN}\n")
