"""Who gets a plan: root on the socket, and over TCP whoever the API server says may have it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from prometheus_client import CollectorRegistry

from quantix_api.errors import TransientError
from quantix_api.host_plan import Question
from quantix_operator.clients.http_server import serving
from quantix_operator.clients.plan_door import PlanDoor, Reply
from quantix_operator.health import Health

Answered = tuple[int, str]


class Api:
    """Knows the tokens `planner`, which may plan for h1, `overseer`, for all hosts, and `stranger`."""

    def __init__(self, *, away: bool = False) -> None:
        self.away = away
        self.reviews: list[dict[str, Any]] = []

    async def request(self, method: str, path: str, *, json: dict[str, Any]) -> dict[str, Any]:
        assert method == "POST"
        if self.away:
            raise TransientError("APIUnreachable", "The API is away")
        self.reviews.append(json["spec"])
        if path.endswith("/tokenreviews"):
            known = json["spec"]["token"] in ("planner", "stranger", "overseer")
            return {"status": {"authenticated": known, "user": {"username": json["spec"]["token"]}}}
        of_h1 = json["spec"]["resourceAttributes"].get("name") == "h1"
        allowed = json["spec"]["user"] == "overseer" or (json["spec"]["user"] == "planner" and of_h1)
        return {"status": {"allowed": allowed}}


async def answer(question: Question, host: str) -> Reply:
    if host == "h9":
        return Reply(404, sentence="There is no host h9.")
    return Reply(200, {"question": question, "host": host})


async def answer_balance() -> Reply:
    return Reply(200, {"kind": "BalancePlan"})


@pytest.fixture
def folder() -> Iterator[Path]:
    """Short: a socket's name may have 108 bytes."""
    made = Path(tempfile.mkdtemp(prefix="qx-", dir="/tmp"))
    yield made
    shutil.rmtree(made)


@asynccontextmanager
async def on_loopback(api: Any) -> AsyncIterator[str]:
    door = PlanDoor(api, answer, answer_balance)
    async with serving("127.0.0.1", 0, CollectorRegistry(), live=Health, ready=Health, plans=door) as port:
        yield f"http://127.0.0.1:{port}"


async def ask(url: str, token: str | None = None, connector: Any = None) -> Answered:
    headers = {} if token is None else {"Authorization": token}
    async with aiohttp.ClientSession(connector=connector) as http, http.get(url, headers=headers) as reply:
        return reply.status, await reply.text()


@pytest.mark.parametrize(
    ("token", "host", "status"),
    [
        (None, "h1", 401),
        ("", "h1", 401),
        ("Bearer ", "h1", 401),
        ("Basic planner", "h1", 401),
        ("Bearer nobody", "h1", 401),
        ("Bearer stranger", "h1", 403),
        ("Bearer planner", "h2", 403),
        ("Bearer planner", "h1", 200),
    ],
)
async def test_over_tcp_only_those_who_may_get_the_plan_of_that_host(
    token: str | None, host: str, status: int
) -> None:
    async with on_loopback(Api()) as base:
        assert (await ask(f"{base}/v1/plan/maintenance/{host}", token))[0] == status


@pytest.mark.parametrize(("token", "status"), [("planner", 403), ("stranger", 403), ("overseer", 200)])
async def test_the_balance_is_of_all_hosts_and_for_who_may_plan_for_all(token: str, status: int) -> None:
    async with on_loopback(Api()) as base:
        assert (await ask(f"{base}/v1/plan/balance", f"Bearer {token}"))[0] == status
        assert (await ask(f"{base}/v1/plan/balance"))[0] == 401


async def test_the_server_is_asked_about_the_virtual_subresource() -> None:
    api = Api()
    async with on_loopback(api) as base:
        await ask(f"{base}/v1/plan/host-loss/h1", "Bearer planner")
    assert api.reviews[-1]["resourceAttributes"] == {
        "verb": "get",
        "group": "quantix.io",
        "resource": "hosts",
        "subresource": "plan",
        "name": "h1",
    }


async def test_while_the_api_is_away_nobody_is_let_in() -> None:
    async with on_loopback(Api(away=True)) as base:
        assert (await ask(f"{base}/v1/plan/maintenance/h1", "Bearer planner"))[0] == 503
        assert (await ask(f"{base}/healthz"))[0] == 200


async def test_root_is_asked_nothing_on_a_socket_of_its_own(folder: Path) -> None:
    api: Any = Api(away=True)
    path = folder / "run/operator.sock"
    path.parent.mkdir()
    path.write_text("left behind")
    async with PlanDoor(api, answer, answer_balance).serving_root(path):
        assert path.stat().st_mode & 0o777 == 0o600
        for plan, said in (
            ("maintenance/h1", (200, '{"question": "maintenance", "host": "h1"}')),
            ("balance", (200, '{"kind": "BalancePlan"}')),
            ("host-loss/h9", (404, "There is no host h9.")),
            ("earthquake/h1", (404, "There are plans of: maintenance, host-loss.")),
        ):
            unix = aiohttp.UnixConnector(str(path))
            assert await ask(f"http://operator/v1/plan/{plan}", connector=unix) == said


async def test_a_socket_that_cannot_be_had_keeps_nobody_from_deciding(folder: Path) -> None:
    api: Any = Api()
    async with PlanDoor(api, answer, answer_balance).serving_root(folder / ("long" * 40) / "operator.sock"):
        pass
