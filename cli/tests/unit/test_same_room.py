"""Two pools on one disk do not seem to have twice its room."""

from __future__ import annotations

from typing import Any

import pytest

from quantix_cli.exits import Exit
from quantix_cli.same_room import told_once
from quantix_client.api import ListResult
from quantix_lab.qx_session import qx_session, typed


def pool(name: str, available: str | None, kind: str = "dir") -> dict[str, Any]:
    status = {"capacity": "100Gi", "available": available} if available else {}
    return {"metadata": {"name": name}, "spec": {kind: {"path": f"/srv/{name}"}}, "status": status}


class Api:
    def __init__(self, *pools: dict[str, Any]) -> None:
        self.pools = list(pools)

    async def list(self, resource: Any, *_: Any, **__: Any) -> ListResult:
        return ListResult(self.pools if resource.plural == "storagepools" else [], "1")


@pytest.mark.parametrize(
    ("pools", "said"),
    [
        ([pool("a", "5Gi"), pool("b", "5Gi"), pool("c", "6Gi")], ["a and b"]),
        ([pool("a", "5Gi"), pool("b", "5Gi"), pool("c", "5Gi")], ["a, b and c"]),
        ([pool("a", "5Gi"), pool("b", "6Gi")], []),
        ([pool("a", None), pool("b", None)], []),
        ([pool("a", "5Gi", "rbd"), pool("b", "5Gi", "rbd")], []),
    ],
)
def test_those_that_show_the_same_room_are_named(pools: list[dict[str, Any]], said: list[str]) -> None:
    why = "show the same room: where they lie on one disk, it is there only once."
    assert list(told_once(pools)) == [f"{named} {why}" for named in said]


@pytest.mark.parametrize(("options", "lines"), [("", 1), ("-o name", 0), ("-o json", 0)])
async def test_it_is_told_beside_the_table_alone(
    options: str, lines: int, capsys: pytest.CaptureFixture[str]
) -> None:
    here = qx_session(Api(pool("a", "5Gi"), pool("b", "5Gi")))
    assert await typed(here, f"pool list {options}") == Exit.DONE
    assert len(capsys.readouterr().err.splitlines()) == lines
