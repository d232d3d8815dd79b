"""Which hosts are asked for an image, and in which order."""

from __future__ import annotations

from typing import Any

from quantix_api import Image
from quantix_hostd.peers import Holder, holder_of, peers_with

UID = "0a1b"


def image(**status: Any) -> Image:
    known = {"host": "h1", "data": "Present", "checksum": f"sha256:{'a' * 64}", **status}
    metadata = {"name": "disk", "namespace": "default", "uid": UID}
    return Image.model_validate({"metadata": metadata, "spec": {"upload": {}}, "status": known})


def host(name: str, *images: str, ready: str = "Healthy", address: str = "192.0.2.1:9443") -> Holder:
    condition = {"type": "Ready", "status": "True" if ready == "Healthy" else "False", "reason": ready}
    status: dict[str, Any] = {"conditions": [condition], "images": [{"uid": uid} for uid in images]}
    if address:
        status["addresses"] = {"api": address}
    return holder_of({"metadata": {"name": name}, "status": status})


def names(found: Image, *holders: Holder, me: str = "h9") -> list[str]:
    return [peer.name for peer in peers_with(found, holders, me)]


def test_the_host_that_keeps_it_has_it_and_so_has_who_says_so() -> None:
    holders = (host("h1"), host("h2", UID), host("h3", "other"), host("h4"))
    assert sorted(names(image(), *holders)) == ["h1", "h2"]
    assert names(image(data="Absent"), *holders) == ["h2"]
    assert names(image(), *holders, me="h1") == ["h2"]


def test_nobody_is_asked_for_a_file_that_was_not_checked_yet() -> None:
    assert names(image(checksum=None), host("h1"), host("h2", UID)) == []


def test_who_has_told_no_address_is_not_asked() -> None:
    assert names(image(), host("h1", address=""), host("h2", UID)) == ["h2"]
    assert names(image(), holder_of({"metadata": {"name": "h1"}})) == []


def test_hosts_that_the_cluster_does_not_hear_are_asked_last() -> None:
    lost = [host(f"h{number}", UID, ready="Unreachable") for number in range(2, 6)]
    assert names(image(), *lost, host("h7", UID, ready="LibvirtDown"))[0] == "h7"
    assert len(names(image(), *lost)) == 4


def test_each_host_asks_in_an_order_of_its_own_that_stays() -> None:
    holders = [host(f"h{number}", UID) for number in range(1, 9)]
    orders = [names(image(), *holders, me=f"new-{number}") for number in range(64)]
    assert orders == [names(image(), *reversed(holders), me=f"new-{number}") for number in range(64)]
    assert len({order[0] for order in orders}) == 8, "some are never asked first"
