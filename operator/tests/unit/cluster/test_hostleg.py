"""Where the hosts' own legs lie, and who leads out."""

from __future__ import annotations

from ipaddress import IPv4Network

import pytest

from quantix_operator.cluster.hostleg import PREFIX_CANDIDATES, choose_prefix, place_hosts
from quantix_operator.router.rows import MAX_GATEWAYS, order_gateways

PREFIX = IPv4Network("10.254.252.0/22")


def test_the_first_prefix_that_overlaps_nothing_is_taken() -> None:
    assert str(choose_prefix([], [])) == PREFIX_CANDIDATES[0]
    assert str(choose_prefix([], ["100.64.0.0/10", "fd00::/8"])) == PREFIX_CANDIDATES[1]


def test_where_hosts_are_already_the_legs_stay() -> None:
    recorded = ["fd00::1/64", "10.254.252.7/22"]
    assert choose_prefix(recorded, ["10.0.0.0/8"]) == PREFIX


def test_without_a_free_prefix_there_is_an_error_and_no_overlap() -> None:
    with pytest.raises(ValueError, match="overlaps"):
        choose_prefix([], ["0.0.0.0/0"])


def test_hosts_keep_their_addresses_and_new_ones_get_others() -> None:
    first = place_hosts(PREFIX, [("h1", "uid-1")], {})
    both = place_hosts(PREFIX, [("h2", "uid-2"), ("h1", "uid-1")], {"uid-1": first[0].address})
    addresses = {port.name: port.address for port in both}
    assert addresses["h1"] == first[0].address
    assert addresses["h2"] != addresses["h1"]


def test_an_address_recorded_twice_or_out_of_place_is_chosen_anew() -> None:
    recorded = {"uid-1": "10.254.252.9", "uid-2": "10.254.252.9", "uid-3": "10.254.252.1"}
    placed = place_hosts(PREFIX, [("h1", "uid-1"), ("h2", "uid-2"), ("h3", "uid-3")], recorded)
    assert placed[0].address == "10.254.252.9"
    assert len({port.address for port in placed} | {"10.254.252.1"}) == 4


def test_the_order_of_gateways_changes_only_with_the_members() -> None:
    hosts = [f"host-{number}" for number in range(8)]
    order = order_gateways("router", hosts)
    assert order == order_gateways("router", hosts[::-1])
    assert len(order) == MAX_GATEWAYS
    without = [host for host in hosts if host != order[0]]
    assert order_gateways("router", without)[: MAX_GATEWAYS - 1] == order[1:]


def test_routers_spread_over_the_hosts() -> None:
    hosts = ["h1", "h2", "h3"]
    assert len({order_gateways(f"router-{number}", hosts)[0] for number in range(30)}) == 3
