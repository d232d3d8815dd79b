"""When removing rows is suspicious, and what a version of OVN can do."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from quantix_operator.northbound.capabilities import parse_capabilities
from quantix_operator.northbound.guard import judge_removal

NOW = datetime(2026, 11, 24, tzinfo=UTC)
KNOWN = {"here": 170}


@pytest.mark.parametrize(
    ("gone", "seen", "allowed", "suspicious"),
    [
        ({"a": 30}, set(), None, True),
        ({"a": 30}, {"a"}, None, False),
        ({"a": 30}, set(), NOW + timedelta(hours=1), False),
        ({"a": 30}, set(), NOW - timedelta(hours=1), True),
        ({"a": 19}, set(), None, False),
        ({"a": 15, "b": 15}, {"a"}, None, False),
        ({"a": 15, "b": 15}, set(), None, True),
    ],
)
def test_many_rows_of_unknown_owners_that_nobody_deleted_are_suspicious(
    gone: dict[str, int], seen: set[str], allowed: datetime | None, suspicious: bool
) -> None:
    verdict = judge_removal({**KNOWN, **gone}, KNOWN.keys(), seen, allowed, NOW)
    assert verdict.suspicious is suspicious
    assert verdict.gone == tuple(sorted(gone))


def test_a_tenth_of_a_large_network_may_go_at_once() -> None:
    assert not judge_removal({"here": 1000, "a": 100}, {"here"}, set(), None, NOW).suspicious


@pytest.mark.parametrize(
    ("version", "hole", "owned"),
    [
        ("", True, False),
        ("23.03.1-20.27.0-70.6", True, False),
        ("24.03.4-20.33.0-72.6", True, True),
        ("24.03.5-20.33.0-72.6", False, True),
        ("24.09.1-20.37.0-77.5", True, True),
        ("24.09.2-20.37.0-77.5", False, True),
        ("25.03.0-20.41.0-78.8", False, True),
    ],
)
def test_a_version_says_what_ovn_can_do(version: str, hole: bool, owned: bool) -> None:
    capabilities = parse_capabilities(version)
    assert capabilities.dns_hole is hole
    assert capabilities.dns_owned is owned
