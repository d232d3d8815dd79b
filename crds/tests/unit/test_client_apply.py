"""What a manager owns is read from managedFields; logs hold no secrets."""

from __future__ import annotations

import io
import json
import logging
from typing import Any, cast

import pytest
import structlog

from quantix_api.resources import HOSTS
from quantix_client.api import ApiClient
from quantix_client.apply import apply_if_changed, owned_fields
from quantix_client.logs import configure_logging, redact

LIVE: dict[str, Any] = {
    "metadata": {
        "name": "web-1",
        "managedFields": [
            {"manager": "me", "operation": "Update", "subresource": "status", "fieldsV1": {"f:status": {}}},
            {
                "manager": "me",
                "operation": "Apply",
                "subresource": "status",
                "fieldsV1": {
                    "f:status": {
                        "f:phase": {},
                        "f:resolved": {"f:cores": {}, ".": {}},
                        "f:empty": {".": {}},
                        "f:tags": {'v:"a"': {}},
                        "f:gone": {},
                        "f:conditions": {
                            'k:{"type":"Ready"}': {".": {}, "f:type": {}, "f:status": {}},
                        },
                    }
                },
            },
            {
                "manager": "other",
                "operation": "Apply",
                "subresource": "status",
                "fieldsV1": {"f:status": {"f:phase": {}}},
            },
        ],
    },
    "status": {
        "phase": "Running",
        "resolved": {"cores": 2, "theirs": 1},
        "empty": {},
        "tags": ["a", "b"],
        "theirs": True,
        "conditions": [
            {"type": "Scheduled", "status": "True"},
            {"type": "Ready", "status": "True", "reason": "another's"},
        ],
    },
}


def test_only_the_own_fields_are_taken_items_by_key_and_members_by_value() -> None:
    assert owned_fields(LIVE, "me", "status") == {
        "status": {
            "phase": "Running",
            "resolved": {"cores": 2},
            "empty": {},
            "tags": ["a"],
            "conditions": [{"type": "Ready", "status": "True"}],
        }
    }


@pytest.mark.parametrize(("manager", "subresource"), [("nobody", "status"), ("me", "")])
def test_who_applied_nothing_there_owns_nothing(manager: str, subresource: str) -> None:
    assert owned_fields(LIVE, manager, subresource) == {}
    assert owned_fields({"metadata": {}}, manager, subresource) == {}


class Server:
    """Takes applies, and tells what it got."""

    def __init__(self) -> None:
        self.applied: list[dict[str, Any]] = []

    async def apply(self, _resource: object, body: dict[str, Any], **_how: str) -> dict[str, Any]:
        self.applied.append(body)
        return body


def reported(*types: str) -> dict[str, Any]:
    """An object whose status `me` reported, with its conditions in the server's order."""
    conditions = [{"type": name, "status": "True"} for name in types]
    owned: dict[str, Any] = {f'k:{{"type":"{name}"}}': {"f:type": {}, "f:status": {}} for name in types}
    entry = {
        "manager": "me",
        "operation": "Apply",
        "subresource": "status",
        "fieldsV1": {"f:status": {"f:conditions": owned}},
    }
    return {"metadata": {"name": "a", "managedFields": [entry]}, "status": {"conditions": conditions}}


async def test_conditions_in_another_order_and_empty_members_are_no_write() -> None:
    server = Server()
    wanted = {"status": {**reported("KVMAvailable", "Ready")["status"], "images": []}}
    client = cast("ApiClient", server)
    live = reported("Ready", "KVMAvailable")
    assert await apply_if_changed(client, HOSTS, live, wanted, manager="me") is None
    assert server.applied == []
    fewer = reported("Ready")
    assert await apply_if_changed(client, HOSTS, fewer, wanted, manager="me") is not None
    assert [body["status"] for body in server.applied] == [wanted["status"]]


@pytest.mark.parametrize("status", [{}, {"images": []}])
async def test_who_owns_nothing_and_says_nothing_writes_nothing(status: dict[str, Any]) -> None:
    server = Server()
    live = {"metadata": {"name": "a"}}
    client = cast("ApiClient", server)
    assert await apply_if_changed(client, HOSTS, live, {"status": status}, manager="me") is None
    given_up = await apply_if_changed(client, HOSTS, reported("Ready"), {"status": status}, manager="me")
    assert given_up == {"metadata": {"name": "a"}, "status": status}


def test_secrets_are_blotted_out_by_name_and_by_look() -> None:
    key = "-----BEGIN EC PRIVATE KEY-----\nMHc\n-----END EC PRIVATE KEY-----"
    event = redact(
        None,
        "info",
        {
            "event": "token accepted",
            "token": "abc",
            "user_data": "#cloud-config",
            "nested": {"password": "x", "name": "y"},
            "text": f"got {key} and Bearer abcdefghijkl and abcdef.0123456789abcdef",
            "list": ["Bearer abcdefghijkl"],
            "empty_secret": "",
            "count": 3,
        },
    )
    assert event["event"] == "token accepted"
    assert event["token"] == event["user_data"] == event["nested"]["password"] == "[redacted]"
    assert event["nested"]["name"] == "y"
    assert event["text"] == "got [redacted] and [redacted] and [redacted]"
    assert event["list"] == ["[redacted]"]
    assert (event["empty_secret"], event["count"]) == ("", 3)


def test_logs_of_ours_and_of_libraries_are_json_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    output = io.StringIO()
    monkeypatch.setattr("sys.stdout", output)
    root = logging.getLogger()
    before = (root.handlers[:], root.level)
    try:
        configure_logging(json=True)
        structlog.get_logger("ours").info("started", port=1, token="x")
        logging.getLogger("theirs").warning("careful with %s", "this")
    finally:
        root.handlers[:], root.level = before
        structlog.reset_defaults()
    ours, theirs = (json.loads(line) for line in output.getvalue().splitlines())
    assert (ours["event"], ours["level"], ours["logger"], ours["port"]) == ("started", "info", "ours", 1)
    assert ours["token"] == "[redacted]"
    assert (theirs["event"], theirs["level"]) == ("careful with this", "warning")
