"""ApiClient against a small server: paths, retries, credentials, watches."""

from __future__ import annotations

import ast
import asyncio
import importlib.util
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from quantix_api.errors import PermanentError, TransientError
from quantix_api.resources import CLUSTER_ROLES, VIRTUAL_MACHINES
from quantix_client import errors
from quantix_client.api import ApiClient
from quantix_client.errors import (
    ApiError,
    Conflict,
    Forbidden,
    Gone,
    NotFound,
    Throttled,
    Unprocessable,
    Unreachable,
)
from quantix_client.watching import parse_event
from quantix_lab.clocks import ManualClock
from quantix_lab.fake_api import FakeApi, answering, breaking

VM = {"metadata": {"name": "web-1", "namespace": "default"}}


@pytest.fixture
async def api() -> AsyncIterator[FakeApi]:
    fake = FakeApi()
    async with fake.server:
        yield fake


@pytest.fixture
async def client(api: FakeApi, tmp_path: Path) -> AsyncIterator[ApiClient]:
    path = api.write_kubeconfig(tmp_path / "config", token="first")
    async with ApiClient.from_kubeconfig(path, user_agent="test") as client:
        yield client


async def test_a_list_follows_its_pages_and_names_the_kind_of_items(api: FakeApi, client: ApiClient) -> None:
    for number in range(5):
        api.put(f"vm-{number}")
    api.page_size = 2
    listed = await client.list(VIRTUAL_MACHINES, "default", label_selector="app=web")
    assert [item["metadata"]["name"] for item in listed.items] == [f"vm-{number}" for number in range(5)]
    assert {item["kind"] for item in listed.items} == {"VirtualMachine"}
    assert listed.resource_version == str(api.version)
    assert [request[2].get("continue") for request in api.requests] == [None, "2", "4"]
    assert all(request[2]["labelSelector"] == "app=web" for request in api.requests)


async def test_each_verb_goes_where_kubernetes_expects_it(api: FakeApi, client: ApiClient) -> None:
    async def ok(request: web.Request) -> web.StreamResponse:
        return web.json_response({"metadata": {}})

    api.script = [ok] * 6
    await client.create(VIRTUAL_MACHINES, VM, dry_run=True)
    await client.apply(VIRTUAL_MACHINES, VM, manager="quantix-operator", subresource="status")
    await client.patch(VIRTUAL_MACHINES, "web-1", {"spec": {"powerState": "Stopped"}}, "default")
    await client.replace(VIRTUAL_MACHINES, VM)
    await client.delete(VIRTUAL_MACHINES, "web-1", "default", uid="u1", propagation="Foreground")
    await client.request("POST", "/apis/x", json={"a": 1})
    root = "/apis/quantix.io/v1alpha1/namespaces/default/virtualmachines"
    assert [(method, path) for method, path, _ in api.requests] == [
        ("POST", root),
        ("PATCH", f"{root}/web-1/status"),
        ("PATCH", f"{root}/web-1"),
        ("PUT", f"{root}/web-1"),
        ("DELETE", f"{root}/web-1"),
        ("POST", "/apis/x"),
    ]
    assert api.requests[0][2] == {"dryRun": "All"}
    assert api.requests[1][2] == {"fieldManager": "quantix-operator", "force": "true"}
    assert [headers.get("Content-Type") for headers in api.headers[1:3]] == [
        "application/apply-patch+yaml",
        "application/merge-patch+json",
    ]
    assert api.bodies[1]["kind"] == "VirtualMachine"
    assert api.bodies[4]["preconditions"] == {"uid": "u1"}


@pytest.mark.parametrize("name", ["..", ".", "", "../../blue/images/secret", "a/b", "a%2fb"])
async def test_a_name_cannot_leave_its_place_in_the_path(client: ApiClient, name: str) -> None:
    """Quoted it would: the server takes `%2F` for a slash."""
    with pytest.raises(Unprocessable):
        await client.get(VIRTUAL_MACHINES, name, "default")
    if name:
        with pytest.raises(Unprocessable):
            await client.get(VIRTUAL_MACHINES, "web-1", name)
        with pytest.raises(Unprocessable):
            await client.list(VIRTUAL_MACHINES, name)


def test_names_are_quoted_in_paths() -> None:
    path = VIRTUAL_MACHINES.path("red/../blue", "web?watch=1#", "status")
    assert path.endswith("/namespaces/red%2F..%2Fblue/virtualmachines/web%3Fwatch%3D1%23/status")
    assert CLUSTER_ROLES.path(None, "system:node").endswith("/clusterroles/system:node")


@pytest.mark.parametrize(
    ("code", "reason", "expected", "base"),
    [
        (404, "NotFound", NotFound, TransientError),
        (409, "Conflict", Conflict, TransientError),
        (409, "AlreadyExists", errors.AlreadyExists, Conflict),
        (403, "Forbidden", Forbidden, TransientError),
        (410, "Expired", Gone, TransientError),
        (422, "Invalid", Unprocessable, PermanentError),
        (400, "BadRequest", Unprocessable, PermanentError),
        (500, "InternalError", errors.ServerFault, TransientError),
    ],
)
async def test_a_refusal_becomes_its_error_with_the_servers_words(
    api: FakeApi, client: ApiClient, code: int, reason: str, expected: type[ApiError], base: type[Exception]
) -> None:
    api.script = [answering(code, reason, "because")]
    with pytest.raises(expected, match="because") as caught:
        await client.get(VIRTUAL_MACHINES, "web-1", "default")
    assert (caught.value.code, caught.value.reason) == (code, reason)
    assert isinstance(caught.value, base)
    assert len(api.requests) == 1


def test_a_version_that_the_server_has_not_reached_counts_as_gone() -> None:
    body = {"reason": "Timeout", "details": {"causes": [{"reason": "ResourceVersionTooLarge"}]}}
    assert isinstance(errors.from_status(504, body), Gone)


async def test_a_broken_connection_is_retried_for_reads_and_applies_but_not_for_creates(
    api: FakeApi, client: ApiClient
) -> None:
    api.script = [breaking, breaking]
    api.put("web-1")
    await client.list(VIRTUAL_MACHINES)
    assert len(api.requests) == 3
    api.script = [breaking, answering(422, "Invalid")]
    with pytest.raises(Unprocessable):
        await client.apply(VIRTUAL_MACHINES, VM, manager="me")
    api.script = [breaking, answering(422, "Invalid")]
    with pytest.raises(Unreachable):
        await client.create(VIRTUAL_MACHINES, VM)


async def test_the_servers_retry_after_is_kept_also_for_writes_when_it_says_too_many(
    api: FakeApi, tmp_path: Path
) -> None:
    clock = ManualClock()
    path = api.write_kubeconfig(tmp_path / "config", token="first")

    async def ok(request: web.Request) -> web.StreamResponse:
        return web.json_response({"metadata": {}})

    slept: list[float] = []

    async def sleep(delay_s: float) -> None:
        slept.append(delay_s)

    clock.sleep = sleep  # type: ignore[method-assign]
    too_many = answering(429, "TooManyRequests", headers={"Retry-After": "3"})
    async with ApiClient.from_kubeconfig(path, user_agent="test", clock=clock) as client:
        api.script = [too_many, ok]
        await client.create(VIRTUAL_MACHINES, VM)
        assert slept == [3.0]
        api.script = [answering(503, "ServiceUnavailable", headers={"Retry-After": "1"})]
        with pytest.raises(Throttled):
            await client.create(VIRTUAL_MACHINES, VM)
        api.script = [too_many] * 5
        with pytest.raises(Throttled):
            await client.list(VIRTUAL_MACHINES)


async def test_a_server_that_is_away_is_unreachable_and_says_what_to_do(tmp_path: Path) -> None:
    fake = FakeApi()
    async with fake.server:
        path = fake.write_kubeconfig(tmp_path / "config")
    async with ApiClient.from_kubeconfig(path, user_agent="test") as client:
        with pytest.raises(Unreachable, match="did not answer GET") as caught:
            await client.list(VIRTUAL_MACHINES)
    assert "Connection refused" in str(caught.value)
    assert "qx status" in str(caught.value)


async def test_a_slow_answer_is_given_up_after_the_timeout(api: FakeApi, tmp_path: Path) -> None:
    async def slow(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(0.5)
        return web.Response()

    path = api.write_kubeconfig(tmp_path / "config")
    api.script = [slow]
    async with ApiClient.from_kubeconfig(path, user_agent="test", timeout_s=0.1) as client:
        with pytest.raises(Unreachable):
            await client.create(VIRTUAL_MACHINES, VM)


async def test_a_rotated_token_file_is_used_by_the_next_request(api: FakeApi, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("first\n")
    path = api.write_kubeconfig(tmp_path / "config", tokenFile="token")
    async with ApiClient.from_kubeconfig(path, user_agent="test") as client:
        await client.list(VIRTUAL_MACHINES)
        replacement = tmp_path / "token.new"
        replacement.write_text("second\n")
        replacement.rename(token)
        await client.list(VIRTUAL_MACHINES)
    assert [headers["Authorization"] for headers in api.headers] == ["Bearer first", "Bearer second"]


async def test_a_watch_yields_events_in_pieces_and_ends_with_the_server(
    api: FakeApi, client: ApiClient
) -> None:
    seen = []

    async def follow() -> None:
        async for event in client.watch(VIRTUAL_MACHINES, resource_version="100"):
            seen.append((event.type, event.resource_version))

    task = asyncio.create_task(follow())
    await api.wait_for_watch()
    await api.tell("ADDED", api.put("web-1"))
    await api.tell("BOOKMARK", {"metadata": {"resourceVersion": "150"}})
    await api.end_watches()
    async with asyncio.timeout(5):
        await task
    assert seen == [("ADDED", "101"), ("BOOKMARK", "150")]
    assert api.requests[0][2]["allowWatchBookmarks"] == "true"


async def test_a_silent_watch_is_given_up(api: FakeApi, client: ApiClient) -> None:
    with pytest.raises(errors.Silent):
        async for _ in client.watch(VIRTUAL_MACHINES, resource_version="100", silence_s=0.1):
            pass


async def test_a_refused_watch_raises_gone(api: FakeApi, client: ApiClient) -> None:
    api.refuse_versions_below = 200
    with pytest.raises(Gone):
        async for _ in client.watch(VIRTUAL_MACHINES, resource_version="100"):
            pass


def test_an_error_event_is_raised_and_a_line_cut_off_is_no_event() -> None:
    with pytest.raises(Gone):
        parse_event(b'{"type":"ERROR","object":{"code":410,"reason":"Expired","message":"too old"}}')
    assert parse_event(b'{"type":"ADD') is None
    assert parse_event(b"  ") is None


def test_the_package_itself_holds_only_its_docstring() -> None:
    package = importlib.util.find_spec("quantix_client")
    assert package is not None
    assert package.origin is not None
    (docstring,) = ast.parse(Path(package.origin).read_text()).body
    assert isinstance(docstring, ast.Expr), "every import names its module: qx loads only what it uses"
