"""Certificates that end soon are shown and warned of, well before."""

from __future__ import annotations

import asyncio
import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
from structlog.testing import capture_logs

from quantix_client.api import ApiClient
from quantix_client.errors import NotFound
from quantix_client.kubeconfig import Access
from quantix_lab.clocks import ManualClock
from quantix_operator.certificates.authority import new_authority
from quantix_operator.certificates.expiry import ExpiryWatch, authority_expiry, leaf_expiry, token_expiry
from quantix_operator.metrics import Metrics

NOW = datetime(2026, 11, 24, tzinfo=UTC)
LIFE = timedelta(days=3650)


def test_an_authority_is_near_its_end_half_a_year_before() -> None:
    expiry = authority_expiry("api-authority", new_authority("uid", NOW).certificate_pem)
    assert expiry.ends == NOW + LIFE
    assert not expiry.is_near(NOW + LIFE - timedelta(days=181))
    assert expiry.is_near(NOW + LIFE - timedelta(days=179))


def test_of_several_authorities_the_one_that_ends_first_counts() -> None:
    old, young = new_authority("uid", NOW - timedelta(days=3500)), new_authority("uid", NOW)
    expiry = authority_expiry("api-authority", young.certificate_pem + old.certificate_pem)
    assert expiry.ends == NOW + timedelta(days=150)


def test_our_own_certificate_is_near_its_end_when_its_renewal_did_not_work() -> None:
    expiry = leaf_expiry("operator", new_authority("uid", NOW).certificate_pem)
    assert not expiry.is_near(NOW + LIFE * 2 / 3)
    assert expiry.is_near(NOW + LIFE * 11 / 12)


def token(claims: object) -> str:
    payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"e30.{payload}.c2lnbmF0dXJl"


def test_a_service_accounts_token_has_an_end_too() -> None:
    began, year = int(NOW.timestamp()), 365 * 24 * 3600
    expiry = token_expiry("operator", token({"sub": "s", "iat": began, "exp": began + year}))
    assert expiry.ends == NOW + timedelta(days=365)
    assert not expiry.is_near(NOW + timedelta(days=300))
    assert expiry.is_near(NOW + timedelta(days=310))


@pytest.mark.parametrize("odd", ["opaque", "", "a.b.c", "..", token([]), token({"iat": 1})])
def test_a_token_that_says_no_end_is_left_out(odd: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        token_expiry("operator", odd)


@pytest.mark.parametrize(("age_days", "warnings"), [(100, 0), (3600, 1)])
def test_the_metric_shows_the_end_and_the_log_warns_when_it_is_near(age_days: int, warnings: int) -> None:
    metrics = Metrics()
    watch = ExpiryWatch(cast(ApiClient, None), metrics, ManualClock())
    authority = new_authority("uid", NOW - timedelta(days=age_days))
    expiry = authority_expiry("host-authority", authority.certificate_pem)
    with capture_logs() as logs:
        watch.report([expiry], NOW)
    shown = metrics.registry.get_sample_value(
        "quantix_operator_certificate_ends_timestamp_seconds", {"certificate": "host-authority"}
    )
    assert shown == expiry.ends.timestamp()
    assert [entry["event"] for entry in logs] == ["certificate ends soon"] * warnings


class YoungCluster:
    """An API whose authority of hosts is made after the first look."""

    def __init__(self) -> None:
        self.access = Access("https://a.example")
        self.published = ""

    async def get(self, *_: object) -> dict[str, Any]:
        if not self.published:
            raise NotFound("There is none.")
        return {"data": {"ca.crt": self.published}}


async def test_an_authority_that_is_made_after_the_first_look_is_shown_soon() -> None:
    api, metrics, clock = YoungCluster(), Metrics(), ManualClock()
    running = asyncio.create_task(ExpiryWatch(cast(ApiClient, api), metrics, clock).run())

    def shown() -> float | None:
        return metrics.registry.get_sample_value(
            "quantix_operator_certificate_ends_timestamp_seconds", {"certificate": "host-authority"}
        )

    try:
        await clock.advance(1)
        assert shown() is None
        api.published = new_authority("uid", NOW).certificate_pem
        await clock.advance(60)
        assert shown() == (NOW + LIFE).timestamp()
    finally:
        running.cancel()
