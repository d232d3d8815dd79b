"""Settings, kopf's settings and login, health, errors shown, and the lists that keep kopf honest."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from quantix_api.errors import InvariantError, TransientError
from quantix_api.resources import HOSTS, NETWORKS, VIRTUAL_MACHINES, Resource
from quantix_client.api import ApiClient, ListResult
from quantix_client.kubeconfig import Access
from quantix_lab.clocks import ManualClock
from quantix_operator.cache import Cache
from quantix_operator.dispatch import Mapper
from quantix_operator.error_report import ErrorReport
from quantix_operator.handlers import EndlessBackoff, connection_info, operator_settings
from quantix_operator.health import liveness, readiness
from quantix_operator.internal_error import with_internal_error
from quantix_operator.metrics import Metrics
from quantix_operator.resync import Resync
from quantix_operator.settings import parse

NOW = datetime(2026, 11, 24, tzinfo=UTC)


def test_settings_come_from_flags_and_default_to_the_root() -> None:
    given = parse(["--root", "/srv/q", "--ovn-nb", "unix:/x", "--metrics", "[::1]:0", "--log-format", "json"])
    assert given.kubeconfig == Path("/srv/q/etc/quantix/operator.kubeconfig")
    assert (given.ovn_nb, given.metrics_host, given.metrics_port, given.json_logs) == (
        "unix:/x",
        "::1",
        0,
        True,
    )
    assert given.identity != parse([]).identity
    assert parse([]).metrics_port == 9442


@pytest.mark.parametrize("address", ["9442", "host:", "host:99999", "host:x"])
def test_a_wrong_address_is_refused_with_usage(address: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        parse(["--metrics", address])
    assert caught.value.code == 2
    assert "is not HOST:PORT" in capsys.readouterr().err


def test_kopf_is_an_entrance_and_no_more() -> None:
    settings = operator_settings()
    assert settings.posting.enabled is False
    assert settings.scanning.disabled is True
    assert settings.peering.standalone is True
    delays = list(itertools.islice(EndlessBackoff(), 1000))
    assert delays[0] < 1
    assert max(delays) <= 3


def test_kopf_gets_our_certificate_and_asks_again_between_its_renewal_and_its_end() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([])
    ends = NOW + timedelta(days=6)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(NOW)
        .not_valid_after(ends)
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM).decode()
    access = Access("https://127.0.0.1:1", certificate_pem=pem, key_pem="key", ca_pem="ca")
    info = connection_info(access, NOW)
    assert (info.certificate_data, info.private_key_data, info.ca_data) == (pem, "key", "ca")
    assert info.expiration == NOW + timedelta(days=5)
    late = connection_info(access, NOW + timedelta(days=5, hours=1))
    assert late.expiration == ends, "it would log in at every call while nobody renews"
    assert connection_info(Access("https://127.0.0.1:1", token="t"), NOW).expiration is None


def test_a_process_is_ready_when_it_could_take_over_and_dead_when_its_watches_ended() -> None:
    assert readiness(synced=True, watching=True).ok
    assert not readiness(synced=False, watching=True).ok
    assert not readiness(synced=True, watching=False).ok
    assert liveness(synced=False, watching=False).ok
    assert liveness(synced=True, watching=False).text == "watches ended\n"


def owned(status: dict[str, Any], fields: dict[str, Any]) -> dict[str, Any]:
    entry = {
        "manager": "quantix-operator",
        "operation": "Apply",
        "subresource": "status",
        "fieldsV1": {"f:status": fields},
    }
    return {"metadata": {"name": "a", "generation": 3, "managedFields": [entry]}, "status": status}


def test_a_bug_shows_as_ready_false_and_keeps_what_else_is_owned() -> None:
    ready = {
        "type": "Ready",
        "status": "True",
        "reason": "Programmed",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }
    item: dict[str, Any] = {".": {}, "f:type": {}, "f:status": {}, "f:reason": {}, "f:lastTransitionTime": {}}
    live = owned(
        {"address": "192.0.2.1", "conditions": [ready]},
        {"f:address": {}, "f:conditions": {'k:{"type":"Ready"}': item}},
    )
    fields = with_internal_error(NETWORKS, live, KeyError("x"), NOW)
    assert fields is not None
    (condition,) = fields["status"]["conditions"]
    assert fields["status"]["address"] == "192.0.2.1"
    assert (condition["status"], condition["reason"]) == ("False", "InternalError")
    assert condition["observedGeneration"] == 3
    assert condition["lastTransitionTime"] == "2026-11-24T00:00:00Z"
    assert "KeyError" in condition["message"]


def test_a_second_failure_keeps_the_time_of_the_first() -> None:
    ready = {"type": "Ready", "status": "False", "lastTransitionTime": "2026-01-01T00:00:00Z"}
    item: dict[str, Any] = {".": {}, "f:type": {}, "f:status": {}, "f:lastTransitionTime": {}}
    live = owned({"conditions": [ready]}, {"f:conditions": {'k:{"type":"Ready"}': item}})
    fields = with_internal_error(NETWORKS, live, KeyError("x"), NOW)
    assert fields is not None
    assert fields["status"]["conditions"][0]["lastTransitionTime"] == "2026-01-01T00:00:00Z"


def test_ready_of_hostd_is_not_taken_away() -> None:
    live = owned({"conditions": [{"type": "Ready", "status": "True", "reason": "Running"}]}, {".": {}})
    assert with_internal_error(NETWORKS, live, KeyError("x"), NOW) is None


def test_a_status_that_nobody_wrote_yet_may_be_written() -> None:
    live = owned({"conditions": [{"type": "Ready", "status": "Unknown", "reason": "Pending"}]}, {".": {}})
    assert with_internal_error(NETWORKS, live, KeyError("x"), NOW) is not None


class OfNetworks:
    """A controller that is about Networks."""

    name = "network"
    concurrency = 1
    resource: Resource | None = NETWORKS
    watches: Mapping[Resource, Mapper] = {}

    async def reconcile(self, key: str) -> float | None:
        raise AssertionError(f"{key} is not to be reconciled")


class ApplyApi:
    """Takes applies, and tells what it got."""

    def __init__(self) -> None:
        self.applied: list[dict[str, Any]] = []

    async def apply(self, _resource: object, body: dict[str, Any], **_how: str) -> dict[str, Any]:
        self.applied.append(body)
        return body


@pytest.mark.parametrize(
    ("error", "shown"),
    [
        (KeyError("x"), True),
        (InvariantError("ConditionUnknown", "Network has no Ready=True with reason Bored."), True),
        (TransientError("NorthboundUnreachable", "The database does not answer."), False),
    ],
    ids=lambda value: type(value).__name__,
)
async def test_only_what_nobody_foresaw_is_shown_as_a_bug(error: Exception, shown: bool) -> None:
    api, cache = ApplyApi(), Cache([NETWORKS])
    cache.put(NETWORKS, {"metadata": {"name": "a", "uid": "1", "generation": 1}})
    await ErrorReport(cast("ApiClient", api), cache, Metrics())(OfNetworks(), "a", error)
    reasons = [item["reason"] for body in api.applied for item in body["status"]["conditions"]]
    assert reasons == (["InternalError"] if shown else [])


class ListApi:
    """Answers lists, and discovery after it was asked some times."""

    def __init__(self, *items: dict[str, Any], version: int) -> None:
        self.listed = ListResult(list(items), str(version))
        self.lists = 0
        self.asked = 0

    async def list(self, _resource: object, _namespace: str | None = None) -> ListResult:
        self.lists += 1
        return self.listed

    async def request(self, _method: str, path: str) -> dict[str, Any]:
        self.asked += 1
        if path == "/apis":
            return {"groups": [{"name": "quantix.io"}] if self.asked > 1 else []}
        return {"resources": [{"name": "hosts"}] if self.asked > 3 else []}


def host(name: str, version: int) -> dict[str, Any]:
    return {"metadata": {"name": name, "uid": name, "resourceVersion": str(version)}}


class InstantClock(ManualClock):
    """Sleeping takes no time, but the news that comes meanwhile is put into the cache."""

    def __init__(self) -> None:
        super().__init__()
        self.slept: list[float] = []
        self.meanwhile: list[Any] = []

    async def sleep(self, delay_s: float) -> None:
        self.slept.append(delay_s)
        for action in self.meanwhile:
            action()


def resync(api: ListApi, cache: Cache) -> tuple[Resync, Metrics, InstantClock]:
    metrics, clock = Metrics(), InstantClock()
    return Resync(cast("ApiClient", api), cache, metrics, period_s=60, clock=clock), metrics, clock


async def test_the_first_list_fills_the_cache() -> None:
    cache = Cache((HOSTS,))
    await resync(ListApi(host("h1", 5), version=9), cache)[0].fill()
    assert cache.synced.is_set()
    assert cache.get(HOSTS, "h1") == host("h1", 5)


async def test_what_the_watch_missed_is_adopted_and_counted() -> None:
    cache = Cache((HOSTS,))
    cache.put(HOSTS, host("gone", 3))
    comparing, metrics, _ = resync(ListApi(host("h1", 5), version=9), cache)
    assert await comparing.compare(HOSTS) == 2
    assert [item["metadata"]["name"] for item in cache.list(HOSTS)] == ["h1"]
    assert (
        metrics.registry.get_sample_value("quantix_operator_missed_changes_total", {"resource": "hosts"}) == 2
    )


async def test_news_that_was_on_its_way_is_not_counted_as_missed() -> None:
    cache = Cache((HOSTS,))
    comparing, metrics, clock = resync(ListApi(host("h1", 5), version=9), cache)
    clock.meanwhile.append(lambda: cache.put(HOSTS, host("h1", 5)))
    assert await comparing.compare(HOSTS) == 0
    assert (
        metrics.registry.get_sample_value("quantix_operator_missed_changes_total", {"resource": "hosts"})
        is None
    )


async def test_a_watch_that_told_nothing_twice_in_a_row_ends_the_process() -> None:
    cache = Cache((HOSTS,))
    api = ListApi(version=9)
    comparing, _, clock = resync(api, cache)

    def grow() -> None:
        """Somebody changes the host again and again, and nobody tells."""
        version = int(api.listed.resource_version) + 1
        api.listed = ListResult([host("h1", version)], str(version))

    clock.meanwhile.append(grow)
    with pytest.raises(TransientError) as caught:
        await comparing.run()
    assert caught.value.reason == "WatchDead"
    assert api.lists == 2


async def test_an_api_that_was_restored_ends_the_process() -> None:
    cache = Cache((HOSTS,))
    cache.put(HOSTS, host("h1", 50))
    with pytest.raises(InvariantError) as caught:
        await resync(ListApi(host("h1", 5), version=9), cache)[0].compare(HOSTS)
    assert caught.value.reason == "APIRestored"


async def test_kopf_waits_until_discovery_knows_the_kinds() -> None:
    api = ListApi(version=1)
    comparing, _, clock = resync(api, Cache((HOSTS, VIRTUAL_MACHINES)))
    await comparing.await_discovery((HOSTS,))
    assert len(clock.slept) == 2
