"""Whom a host shuts out of an image: what of its own ended without a word, and never another host."""

from __future__ import annotations

from pathlib import Path

import pytest

from quantix_hostd.clients.blocklist import hosts_of
from quantix_lab.images_in_memory import Stored, pool_in_memory


@pytest.mark.parametrize(
    ("clients", "hosts"),
    [
        ("10.1.0.5:0/2718281828", {"10.1.0.5"}),
        ("v2:10.1.0.5:0/2718281828", {"10.1.0.5"}),
        ("[v2:10.1.0.5:0/27,v1:10.1.0.5:0/27]", {"10.1.0.5"}),
        ("any:10.1.0.5:0/27", {"10.1.0.5"}),
        ("[fd00:0::5]:0/27", {"fd00::5"}),
        ("[v2:[fd00::5]:0/27,v1:10.1.0.5:0/27]", {"fd00::5", "10.1.0.5"}),
        (":/0", set()),
        ("", set()),
    ],
)
def test_the_host_of_a_client_is_in_its_address(clients: str, hosts: set[str]) -> None:
    assert hosts_of(clients) == hosts


def test_another_hosts_clients_are_left_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pool, images = pool_in_memory(monkeypatch, tmp_path)
    images["v1"] = Stored()
    images["v1"].watchers = ["192.0.2.1:0/1", "192.0.2.1:0/77", "192.0.2.12:0/5", "192.0.2.7:0/77"]
    assert pool.shut_out_left("v1") == 1
    assert images.shut_out == ["192.0.2.1:0/77"]
    assert images.calls[-1] == "wait for the map"
    assert pool.shut_out_left("v1") == 0
    assert pool.shut_out_left("v2") == 0
