"""Which events a host may tell on the real API server."""

from __future__ import annotations

from typing import Any

import pytest

from quantix_lab.api_as import ApiAs
from quantix_lab.api_objects import (
    OPERATOR,
    host_user,
)

EVENTS = "/apis/events.k8s.io/v1/namespaces/{}/events"


def event_about(namespace: str, **regarding: str) -> dict[str, Any]:
    return {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"generateName": "e-"},
        "eventTime": "2026-11-23T10:00:00.000000Z",
        "reportingController": "quantix.io/hostd",
        "reportingInstance": "h1",
        "action": "Start",
        "reason": "Started",
        "type": "Normal",
        "note": "It runs.",
        "regarding": {
            "apiVersion": "quantix.io/v1alpha1",
            "kind": "VirtualMachine",
            "name": "a",
            "namespace": namespace,
            **regarding,
        },
    }


def test_an_event_of_a_host_names_that_host(api: ApiAs, namespace: str) -> None:
    event = event_about(namespace)
    assert api.create(EVENTS.format(namespace), event, user=host_user("h1")).code == 201
    forged = api.create(EVENTS.format(namespace), event, user=host_user("h2"))
    assert forged.code == 403
    assert "names that host" in forged.message
    assert api.create(EVENTS.format(namespace), event, user=OPERATOR).code == 201


def test_a_host_takes_over_no_event_of_another(api: ApiAs, namespace: str) -> None:
    event = {**event_about(namespace), "reportingController": "quantix.io/operator"}
    made = api.create(EVENTS.format(namespace), event, user=OPERATOR)
    path = f"{EVENTS.format(namespace)}/{made.body['metadata']['name']}"
    mine = {"reportingController": "quantix.io/hostd", "reportingInstance": "h1"}
    taken = api.merge(path, mine, user=host_user("h1"))
    assert (taken.code, "immutable" in taken.message) == (422, True)
    counted = {"series": {"count": 2, "lastObservedTime": "2026-11-23T10:05:00.000000Z"}}
    assert api.merge(path, counted, user=host_user("h1")).code == 403


@pytest.mark.parametrize(
    ("regarding", "refusal"),
    [
        ({"kind": "Host", "name": "h1"}, ""),
        ({"kind": "Host", "name": "h2"}, "tells events of itself"),
        ({"kind": "HostRecovery", "name": "h1"}, "is about one of"),
        ({"apiVersion": "v1", "kind": "Secret", "name": "a"}, "is about one of"),
        ({"apiVersion": "example.com/v1", "kind": "Image", "name": "a"}, "is about one of"),
    ],
    ids=str,
)
def test_an_event_of_a_host_is_about_what_hosts_report_on(
    api: ApiAs, regarding: dict[str, str], refusal: str
) -> None:
    event = event_about("default", **regarding)
    answer = api.create(EVENTS.format("default"), event, user=host_user("h1"))
    assert answer.code == (403 if refusal else 201), answer.message
    assert refusal in answer.message
