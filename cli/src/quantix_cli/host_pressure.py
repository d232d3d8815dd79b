"""How much the programs of a host wait, for `qx host explain`. Pure."""

from __future__ import annotations

from quantix_cli.nouns import Manifest


def pressure_facts(host: Manifest) -> list[tuple[str, str]]:
    """`CPU High since 2026-11-24T10:00:00Z, Memory Low`; nothing where the host says nothing."""
    told = []
    for item in (host.get("status") or {}).get("pressure") or []:
        since = f" since {item['since']}" if item["level"] == "High" and item.get("since") else ""
        told.append(f"{item['resource']} {item['level']}{since}")
    return [("pressure", ", ".join(told))] if told else []
