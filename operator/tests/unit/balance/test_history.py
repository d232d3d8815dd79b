"""What the migrations of the last hour tell, whoever made them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from quantix_api import VirtualMachineMigration
from quantix_operator.balance.history import History, history_of

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
OURS = {"quantix.io/balancer": "CPUPressure"}
BEGUN = {"startedAt": "2026-11-24T11:50:00Z", "sourceHost": "h1", "targetHost": "h2"}


def migration(name: str, at: str = "11:45:00", target: str | None = None, **parts: Any) -> Any:
    metadata = {"name": name, "namespace": "a", "uid": f"uid-{name}"}
    metadata |= {"creationTimestamp": f"2026-11-24T{at}Z", "labels": parts.get("labels", {})}
    spec = {"virtualMachine": name, **({"targetHost": target} if target else {})}
    return VirtualMachineMigration.parse(
        {"metadata": metadata, "spec": spec, "status": parts.get("status", {})}
    )


def history(*migrations: VirtualMachineMigration) -> History:
    return history_of(migrations, lambda _: "h1", NOW)


def test_what_others_asked_for_counts_once_it_has_begun() -> None:
    waiting = [migration(f"by-hand-{number}", target="h3") for number in range(9)]
    seen = history(*waiting, migration("begun", status=BEGUN))
    assert (seen.going_on, dict(seen.busy)) == (1, {"h1": 1, "h2": 1})
    assert seen.settling_hosts == {"h1", "h2"}
    assert seen.moving == {"a/begun", *(f"a/by-hand-{number}" for number in range(9))}
    assert (seen.made, seen.ours) == (0, ())


def test_what_the_balancer_asked_for_counts_at_once() -> None:
    seen = history(migration("web", target="h3", labels=OURS))
    assert (seen.made, seen.going_on, dict(seen.busy)) == (1, 1, {"h1": 1, "h3": 1})
    assert [item.metadata.name for item in seen.waiting] == ["web"]
    assert seen.last == {"a/web": "uid-web"}


def test_the_hour_counts_what_the_balancer_made_and_that_began() -> None:
    over = {"finishedAt": "2026-11-24T11:46:00Z"}
    seen = history(
        migration("old", at="11:00:00", labels=OURS, status={**BEGUN, **over}),
        migration("new", at="11:00:01", labels=OURS, status={**BEGUN, **over}),
        migration("cancelled", labels=OURS, status=over),
        migration("by-hand", status={**BEGUN, **over}),
    )
    assert seen.made == 1


def test_hosts_rest_for_minutes_after_a_migration_and_its_vm_for_longer() -> None:
    ended = {**BEGUN, "finishedAt": "2026-11-24T11:54:00Z", "phase": "Succeeded"}
    late = {**BEGUN, "finishedAt": "2026-11-24T11:54:01Z", "phase": "Failed", "targetHost": "h4"}
    seen = history(migration("web", status=ended), migration("db", status=late, labels=OURS))
    assert seen.settling_hosts == {"h1", "h4"}
    assert seen.vm_rest_minutes == {"a/web": 30, "a/db": 60}
