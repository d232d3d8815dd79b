"""What `explain` says of a VM beside its conditions. Pure; used by `explaining`."""

from __future__ import annotations

from quantix_api.conditions import condition_of
from quantix_api.quantities import counted
from quantix_cli.nouns import Manifest, look


def vm_facts(vm: Manifest) -> list[tuple[str, str]]:
    """Labels and texts."""
    host = look(vm, "status.assignment.host")
    addresses = ", ".join(look(vm, "status.addresses", []))
    found = [_unfit(group) for group in look(vm, "status.unfitHosts", [])]
    found += [("address", addresses)] if addresses else []
    found += [("drive", f"{d['name']}: {d.get('image') or 'empty'}") for d in look(vm, "spec.cdroms", [])]
    older = ", ".join(look(vm, "status.takenOver", []))
    found += [("took over", f"{older}, with the data of an earlier VM of this name")] if older else []
    restarts = look(vm, "status.runtime.restarts", 0)
    if restarts:
        found.append(("restarts", f"{restarts} since it was placed on host {host}"))
    ended = look(vm, "status.runtime.lastExit")
    if ended:
        found.append(("last end", f"{ended.get('reason')} at {ended.get('at')}"))
    if host and condition_of(vm, "Protected").get("status") == "False":
        volumes = ", ".join(d.get("volume", "") for d in look(vm, "status.resolved.disks", []))
        disks = f"; its data is in {volumes}" if volumes else ""
        found.append((f"if {host} dies", f"it stays down until {host} is back{disks}"))
    return found


def _unfit(group: Manifest) -> tuple[str, str]:
    """`2 hosts`, `lack memory: h1, h2`: the scheduler's own words for each group of hosts."""
    count, named = int(group.get("count", 0)), group.get("hosts", [])
    more = f" and {count - len(named):,} more" if count > len(named) else ""
    return counted(count, "host"), f"{group.get('why')}: {', '.join(named)}{more}"
