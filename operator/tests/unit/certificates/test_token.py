"""The token that the operator has on a cluster of the user's own is renewed in its kubeconfig."""

from __future__ import annotations

import asyncio
import base64
import json
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from quantix_api.resources import OPERATOR_USER
from quantix_client.api import ApiClient
from quantix_client.kubeconfig import Access, load
from quantix_lab.clocks import ManualClock
from quantix_lab.kubeconfig import write_kubeconfig
from quantix_operator.certificates.token import TokenRenewal, own_token, parse_token

NOW = datetime(2026, 11, 24, tzinfo=UTC)


def token(begins: datetime = NOW, days: float = 30, subject: str = OPERATOR_USER) -> str:
    claims = {
        "sub": subject,
        "iat": int(begins.timestamp()),
        "exp": int((begins + timedelta(days=days)).timestamp()),
    }
    return f"e30.{base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip('=')}.c2ln"


class Api:
    """Answers a request for a token, and remembers it."""

    def __init__(self, access: Access, answer: str) -> None:
        self.access = access
        self.answer = answer
        self.asked: list[tuple[str, str, Any]] = []

    async def request(self, method: str, path: str, *, json: Any) -> dict[str, Any]:
        self.asked.append((method, path, json))
        return {"status": {"token": self.answer}}


def test_it_is_due_after_two_thirds_of_its_life() -> None:
    known = parse_token(token())
    assert known.due_s(NOW) == timedelta(days=20).total_seconds()
    assert known.due_s(NOW + timedelta(days=21)) == 0


@pytest.mark.parametrize("text", [None, "", "opaque", token(subject="system:serviceaccount:default:default")])
def test_credentials_that_are_not_the_operators_own_are_left_alone(text: str | None) -> None:
    assert own_token(text) is None
    assert own_token(token()) is not None


@pytest.mark.parametrize(("age_days", "times"), [(19, 0), (21, 1)])
async def test_it_is_asked_for_when_due_and_only_where_the_kubeconfig_holds_it(
    age_days: int, times: int, tmp_path: Path
) -> None:
    old, new = token(datetime.now(UTC) - timedelta(days=age_days)), token(datetime.now(UTC))
    holds = write_kubeconfig(tmp_path / "holds", "https://127.0.0.1:1", token=old)
    (tmp_path / "file").write_text(old)
    names = write_kubeconfig(tmp_path / "names", "https://127.0.0.1:1", tokenFile=f"{tmp_path}/file")
    for path, expected in ((holds, times), (names, 0)):
        api = Api(load(path), new)
        clock = ManualClock()
        renewal = asyncio.create_task(TokenRenewal(cast(ApiClient, api), path, clock).run())
        await asyncio.sleep(0.2)
        renewal.cancel()
        await asyncio.wait({renewal})
        assert len(api.asked) == expected


async def test_a_renewed_token_replaces_the_old_one_in_a_file_for_root_only(tmp_path: Path) -> None:
    old, new = token(), token(NOW + timedelta(days=20))
    path = write_kubeconfig(tmp_path / "operator.kubeconfig", "https://127.0.0.1:1", token=old)
    api = Api(load(path), new)
    await TokenRenewal(cast(ApiClient, api), path, ManualClock()).renew(parse_token(old))
    assert load(path).token == new
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]
    ((method, url, body),) = api.asked
    assert (method, url) == (
        "POST",
        "/api/v1/namespaces/quantix-system/serviceaccounts/quantix-operator/token",
    )
    assert body["spec"] == {"expirationSeconds": 30 * 24 * 3600}
